//! How much of a late turn the host kept from the core's thread.
//!
//! A turn is measured on the wall, so on a busy host a turn looks late that did nothing wrong. What the thread ran, and
//! what it waited for a CPU, is the kernel's to know, and told here, so that turns that blocked or worked too long can be
//! told from turns that were not let run.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// The scheduler's account of this thread. Holds one descriptor; reading it never waits.
#[derive(Debug, Default)]
pub(super) struct Starved {
    /// `None`: this kernel keeps no such account, and every late turn counts as the core's own.
    account: Option<File>,
    seen: Noted,
    is_due: bool,
}

/// What the kernel has noted of a thread since it began.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    /// On a CPU.
    ran: Duration,
    /// Ready to run without one.
    waited: Duration,
    /// Times it went to sleep by itself.
    slept: i64,
}

impl Starved {
    /// Of the thread that calls.
    pub(super) fn of_this_thread() -> Self {
        let account = File::open("/proc/thread-self/schedstat").ok();
        let mut starved = Self { account, ..Self::default() };
        starved.seen = starved.read().unwrap_or_default();
        starved
    }

    /// The account is to be looked at when this turn ends, so that it never reaches back far. Not now: what the thread
    /// has waited in this turn is this turn's.
    pub(super) fn tick(&mut self) {
        self.is_due = true;
    }

    /// A turn is over that took so long. How much of that was kept from the thread, as of the last look, which is at most
    /// a tick before the turn; nothing if nobody wants to know.
    pub(super) fn turn(&mut self, took: Duration, is_late: bool) -> Duration {
        let is_due = std::mem::take(&mut self.is_due);
        let Some(now) = (is_late || is_due).then(|| self.read()).flatten() else { return Duration::ZERO };
        let before = std::mem::replace(&mut self.seen, now);
        let own = took.saturating_sub(now.waited.saturating_sub(before.waited));
        // Who neither ran nor waited nor slept had a CPU that was itself taken away, by the host of this machine.
        let is_stolen = now.slept == before.slept;
        took - if is_stolen { own.min(now.ran.saturating_sub(before.ran)) } else { own }
    }

    fn read(&self) -> Option<Noted> {
        let (ran, slept) = usage();
        let mut bytes = [0; 96];
        let read = self.account.as_ref()?.read_at(&mut bytes, 0).ok()?;
        // Nanoseconds on a CPU (as of the last interrupt), nanoseconds ready without one, time slices.
        let waited = std::str::from_utf8(&bytes[..read]).ok()?.split_ascii_whitespace().nth(1)?;
        Some(Noted { ran, waited: waited.parse().ok().map(Duration::from_nanos)?, slept })
    }
}

/// What this thread ran, and how often it went to sleep by itself.
#[allow(unsafe_code)]
fn usage() -> (Duration, i64) {
    // SAFETY: plain numbers, for which zeroes are values.
    let (mut ran, mut used) =
        unsafe { (std::mem::zeroed::<libc::timespec>(), std::mem::zeroed::<libc::rusage>()) };
    // SAFETY: each call writes only the struct it is given.
    unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut ran);
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut used);
    }
    (Duration::new(ran.tv_sec as u64, ran.tv_nsec as u32), used.ru_nvcsw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LATE: Duration = Duration::from_millis(60);

    #[test]
    fn neither_sleep_nor_work_is_excused() {
        let mut starved = Starved::of_this_thread();
        let began = Instant::now();
        std::thread::sleep(LATE);
        let took = began.elapsed();
        // On a busy host it may have waited besides.
        assert!(took - starved.turn(took, true) >= LATE, "it slept");
        let (began, ran) = (Instant::now(), usage().0);
        while usage().0 - ran < LATE {}
        let took = began.elapsed();
        assert!(took - starved.turn(took, true) >= LATE, "it worked");
        assert_eq!(Starved::default().turn(took, true), Duration::ZERO, "nothing is known");
    }

    /// A tick comes in the middle of a long turn as often as not.
    #[test]
    fn what_was_waited_before_a_tick_counts_for_its_turn() {
        let path = std::env::temp_dir().join(format!("schedstat-{}", std::process::id()));
        let waits =
            |ms: u64| std::fs::write(&path, format!("5 {} 5\n", ms * 1_000_000)).expect("a small file");
        waits(10);
        let mut starved = Starved { account: File::open(&path).ok(), ..Starved::default() };
        starved.seen = starved.read().expect("three numbers");
        waits(70);
        starved.tick();
        assert!(starved.turn(LATE, true) >= LATE);
        waits(75);
        assert_eq!(starved.turn(LATE, false), Duration::ZERO, "nobody looks");
        starved.tick();
        starved.turn(Duration::ZERO, false);
        assert_eq!(starved.seen.waited, Duration::from_millis(75), "a tick does, after its turn");
        let _ = std::fs::remove_file(&path);
    }
}
