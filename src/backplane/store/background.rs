//! Work that may wait for everything else on its CPU.
//!
//! The store's worker writes memtables out and compacts for tenths of a second at a time, also right after a start,
//! when every client comes back. Where it shares a CPU with a core or a reader, each of them waits for the end of its
//! time slice, about 3 ms, at each of its wakes: a replay after a restart took 3 ms instead of 0.2, and up to 8.
//! With the lowest priority it gives way at once (the longest of 20 took 1.4 ms), and where the CPU is busy all the
//! time it still has one and a half percent of it, enough for a few thousand rows a second. Nices of 5, 10 and 15 and
//! shorter slices for everyone else were measured too: medians became as short, the longest did not.

use std::io;
use std::thread;

/// Calls `work` on a thread of the lowest priority. The threads that it starts inherit that, and keep it.
///
/// Panics as `work` does.
pub fn in_background<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let lowly = || {
        if let Err(error) = give_way() {
            tracing::warn!(%error, "compaction competes with the cores: its priority cannot be lowered");
        }
        work()
    };
    thread::scope(|scope| match scope.spawn(lowly).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Lowers the calling thread's priority as far as it goes, which everyone may do and only root may undo.
#[allow(unsafe_code)]
fn give_way() -> io::Result<()> {
    // SAFETY: a call with integers alone. On Linux a nice value is a thread's own, and 0 names the caller.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A thread's nice value, as the kernel tells it: the 19th field, the 17th behind the name.
    fn nice() -> i32 {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn what_it_starts_gives_way_and_the_caller_does_not() {
        let before = nice();
        assert_eq!(in_background(|| thread::spawn(nice).join().unwrap()), 19);
        assert_eq!(nice(), before);
    }
}
