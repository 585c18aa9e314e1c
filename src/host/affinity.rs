//! Keeps threads to CPUs. Threads inherit the CPUs of the one that starts them.

use crate::placement::Cpus;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;
use std::marker::PhantomData;

/// Where the calling thread may run; `None`: the kernel does not say.
pub(super) fn allowed_cpus() -> Option<Cpus> {
    let set = sched_getaffinity(None).ok()?;
    let cpus: Cpus = (0..CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .filter_map(|cpu| u16::try_from(cpu).ok())
        .collect();
    (!cpus.is_empty()).then_some(cpus)
}

/// From now on the calling thread, and whoever it starts, runs on this CPU only.
///
/// # Errors
///
/// There is no such CPU, it is not ours, or a sandbox forbids it.
pub fn pin(cpu: usize) -> io::Result<()> {
    // core_affinity panics on a number that its mask cannot hold.
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no mask of the kernel's has it"));
    }
    let is_there = core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
    // It tells no more, but the kernel was the last that it asked.
    if is_there { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// From now on the calling thread, and whoever it starts, runs on these CPUs only.
///
/// # Errors
///
/// None of them is one that this process may use, or a sandbox forbids it.
pub fn keep_to(cpus: &Cpus) -> io::Result<()> {
    let mut set = CpuSet::new();
    // The kernel takes what is left of a set that names CPUs that are not ours.
    cpus.iter().map(usize::from).filter(|cpu| *cpu < CpuSet::MAX_CPU).for_each(|cpu| set.set(cpu));
    Ok(sched_setaffinity(None, &set)?)
}

/// The calling thread is elsewhere until this is dropped, and whoever it starts meanwhile stays there.
#[derive(Debug)]
pub struct Visit {
    before: CpuSet,
    /// It is of the thread that began it.
    _here: PhantomData<*const ()>,
}

/// Moves the calling thread to these CPUs for a while.
///
/// # Errors
///
/// As [`keep_to`]; it is where it was then.
pub fn visit(cpus: &Cpus) -> io::Result<Visit> {
    let before = sched_getaffinity(None)?;
    keep_to(cpus)?;
    Ok(Visit { before, _here: PhantomData })
}

impl Drop for Visit {
    fn drop(&mut self) {
        // It was there before, so it may be there again, unless the cpuset has changed meanwhile: then it is where it may be.
        let _ = sched_setaffinity(None, &self.before);
    }
}
