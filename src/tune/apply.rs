//! Sets sysctls and limits, now and for the next boot, and takes all of it back.
//!
//! What was there before is written down before anything is changed, once: applying twice and reverting leads to what was there
//! before the first time. The rest of the knobs are commands for an operator to run.

use super::judge::{Finding, State, judge};
use super::knob::{By, Kind, Knob, Size};
use super::profile::line;
use super::read::{Root, sysctl_path};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// Read at every boot, after the distribution's own. Root's alone, as is what lies beside it.
const SYSCTL_FILE: &str = "etc/sysctl.d/90-corepost.conf";
/// Read at every login, not by systemd's services: their unit has LimitNOFILE.
const LIMITS_FILE: &str = "etc/security/limits.d/90-corepost.conf";
/// What was there before. No `.conf`, so that nobody reads it at a boot.
const BEFORE_FILE: &str = "etc/sysctl.d/90-corepost.before";

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Sysctls and their new values.
    pub set: Vec<(String, String)>,
    /// Files that were written or taken away.
    pub files: Vec<PathBuf>,
}

/// Why it could not be done. What was done until then stands, and can be reverted.
#[derive(Debug)]
pub struct ApplyError {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.error.kind() {
            io::ErrorKind::PermissionDenied => write!(f, "{path} may not be written: run it as root"),
            io::ErrorKind::ReadOnlyFilesystem => {
                write!(f, "{path} is read-only here: run it on the host, not in a container")
            }
            _ => write!(f, "{path}: {}", self.error),
        }
    }
}

impl std::error::Error for ApplyError {}

#[derive(Default, Serialize, Deserialize)]
struct Before {
    sysctls: BTreeMap<String, String>,
}

/// Sets every sysctl and limit that is not as it should be, and no other.
pub fn apply(root: &Root, knobs: &[Knob], size: Size) -> Result<Applied, ApplyError> {
    let to_mend = |kind: Kind| -> Vec<(&Knob, Finding)> {
        let ours = knobs.iter().filter(move |knob| knob.kind == kind && knob.by != By::Hand);
        let found = ours.map(|knob| (knob, judge(knob, root.now(knob), size)));
        found.filter(|(_, finding)| finding.state == State::Mend).collect()
    };
    let mut applied = Applied::default();
    let (sysctls, limits) = (to_mend(Kind::Sysctl), to_mend(Kind::Limit));
    if !sysctls.is_empty() {
        let before = remember(root, &sysctls)?;
        for (knob, finding) in &sysctls {
            let value = knob.value_to_set(finding.wanted.as_deref().unwrap_or_default());
            write(&root.path(sysctl_path(&knob.name)), value)?;
            applied.set.push((knob.name.clone(), value.to_owned()));
        }
        // What an earlier time has set stays set.
        let ours = knobs.iter().filter(|knob| before.sysctls.contains_key(&knob.name));
        let lines = ours.filter_map(|knob| Some(line(knob, knob.wanted(size)?)));
        applied.write_file(root, SYSCTL_FILE, size, lines)?;
    }
    if !limits.is_empty() {
        let there = fs::read_to_string(root.path(LIMITS_FILE)).unwrap_or_default();
        let is_ours = |knob: &Knob| there.contains(knob.limit_item());
        let ours = knobs.iter().filter(|knob| {
            knob.kind == Kind::Limit && (is_ours(knob) || limits.iter().any(|(it, _)| it.name == knob.name))
        });
        let lines = ours.filter_map(|knob| Some((knob, knob.wanted(size)?)));
        // The star leaves root out.
        let lines = lines.flat_map(|(knob, wanted)| {
            ["*", "root"].map(|who| format!("{who} hard {} {}", knob.limit_item(), knob.limit_value(wanted)))
        });
        applied.write_file(root, LIMITS_FILE, size, lines)?;
    }
    Ok(applied)
}

impl Applied {
    fn write_file(
        &mut self,
        root: &Root,
        file: &str,
        size: Size,
        lines: impl Iterator<Item = String>,
    ) -> Result<(), ApplyError> {
        let head = format!(
            "# Corepost, {}: made by `corepost tune --apply`; --revert takes it away.",
            size.sockets()
        );
        write_new(&root.path(file), &[head].into_iter().chain(lines).collect::<Vec<_>>().join("\n"))?;
        self.files.push(Path::new("/").join(file));
        Ok(())
    }

    fn take_away(&mut self, root: &Root, file: &str) -> Result<(), ApplyError> {
        let path = root.path(file);
        match fs::remove_file(&path) {
            Ok(()) => self.files.push(Path::new("/").join(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ApplyError { path, error }),
        }
        Ok(())
    }
}

/// Sets back what [`apply`] has set, and takes its files away.
pub fn revert(root: &Root, knobs: &[Knob]) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    // First of all: a limit above what fs.nr_open will be again lets nobody log in.
    applied.take_away(root, LIMITS_FILE)?;
    let before = read_before(root)?.unwrap_or_default();
    for (name, value) in before.sysctls {
        let path = root.path(sysctl_path(&name));
        // Only what is ours to set, and still there: a module may have gone.
        if knobs.iter().any(|knob| knob.name == name) && path.exists() {
            write(&path, &value)?;
            applied.set.push((name, value));
        }
    }
    applied.take_away(root, SYSCTL_FILE)?;
    // What was there before goes last: until then the revert can be run again.
    applied.take_away(root, BEFORE_FILE)?;
    Ok(applied)
}

fn remember(root: &Root, sysctls: &[(&Knob, Finding)]) -> Result<Before, ApplyError> {
    let mut before = read_before(root)?.unwrap_or_default();
    for (knob, finding) in sysctls {
        if let Some(now) = &finding.now {
            before.sysctls.entry(knob.name.clone()).or_insert_with(|| now.clone());
        }
    }
    write_new(
        &root.path(BEFORE_FILE),
        &serde_json::to_string_pretty(&before).expect("a map of texts is JSON"),
    )?;
    Ok(before)
}

fn read_before(root: &Root) -> Result<Option<Before>, ApplyError> {
    let path = root.path(BEFORE_FILE);
    match fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(before) => Ok(Some(before)),
            Err(error) => Err(ApplyError { path, error: io::Error::other(error) }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ApplyError { path, error }),
    }
}

/// A file of ours, whose folder need not be there. Never one below `/proc`.
fn write_new(path: &Path, text: &str) -> Result<(), ApplyError> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|error| ApplyError { path: path.to_owned(), error })?;
    }
    write(path, text)
}

fn write(path: &Path, text: &str) -> Result<(), ApplyError> {
    fs::write(path, format!("{}\n", text.trim_end()))
        .map_err(|error| ApplyError { path: path.to_owned(), error })
}
