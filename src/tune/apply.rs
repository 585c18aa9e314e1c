//! Sets sysctls and limits, now and for the next boot, and takes all of it back. The rest of the knobs are commands for an
//! operator to run.
//!
//! Always holds: what was there before is written down before anything is changed, once, so that applying twice and reverting
//! leads to what was there before the first time; nothing is lowered that was better; what somebody else has set, or written
//! into a file of the same name, stays. What the host refuses is told, and hinders nothing else.

use super::before::{Before, Was};
use super::files::{ApplyError, BEFORE, HostFile, LIMITS, MARK, SYSCTLS, Why};
use super::judge::{Finding, State};
use super::knob::{By, Kind, Knob, Size};
use super::limits::{self, Grant};
use super::profile::line;
use super::read::{Root, sysctl_path};
use std::fs;
use std::path::PathBuf;

/// What the kernel gives where nothing sets `fs.nr_open`, as at the next boot.
const NR_OPEN: u64 = 1_048_576;
const NR_OPEN_NAME: &str = "fs.nr_open";

/// What was done.
#[derive(Debug, Default)]
pub struct Applied {
    /// Sysctls and their new values.
    pub set: Vec<(String, String)>,
    /// Files that were written or taken away.
    pub files: Vec<PathBuf>,
    /// What was not touched, and why.
    pub left: Vec<String>,
    /// What the host did not let us do.
    pub refused: Vec<ApplyError>,
}

/// Sets every sysctl and limit that is not as it should be, and no other. An error: nothing was changed.
pub fn apply(root: &Root, knobs: &[Knob], size: Size) -> Result<Applied, ApplyError> {
    let (_, limits_there, mut before) = (SYSCTLS.read(root)?, LIMITS.read(root)?, Before::read(root)?);
    let to_mend = |kind: Kind| -> Vec<(&Knob, Finding)> {
        let ours = knobs.iter().filter(move |knob| knob.kind == kind && knob.by != By::Hand);
        let found = ours.map(|knob| (knob, root.look(knob, size)));
        found.filter(|(_, finding)| finding.state == State::Mend).collect()
    };
    let mut applied = Applied::default();
    let (sysctls, limits) = (to_mend(Kind::Sysctl), to_mend(Kind::Limit));
    if !sysctls.is_empty() {
        let values = sysctls.iter().filter_map(|(knob, finding)| {
            Some((*knob, finding.now.as_deref()?, knob.value_to_set(finding.wanted.as_deref()?)))
        });
        let values: Vec<_> = values.collect();
        values.iter().for_each(|(knob, now, value)| before.remember(&knob.name, now, value));
        before.write(root)?;
        values.iter().for_each(|(knob, _, value)| applied.set(root, &knob.name, value));
    }
    if !limits.is_empty() {
        let wanted = |knob: &&Knob| {
            limits::is_in(knob, &limits_there) || limits.iter().any(|(it, _)| it.name == knob.name)
        };
        let grants: Vec<Grant> =
            knobs.iter().filter(wanted).filter_map(|knob| Grant::of(root, knob, size)).collect();
        // Whoever is granted it without a bound has only to log in again.
        if !grants.is_empty() {
            applied.grant(root, grants, size, &mut before);
        }
    }
    if !(applied.set.is_empty() && applied.files.is_empty()) {
        applied.write_sysctls(root, knobs, size, &before);
    }
    Ok(applied)
}

/// Sets back what [`apply`] has set, and takes its files away. An error: nothing was changed.
pub fn revert(root: &Root, knobs: &[Knob]) -> Result<Applied, ApplyError> {
    let before = Before::read(root)?;
    let mut applied = Applied::default();
    // First of all: a limit above what fs.nr_open will be again lets nobody log in.
    applied.take_away(root, &LIMITS);
    for (name, was) in &before.0 {
        // Only what is ours to set, and still there: a module may have gone.
        if knobs.iter().any(|knob| knob.name == *name) {
            applied.set_back(root, name, was);
        }
    }
    // What was there before goes last: until then the revert can be run again.
    if applied.refused.is_empty() {
        applied.take_away(root, &SYSCTLS);
        applied.take_away(root, &BEFORE);
    }
    Ok(applied)
}

impl Applied {
    fn set(&mut self, root: &Root, name: &str, value: &str) {
        let path = root.path(sysctl_path(name));
        match fs::write(&path, format!("{value}\n")) {
            Ok(()) => self.set.push((name.to_owned(), value.to_owned())),
            Err(error) => self.refused.push(ApplyError::io(&path, error)),
        }
    }

    fn set_back(&mut self, root: &Root, name: &str, was: &Was) {
        match root.sysctl(name) {
            None => {}
            Some(now) if now == was.before => {}
            Some(now) if now == was.set => self.set(root, name, &was.before),
            Some(now) => {
                self.left.push(format!(
                    "{name} = {now}, for --apply had set {} and somebody else has set this",
                    was.set
                ));
            }
        }
    }

    /// Writes the limits of everybody, as far as the kernel gives them. Where that is more than it gives by itself, `fs.nr_open`
    /// is to be the same at the next boot.
    fn grant(&mut self, root: &Root, mut grants: Vec<Grant>, size: Size, before: &mut Before) {
        let nr_open = root.sysctl(NR_OPEN_NAME).and_then(|text| text.parse().ok()).unwrap_or(NR_OPEN);
        for grant in grants.iter_mut().filter(|grant| grant.item == "nofile") {
            if grant.wanted > nr_open {
                let why = Why::AboveNrOpen { wanted: grant.wanted, nr_open };
                self.refused.push(ApplyError { path: LIMITS.shown(), why });
            }
            grant.value = grant.value.min(nr_open);
        }
        if grants.iter().any(|grant| grant.item == "nofile" && grant.value > NR_OPEN) {
            let nr_open = nr_open.to_string();
            before.remember(NR_OPEN_NAME, &nr_open, &nr_open);
            if let Err(error) = before.write(root) {
                return self.refused.push(error);
            }
        }
        self.write(root, &LIMITS, size, grants.iter().flat_map(Grant::lines));
    }

    /// For the next boot: what was ever set, as it is now, so that a boot changes nothing of it.
    fn write_sysctls(&mut self, root: &Root, knobs: &[Knob], size: Size, before: &Before) {
        let ours = knobs.iter().filter(|knob| before.0.contains_key(&knob.name));
        let lines: Vec<String> =
            ours.filter_map(|knob| Some(line(knob, &root.sysctl(&knob.name)?))).collect();
        if !lines.is_empty() {
            self.write(root, &SYSCTLS, size, lines.into_iter());
        }
    }

    fn write(&mut self, root: &Root, file: &HostFile, size: Size, lines: impl Iterator<Item = String>) {
        let head = format!("# Corepost, {}: {MARK}; --revert takes it away.", size.sockets());
        let text = [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
        match file.write(root, &text) {
            Ok(()) => self.files.push(file.shown()),
            Err(error) => self.refused.push(error),
        }
    }

    fn take_away(&mut self, root: &Root, file: &HostFile) {
        match file.take_away(root) {
            Ok(true) => self.files.push(file.shown()),
            Ok(false) => {}
            Err(error @ ApplyError { why: Why::NotOurs, .. }) => self.left.push(error.to_string()),
            Err(error) => self.refused.push(error),
        }
    }
}
