//! How long a core's thread was ready to run and was given no CPU.
//!
//! A turn is measured on the wall, so on a busy host a turn looks late that did nothing wrong. What the scheduler made
//! the thread wait is the kernel's to know, and told here, so that turns that blocked or worked too long can be told
//! from turns that were not let run.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// The scheduler's account of this thread. Holds one descriptor; reading it never waits.
#[derive(Debug, Default)]
pub(super) struct Starved {
    /// `None`: this kernel keeps no such account, and every late turn counts as the core's own.
    account: Option<File>,
    seen: Duration,
}

impl Starved {
    /// Of the thread that calls.
    pub(super) fn of_this_thread() -> Self {
        let mut starved =
            Self { account: File::open("/proc/thread-self/schedstat").ok(), seen: Duration::ZERO };
        starved.since();
        starved
    }

    /// How long it waited for a CPU since the last call.
    pub(super) fn since(&mut self) -> Duration {
        let now = self.read().unwrap_or(self.seen);
        now.saturating_sub(std::mem::replace(&mut self.seen, now))
    }

    /// Three numbers: nanoseconds on a CPU, nanoseconds ready without one, time slices.
    fn read(&self) -> Option<Duration> {
        let mut bytes = [0; 96];
        let read = self.account.as_ref()?.read_at(&mut bytes, 0).ok()?;
        let text = std::str::from_utf8(&bytes[..read]).ok()?;
        text.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn sleeping_is_no_starving_and_the_account_only_grows() {
        let mut starved = Starved::of_this_thread();
        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(60));
        // On a busy host it may have waited besides, but never longer than the time beyond its sleep.
        assert!(starved.since() <= began.elapsed() - Duration::from_millis(60));
        assert!(Starved::default().since() == Duration::ZERO);
    }
}
