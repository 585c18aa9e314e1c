//! Lists of CPUs as an operator writes them: `0-3,8`, in an order that counts.

use crate::limits::CORES;
use std::fmt;

/// Why a text is no list of CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadCpuList {
    /// Nothing in it.
    Empty,
    /// A part that is neither a number nor a range of two.
    Part(String),
    /// A range that ends before it begins.
    Backwards(String),
    /// A CPU that is named twice.
    Twice(usize),
    /// More than [`CORES`] in all, or a CPU number far beyond any machine's.
    TooMany,
}

/// Numbers above this are typing errors, not CPUs.
const GREATEST_CPU: usize = 8_191;

/// The CPUs of a list, in its order.
pub fn parse_cpu_list(text: &str) -> Result<Vec<usize>, BadCpuList> {
    let mut cpus = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| BadCpuList::Part(part.to_owned()));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(BadCpuList::Backwards(part.to_owned()));
        }
        if last > GREATEST_CPU || cpus.len() + (last - first) >= CORES {
            return Err(BadCpuList::TooMany);
        }
        for cpu in first..=last {
            if cpus.contains(&cpu) {
                return Err(BadCpuList::Twice(cpu));
            }
            cpus.push(cpu);
        }
    }
    if cpus.is_empty() { Err(BadCpuList::Empty) } else { Ok(cpus) }
}

impl fmt::Display for BadCpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "names no CPU; write numbers and ranges, as in 0-3,8"),
            Self::Part(part) => write!(f, "has `{part}`; write numbers and ranges, as in 0-3,8"),
            Self::Backwards(part) => write!(f, "has `{part}`, which ends before it begins"),
            Self::Twice(cpu) => write!(f, "names CPU {cpu} twice; each runs one core"),
            Self::TooMany => write!(f, "names more than {CORES} CPUs or one above {GREATEST_CPU}"),
        }
    }
}

impl std::error::Error for BadCpuList {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_numbers_and_ranges_in_their_order() {
        assert_eq!(parse_cpu_list("0"), Ok(vec![0]));
        assert_eq!(parse_cpu_list("4-6, 0,2-2"), Ok(vec![4, 5, 6, 0, 2]));
        assert_eq!(parse_cpu_list(" , "), Err(BadCpuList::Empty));
        assert_eq!(parse_cpu_list("1-"), Err(BadCpuList::Part("1-".into())));
        assert_eq!(parse_cpu_list("a"), Err(BadCpuList::Part("a".into())));
        assert_eq!(parse_cpu_list("3-1"), Err(BadCpuList::Backwards("3-1".into())));
        assert_eq!(parse_cpu_list("0-2,1"), Err(BadCpuList::Twice(1)));
        assert_eq!(parse_cpu_list("0-256"), Err(BadCpuList::TooMany));
        assert_eq!(parse_cpu_list("0-18446744073709551615"), Err(BadCpuList::TooMany));
        assert_eq!(parse_cpu_list("0-255").map(|cpus| cpus.len()), Ok(CORES));
    }

    proptest! {
        #[test]
        fn never_more_than_cores_and_never_twice(text in "[0-9,-]{0,30}") {
            if let Ok(cpus) = parse_cpu_list(&text) {
                let mut once = cpus.clone();
                once.sort_unstable();
                once.dedup();
                prop_assert!(once.len() == cpus.len() && cpus.len() <= CORES);
            }
        }
    }
}
