//! Lines of limits.conf(5): what is wanted, but never less than somebody has without us, and never more than the kernel gives.
//!
//! The limits that are judged are those of one process, and the lines are for everybody who logs in. Who is granted more
//! already, by another file or by systemd itself, is not to lose it; and a limit of open files above `fs.nr_open` lets nobody
//! log in at all, root included (pam_limits).

use super::knob::{Kind, Knob, Size};
use super::read::Root;
use std::fs;

/// What processes are granted where no file says anything (systemd: DefaultLimitNOFILE, DefaultLimitMEMLOCK in KiB).
const BY_SYSTEMD: [(&str, u64); 2] = [("nofile", 524_288), ("memlock", 8_192)];

/// A limit to be granted to everybody.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// Its name in limits.conf(5).
    pub item: &'static str,
    /// What is wanted, in the units of that file.
    pub wanted: u64,
    /// What is granted: that, or what is granted already if it is more.
    pub value: u64,
}

impl Grant {
    /// What this knob wants on a host of this size, of which nothing is known. `None`: nothing.
    pub fn by_default(knob: &Knob, size: Size) -> Option<Self> {
        let wanted = knob.wanted(size)?;
        Some(Self { item: knob.limit_item(), wanted: knob.limit_value(wanted), value: least(knob, wanted) })
    }

    /// What it wants on this host. `None`: nothing, or somebody grants it without a bound.
    pub fn of(root: &Root, knob: &Knob, size: Size) -> Option<Self> {
        let least = Self::by_default(knob, size)?;
        let value = granted(root, least.item).into_iter().fold(least.value, u64::max);
        (value < u64::MAX).then_some(Self { value, ..least })
    }

    /// Its lines: the star leaves root out.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let Self { item, value, .. } = self;
        ["*", "root"].map(|who| format!("{who} hard {item} {value}")).into_iter()
    }
}

/// The least that a line may grant where this is wanted.
pub(super) fn least(knob: &Knob, wanted: &str) -> u64 {
    let by_systemd = BY_SYSTEMD.iter().find(|(item, _)| *item == knob.limit_item());
    by_systemd.map_or(0, |&(_, value)| value).max(knob.limit_value(wanted))
}

/// Whether there are lines of this knob in a file of ours.
pub(super) fn is_in(knob: &Knob, text: &str) -> bool {
    knob.kind == Kind::Limit
        && text.lines().any(|line| fields(line).is_some_and(|(item, _)| item == knob.limit_item()))
}

/// What all files together grant to everybody or to root, ours included: it was granted once.
fn granted(root: &Root, item: &str) -> Vec<u64> {
    let folder = fs::read_dir(root.path("etc/security/limits.d")).into_iter().flatten().flatten();
    let files =
        folder.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "conf"));
    let texts =
        files.chain([root.path("etc/security/limits.conf")]).filter_map(|path| fs::read_to_string(path).ok());
    let values = |text: String| -> Vec<u64> {
        let of_item = text.lines().filter_map(fields).filter(|(name, _)| *name == item);
        of_item.map(|(_, value)| value).collect()
    };
    texts.flat_map(values).collect()
}

/// Of a line for everybody or for root the item and its hard limit.
fn fields(line: &str) -> Option<(&str, u64)> {
    let mut words = line.split('#').next()?.split_whitespace();
    let (who, kind, item, value) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let value = match value {
        "unlimited" | "infinity" | "-1" => u64::MAX,
        number => number.parse().ok()?,
    };
    (matches!(who, "*" | "root") && matches!(kind, "hard" | "-")).then_some((item, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_everybody_and_of_root_count_and_no_others() {
        assert_eq!(fields("* hard nofile 300000 # ours"), Some(("nofile", 300_000)));
        assert_eq!(fields("root\t-\tmemlock unlimited"), Some(("memlock", u64::MAX)));
        for other in [
            "bob hard nofile 5",
            "* soft nofile 5",
            "# * hard nofile 5",
            "* hard nofile",
            "* hard nofile many",
        ] {
            assert_eq!(fields(other), None, "{other}");
        }
    }
}
