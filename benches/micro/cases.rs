//! One case after the other: timed and counted, or, for the counting, only run.

use super::callgrind::Callgrind;
use std::time::Instant;

const ROUNDS: usize = 101;
/// Time of a round: so short that others on the machine leave many rounds alone.
const ROUND_S: f64 = 0.001;

pub enum Cases {
    /// Those whose names hold the word.
    Measure { word: String, callgrind: Option<Callgrind> },
    /// The one of that name, so often: what runs under callgrind.
    Run { name: String, calls: usize },
}

impl Cases {
    pub fn from_arguments() -> Self {
        // Cargo adds its own `--bench`.
        let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
        match &words[..] {
            [run, name, calls] if run == "--run" => {
                Self::Run { name: name.clone(), calls: calls.parse().expect("a number of calls") }
            }
            [] | [_] => Self::Measure {
                word: words.into_iter().next().unwrap_or_default(),
                callgrind: Callgrind::look_for(),
            },
            _ => panic!("cargo bench --bench micro [-- WORD]"),
        }
    }

    /// Whether a case of that name is to be measured, for those that measure themselves.
    #[cfg(feature = "serve")]
    pub fn want(&self, name: &str) -> bool {
        matches!(self, Self::Measure { word, .. } if name.contains(word.as_str()))
    }

    /// `work` does `per_call` things a call. The best of many short rounds counts: others can only add.
    pub fn case(&mut self, name: &str, per_call: usize, mut work: impl FnMut()) {
        match self {
            Self::Run { name: wanted, calls } => {
                if wanted == name {
                    (0..*calls).for_each(|_| work());
                }
            }
            Self::Measure { word, callgrind } => {
                if !name.contains(word.as_str()) {
                    return;
                }
                let seconds = best(&mut work);
                let each = format!("{:9.1} ns", seconds / per_call as f64 * 1e9);
                let counted = callgrind.as_ref().map_or(String::new(), |callgrind| {
                    format!("{:9.0} instructions", callgrind.count(name, seconds) / per_call as f64)
                });
                println!("{name:44} {each} {counted}");
            }
        }
    }
}

/// Seconds of one call.
fn best(work: &mut impl FnMut()) -> f64 {
    let mut time = |calls: usize| {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        start.elapsed().as_secs_f64()
    };
    let mut calls = 1;
    while time(calls) < ROUND_S {
        calls *= 2;
    }
    (0..ROUNDS).map(|_| time(calls)).fold(f64::MAX, f64::min) / calls as f64
}
