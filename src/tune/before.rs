//! What was there before the first `--apply`, and what was set since: the record that `--revert` goes by.

use super::files::{ApplyError, BEFORE, MARK, Why};
use super::read::Root;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sysctls that were set, by name.
#[derive(Default)]
pub(super) struct Before(pub BTreeMap<String, Was>);

/// One of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Was {
    /// Before the first time.
    pub before: String,
    /// By the last time. What it is besides is somebody else's doing.
    pub set: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    /// [`MARK`], by which the file is known.
    head: String,
    sysctls: BTreeMap<String, Was>,
}

impl Before {
    /// Nothing if nothing was ever set.
    pub fn read(root: &Root) -> Result<Self, ApplyError> {
        let text = BEFORE.read(root)?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        match serde_json::from_str::<Record>(&text) {
            Ok(record) => Ok(Self(record.sysctls)),
            Err(error) => Err(ApplyError { path: root.path(BEFORE.0), why: Why::Damaged(error.to_string()) }),
        }
    }

    /// It is about to be set. What it was before the first time stays what it was.
    pub fn remember(&mut self, name: &str, now: &str, set: &str) {
        let was = self.0.entry(name.to_owned());
        was.or_insert_with(|| Was { before: now.to_owned(), set: set.to_owned() }).set = set.to_owned();
    }

    pub fn write(&self, root: &Root) -> Result<(), ApplyError> {
        let record = Record { head: MARK.into(), sysctls: self.0.clone() };
        BEFORE.write(root, &serde_json::to_string_pretty(&record).expect("a map of texts is JSON"))
    }
}
