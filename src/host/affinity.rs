//! Keeps threads to CPUs. Threads inherit the CPUs of the one that starts them.

use crate::placement::Cpus;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// From now on the calling thread, and whoever it starts, runs on these CPUs only.
///
/// # Errors
///
/// None of them is one that this process may use.
pub fn keep_to(cpus: &Cpus) -> io::Result<()> {
    let mut set = CpuSet::new();
    // The kernel takes what is left of a set that names CPUs that are not ours.
    cpus.iter().map(usize::from).filter(|cpu| *cpu < CpuSet::MAX_CPU).for_each(|cpu| set.set(cpu));
    Ok(sched_setaffinity(None, &set)?)
}

/// Runs `run` on these CPUs, so that the threads that it starts stay there, and goes back to where it was.
///
/// # Errors
///
/// As [`keep_to`]; nothing was run then.
pub fn while_on<T>(cpus: &Cpus, run: impl FnOnce() -> T) -> io::Result<T> {
    let before = sched_getaffinity(None)?;
    keep_to(cpus)?;
    let ran = run();
    // It was there before, so it may be there again, unless the cpuset has changed meanwhile: then it is where it may be.
    let _ = sched_setaffinity(None, &before);
    Ok(ran)
}
