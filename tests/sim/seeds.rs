//! Many seeds over the machine's cores. A failing seed is printed with the line that runs it again.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::ops::{AddAssign, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

/// Runs the worlds of them all, of the simulation of that name. Panics with a failure and how to see it again.
pub fn run<Tally>(test: &str, seeds: Range<u64>, world: impl Fn(u64) -> Tally + Sync) -> Tally
where
    Tally: AddAssign + Debug + Default + Send,
{
    let (many, started) = (seeds.end - seeds.start, std::time::Instant::now());
    let tally = first_failure(seeds, world).unwrap_or_else(|(seed, why)| {
        panic!(
            "seed {seed}: {why}\nagain: COREPOST_SEED={seed} cargo test --no-default-features --test {test}"
        );
    });
    println!("{many} seeds in {:?}: {tally:?}", started.elapsed());
    tally
}

/// Runs them until one fails: which and why.
pub fn first_failure<Tally>(
    seeds: Range<u64>,
    world: impl Fn(u64) -> Tally + Sync,
) -> Result<Tally, (u64, String)>
where
    Tally: AddAssign + Default + Send,
{
    let (next, sum, failure) = (AtomicU64::new(seeds.start), Mutex::new(Tally::default()), Mutex::new(None));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failure.lock().unwrap().is_some() {
                        return;
                    }
                    match attempt(|| world(seed)) {
                        Ok(tally) => *sum.lock().unwrap() += tally,
                        Err(why) => *failure.lock().unwrap() = Some((seed, why)),
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap() {
        Some(failed) => Err(failed),
        None => Ok(sum.into_inner().unwrap()),
    }
}

thread_local! {
    static LAST_WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// Runs something that may panic and returns what it said and where.
pub fn attempt<T>(something: impl FnOnce() -> T) -> Result<T, String> {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match LISTENING.get() {
            true if std::env::var_os("COREPOST_TRACE").is_none() => LAST_WORDS.set(Some(info.to_string())),
            true => {
                LAST_WORDS.set(Some(info.to_string()));
                usual(info);
            }
            false => usual(info),
        }));
    });
    LISTENING.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(something));
    LISTENING.set(false);
    outcome.map_err(|_| LAST_WORDS.take().unwrap_or_default())
}
