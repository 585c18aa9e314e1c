//! What the host has now, below a root: `/`, or a folder of a test.

use super::judge::{Finding, State, judge};
use super::knob::{Kind, Knob, Size};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a host's files begin.
#[derive(Clone, Debug)]
pub struct Root(pub PathBuf);

impl Root {
    /// A knob's value; `None`: this host has no such thing. Where there is one for each CPU, all that differ, with `/` between.
    pub fn now(&self, knob: &Knob) -> Option<String> {
        let at = knob.at.as_deref().unwrap_or(&knob.name);
        match knob.kind {
            Kind::Sysctl => self.sysctl(&knob.name),
            Kind::Limit => self.limit(at),
            Kind::File => self.files(at, knob.unless.as_deref()),
        }
    }

    /// A knob on a host that is to be of this size. Of one that another makes moot nothing is wanted.
    pub fn look(&self, knob: &Knob, size: Size) -> Finding {
        let finding = judge(knob, self.now(knob), size);
        let is_moot = |other: &str| self.sysctl(other).as_deref() == Some("1");
        match &knob.unless {
            Some(other) if knob.kind == Kind::Sysctl && is_moot(other) => {
                Finding { wanted: None, state: State::Free, command: None, ..finding }
            }
            _ => finding,
        }
    }

    /// A sysctl's value; `None`: this host has none of that name.
    pub(super) fn sysctl(&self, name: &str) -> Option<String> {
        self.text(&sysctl_path(name))
    }

    /// Bytes of memory; 0 if the host does not say.
    pub fn memory_bytes(&self) -> u64 {
        let text = fs::read_to_string(self.path("proc/meminfo")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kib.unwrap_or(0) << 10
    }

    pub(super) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.0.join(below)
    }

    fn text(&self, path: &Path) -> Option<String> {
        let text = fs::read_to_string(self.path(path)).ok()?;
        // Tabs stand between the numbers of a sysctl.
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The hard limit of this process, which it raises itself to at its start.
    fn limit(&self, words: &str) -> Option<String> {
        let text = fs::read_to_string(self.path("proc/self/limits")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(words))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    }

    fn files(&self, at: &str, unless: Option<&str>) -> Option<String> {
        let mut found: Vec<String> = self
            .matching(at)
            .iter()
            .filter(|path| {
                unless.is_none_or(|unless| self.text(&path.with_file_name(unless)).as_deref() != Some("1"))
            })
            .filter_map(|path| self.text(path))
            .map(|text| chosen(&text).to_owned())
            .collect();
        found.sort_by_key(|value| (value.parse::<u64>().unwrap_or(0), value.clone()));
        found.dedup();
        (!found.is_empty()).then(|| found.join("/"))
    }

    /// Paths of this form: `*` stands for the number at the end of a name.
    fn matching(&self, at: &str) -> Vec<PathBuf> {
        let mut paths = vec![PathBuf::new()];
        for part in at.split('/') {
            let Some(stem) = part.strip_suffix('*') else {
                paths.iter_mut().for_each(|path| path.push(part));
                continue;
            };
            paths = paths.iter().flat_map(|path| self.numbered(path, stem)).collect();
        }
        paths
    }

    fn numbered(&self, dir: &Path, stem: &str) -> Vec<PathBuf> {
        let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        let names = fs::read_dir(self.path(dir)).into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let mut found: Vec<PathBuf> = names
            .filter(|name| name.strip_prefix(stem).is_some_and(is_number))
            .map(|name| dir.join(name))
            .collect();
        found.sort();
        found
    }
}

pub(super) fn sysctl_path(name: &str) -> PathBuf {
    Path::new("proc/sys").join(name.replace('.', "/"))
}

/// Of `always [madvise] never` the one in brackets.
fn chosen(text: &str) -> &str {
    let inside = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or(text, |(word, _)| word)
}
