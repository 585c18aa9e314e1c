//! How often the host took a CPU of this machine away, as a thread on each of them sees it.
//!
//! A kernel that its host does not tell of stolen time takes it for time that the thread ran, so a turn that fell into such
//! a stall looks late by its own doing. A thread that only sleeps oversleeps it, too, and can say what was not the
//! scheduler's doing: how long it was ready and had no CPU is known.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const NAP: Duration = Duration::from_millis(5);
/// Half of what makes a turn late: a turn of an optimised program is not worth mentioning beside it.
const STALL: Duration = Duration::from_millis(25);

static SEEN: AtomicU32 = AtomicU32::new(0);

/// Stalls so far, those of each CPU. It looks from the first call on.
pub fn stalls() -> u32 {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        for cpu in core_affinity::get_core_ids().unwrap_or_default() {
            std::thread::spawn(move || {
                assert!(core_affinity::set_for_current(cpu), "a thread for {cpu:?}");
                loop {
                    SEEN.fetch_add(u32::from(overslept() >= STALL), Ordering::Relaxed);
                }
            });
        }
    });
    SEEN.load(Ordering::Relaxed)
}

/// What a nap took too long, without the time that the thread was ready.
fn overslept() -> Duration {
    let (before, began) = (ready(), Instant::now());
    std::thread::sleep(NAP);
    began.elapsed().saturating_sub(NAP + ready().saturating_sub(before))
}

/// How long this thread has been ready to run without a CPU, by the scheduler's account; nothing where it keeps none.
fn ready() -> Duration {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = account.split_ascii_whitespace().nth(1).and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
