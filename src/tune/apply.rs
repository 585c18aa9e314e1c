//! Sets sysctls and limits, now and for the next boot, and takes all of it back.
//!
//! What was there before is written down before anything is changed, once: applying twice and reverting leads to what was there
//! before the first time. The rest of the knobs are commands for an operator to run.

use super::judge::{Finding, State, judge};
use super::knob::{Kind, Knob, Size};
use super::profile::sysctl_profile;
use super::read::{Root, sysctl_path};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// Read at every boot, after the distribution's own.
const SYSCTL_FILE: &str = "etc/sysctl.d/90-corepost.conf";
/// Read at every login, not by systemd's services: their unit has LimitNOFILE.
const LIMITS_FILE: &str = "etc/security/limits.d/90-corepost.conf";
/// What was there before.
const BEFORE_FILE: &str = "var/lib/corepost/tune-before.json";

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

/// Sets every sysctl and limit that is not as it should be.
pub fn apply(root: &Root, knobs: &[Knob], size: Size) -> Result<Applied, ApplyError> {
    let found = |knob: &Knob| judge(knob, root.now(knob), size);
    let to_mend = |kind: Kind| -> Vec<(&Knob, Finding)> {
        let of_kind = knobs.iter().filter(move |knob| knob.kind == kind);
        of_kind.map(|knob| (knob, found(knob))).filter(|(_, finding)| finding.state == State::Mend).collect()
    };
    let mut applied = Applied::default();
    let (sysctls, limits) = (to_mend(Kind::Sysctl), to_mend(Kind::Limit));
    if sysctls.is_empty() && limits.is_empty() {
        return Ok(applied);
    }
    remember(root, &sysctls)?;
    for (knob, finding) in &sysctls {
        let value = knob.value_to_set(finding.wanted.as_deref().unwrap_or_default());
        write(&root.path(sysctl_path(&knob.name)), value)?;
        applied.set.push((knob.name.clone(), value.to_owned()));
    }
    let limits = limit_lines(knobs, size);
    for (file, text) in [(SYSCTL_FILE, sysctl_profile(knobs, size)), (LIMITS_FILE, limits)] {
        write(&root.path(file), &text)?;
        applied.files.push(Path::new("/").join(file));
    }
    Ok(applied)
}

/// Sets back what [`apply`] has set, and takes its files away.
pub fn revert(root: &Root) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    let before = read_before(root)?.unwrap_or_default();
    for (name, value) in before.sysctls {
        write(&root.path(sysctl_path(&name)), &value)?;
        applied.set.push((name, value));
    }
    // What was there before goes last: until then the revert can be run again.
    for file in [SYSCTL_FILE, LIMITS_FILE, BEFORE_FILE] {
        let path = root.path(file);
        match fs::remove_file(&path) {
            Ok(()) => applied.files.push(Path::new("/").join(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ApplyError { path, error }),
        }
    }
    Ok(applied)
}

fn limit_lines(knobs: &[Knob], size: Size) -> String {
    let mut text = format!("# Corepost, {}: made by `corepost tune --apply`.\n", size.sockets());
    for knob in knobs.iter().filter(|knob| knob.kind == Kind::Limit) {
        if let Some(wanted) = knob.wanted(size) {
            // The star leaves root out.
            for who in ["*", "root"] {
                text += &format!("{who} - {} {}\n", knob.limit_item(), knob.limit_value(wanted));
            }
        }
    }
    text
}

fn remember(root: &Root, sysctls: &[(&Knob, Finding)]) -> Result<(), ApplyError> {
    let mut before = read_before(root)?.unwrap_or_default();
    for (knob, finding) in sysctls {
        if let Some(now) = &finding.now {
            before.sysctls.entry(knob.name.clone()).or_insert_with(|| now.clone());
        }
    }
    let text = serde_json::to_string_pretty(&before).expect("a map of texts is JSON");
    write(&root.path(BEFORE_FILE), &text)
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

fn write(path: &Path, text: &str) -> Result<(), ApplyError> {
    let failed = |error| ApplyError { path: path.to_owned(), error };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(failed)?;
    }
    fs::write(path, format!("{}\n", text.trim_end())).map_err(failed)
}
