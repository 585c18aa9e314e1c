//! The clock that counts from the host's boot, also while it slept: whoever was suspended must notice.

use std::time::Duration;

/// Time since boot, suspensions included (`CLOCK_BOOTTIME`).
pub fn since_boot() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes only the struct it is given, which lives beyond it.
    #[allow(unsafe_code)]
    let code = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    assert_eq!(code, 0, "every Linux since 2.6.39 has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The same in whole milliseconds: what [`crate::model::Now::mono_ms`] counts, on every thread.
pub fn mono_ms() -> u64 {
    since_boot().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on() {
        let before = since_boot();
        std::thread::sleep(Duration::from_millis(5));
        let passed = since_boot() - before;
        assert!(passed >= Duration::from_millis(5) && passed < Duration::from_secs(60), "{passed:?}");
    }
}
