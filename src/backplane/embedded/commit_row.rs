//! One row per commit: what was appended, in order. From these the heads, the dedupe windows, the sizes and the
//! counts are rebuilt at a start, and what a failed store had not told yet is found.
//!
//! ```text
//! commit 8 (big-endian)  →  at 8 ‖ bucket 4 ‖ records 4 ‖ per record:
//!                           partition 2 ‖ flags 1 ‖ size 4 ‖ offset 8 ‖ mailbox hash 8 ‖ [dedupe key 16]
//! ```

use crate::backplane::store::bytes::Bytes;
use crate::backplane::store::rows::MailboxKey;
use crate::log::DedupeKey;
use crate::model::Partition;

const DUPLICATE: u8 = 1;
const ERASE: u8 = 2;
const KEYED: u8 = 4;
const HEAD: usize = 16;

/// One record of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub mailbox: MailboxKey,
    pub offset: u64,
    /// As quotas count it.
    pub size: u32,
    /// It has no row.
    pub is_duplicate: bool,
    pub is_erase: bool,
    pub key: Option<DedupeKey>,
}

/// A commit being written.
pub struct CommitRow(Vec<u8>);

impl CommitRow {
    pub fn new(at_ms: u64, bucket: u32) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + 64 * 39);
        bytes.extend_from_slice(&at_ms.to_le_bytes());
        bytes.extend_from_slice(&bucket.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        Self(bytes)
    }

    pub fn push(&mut self, record: Committed) {
        let flags = if record.is_duplicate { DUPLICATE } else { 0 }
            | if record.is_erase { ERASE } else { 0 }
            | if record.key.is_some() { KEYED } else { 0 };
        self.0.extend_from_slice(&record.mailbox.partition.0.to_le_bytes());
        self.0.push(flags);
        self.0.extend_from_slice(&record.size.to_le_bytes());
        self.0.extend_from_slice(&record.offset.to_le_bytes());
        self.0.extend_from_slice(&record.mailbox.hash.to_le_bytes());
        if let Some(DedupeKey(key)) = record.key {
            self.0.extend_from_slice(&key.to_le_bytes());
        }
    }

    pub fn finish(mut self, records: usize) -> Vec<u8> {
        self.0[12..HEAD].copy_from_slice(&(records as u32).to_le_bytes());
        self.0
    }
}

/// A commit as it stands, borrowed: its records one after the other.
pub struct Commit<'a> {
    pub at_ms: u64,
    pub bucket: u32,
    left: u32,
    bytes: Bytes<'a>,
}

impl<'a> Commit<'a> {
    pub fn read(value: &'a [u8]) -> Option<Self> {
        let mut bytes = Bytes(value);
        Some(Self { at_ms: bytes.u64()?, bucket: bytes.u32()?, left: bytes.u32()?, bytes })
    }

    /// The next record; `None` at the end, `Some(None)` when the row is cut short.
    pub fn next(&mut self) -> Option<Option<Committed>> {
        self.left = self.left.checked_sub(1)?;
        Some(self.one())
    }

    fn one(&mut self) -> Option<Committed> {
        let partition = Partition(self.bytes.u16()?);
        let flags = self.bytes.u8()?;
        Some(Committed {
            size: self.bytes.u32()?,
            offset: self.bytes.u64()?,
            mailbox: MailboxKey { partition, hash: self.bytes.u64()? },
            is_duplicate: flags & DUPLICATE != 0,
            is_erase: flags & ERASE != 0,
            key: if flags & KEYED != 0 { Some(DedupeKey(self.bytes.u128()?)) } else { None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn committed() -> impl Strategy<Value = Committed> {
        let key = proptest::option::of(any::<u128>().prop_map(DedupeKey));
        (any::<(u16, u64, u64, u32)>(), any::<(bool, bool)>(), key).prop_map(|(n, is, key)| Committed {
            mailbox: MailboxKey { partition: Partition(n.0), hash: n.1 },
            offset: n.2,
            size: n.3,
            is_duplicate: is.0,
            is_erase: is.1,
            key,
        })
    }

    proptest! {
        #[test]
        fn a_commit_survives_its_row(records in proptest::collection::vec(committed(), 0..20), cut in 0..400usize) {
            let mut row = CommitRow::new(7, 9);
            records.iter().for_each(|&record| row.push(record));
            let bytes = row.finish(records.len());
            let mut commit = Commit::read(&bytes).unwrap();
            prop_assert_eq!((commit.at_ms, commit.bucket), (7, 9));
            let mut back = Vec::new();
            while let Some(record) = commit.next() {
                back.push(record.unwrap());
            }
            prop_assert_eq!(&back, &records);
            // Cut anywhere, it says so instead of giving something else.
            if cut < bytes.len() && let Some(mut short) = Commit::read(&bytes[..cut]) {
                let mut whole = true;
                while let Some(record) = short.next() {
                    whole &= record.is_some();
                    if !whole { break }
                }
                prop_assert!(!whole);
            }
        }
    }
}
