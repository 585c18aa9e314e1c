//! A set of CPUs, read and written as Linux does: `0-3,8`.

use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// CPU numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpus(BTreeSet<u16>);

impl Cpus {
    /// What a file of sysfs or procfs says (kernel documentation, admin-guide/cputopology). `None`: it is no such list.
    /// Empty is a list, too.
    pub fn parse(text: &str) -> Option<Self> {
        let mut cpus = BTreeSet::new();
        for part in text.trim().split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
            if first > last {
                return None;
            }
            cpus.extend(first..=last);
        }
        Some(Self(cpus))
    }

    /// Whether it is one of them.
    pub fn has(&self, cpu: u16) -> bool {
        self.0.contains(&cpu)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied()
    }

    /// Those that are in both.
    pub fn and(&self, other: &Self) -> Self {
        Self(&self.0 & &other.0)
    }

    /// Those that are in either.
    pub fn or(&self, other: &Self) -> Self {
        Self(&self.0 | &other.0)
    }

    /// Those that are not in the other.
    pub fn without(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }
}

impl Cpus {
    /// As a mask in hexadecimal, 32 CPUs a word, the last word first: what `rps_cpus` and `xps_cpus` take.
    pub fn mask(&self) -> String {
        let words = self.0.last().map_or(1, |last| usize::from(*last) / 32 + 1);
        let mut mask = vec![0_u32; words];
        self.iter().for_each(|cpu| mask[usize::from(cpu) / 32] |= 1 << (cpu % 32));
        let mut text = format!("{:x}", mask[words - 1]);
        mask.iter().rev().skip(1).for_each(|word| text += &format!(",{word:08x}"));
        text
    }
}

impl FromIterator<u16> for Cpus {
    fn from_iter<I: IntoIterator<Item = u16>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while let Some(next) = rest.next_if(|next| *next == last + 1) {
                last = next;
            }
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

/// As a list of numbers: who reads JSON does not want to parse ranges.
impl Serialize for Cpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(Cpus::parse("0-2,8\n").unwrap().to_string(), "0-2,8");
        assert_eq!(Cpus::parse("\n"), Some(Cpus::default()));
        assert_eq!(Cpus::parse("0-x"), None);
        assert_eq!(Cpus::parse("3-1"), None);
        assert_eq!(Cpus::parse("70000"), None);
    }

    #[test]
    fn masks_are_words_of_32_cpus() {
        assert_eq!(Cpus::parse("0-3").unwrap().mask(), "f");
        assert_eq!(Cpus::parse("1,32,63").unwrap().mask(), "80000001,00000002");
        assert_eq!(Cpus::default().mask(), "0");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(cpus in prop::collection::btree_set(0..200_u16, 0..50)) {
            let cpus = Cpus(cpus);
            prop_assert_eq!(Cpus::parse(&cpus.to_string()), Some(cpus));
        }
    }
}
