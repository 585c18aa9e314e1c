//! Instructions of a call: this program runs itself under callgrind with so many calls and with twice as many, and the
//! difference has neither start nor set-up in it. Unlike time it says the same on a busy machine.

use std::process::Command;

/// Native time of the calls that are counted; callgrind takes fifty times as long.
const COUNTED_S: f64 = 0.005;

pub struct Callgrind;

impl Callgrind {
    /// It, or a word on how to install it.
    pub fn look_for() -> Option<Self> {
        let found =
            Command::new("valgrind").arg("--version").output().is_ok_and(|said| said.status.success());
        if !found {
            println!("instructions are not counted without valgrind: apt-get install -y valgrind");
        }
        found.then_some(Self)
    }

    /// Instructions of one call of a case that takes so long natively.
    pub fn count(&self, name: &str, seconds: f64) -> f64 {
        let calls = (COUNTED_S / seconds).ceil().max(8.0) as usize;
        let (once, twice) = (run(name, calls), run(name, 2 * calls));
        twice.saturating_sub(once) as f64 / calls as f64
    }
}

fn run(name: &str, calls: usize) -> u64 {
    let said = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--run", name, &calls.to_string()])
        .output()
        .expect("valgrind was there a moment ago");
    let log = String::from_utf8_lossy(&said.stderr);
    let collected = log.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("callgrind did not count: {log}"))
}
