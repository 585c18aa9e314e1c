//! The rows of a bucket: the envelopes of each mailbox in order. A store may keep something of the mailbox before them.
//!
//! ```text
//! partition 2 ‖ hash 8 ‖ offset 8   →  at 8 ‖ id length 1 ‖ client id ‖ record v1
//! ```
//! Keys are big-endian, so that a mailbox lies together and in order; fjall keeps keys up to 20 bytes in place. The
//! hash is of the client ID under a seed of this log's own, so that nobody can choose IDs that collide; should two
//! ever do, the full ID in the row tells them apart.

use super::bytes::Bytes;
use crate::model::{Envelope, IdRef, Partition};
use crate::wire::record;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A mailbox as the store names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MailboxKey {
    pub partition: Partition,
    pub hash: u64,
}

impl MailboxKey {
    pub fn new(partition: Partition, client: IdRef<'_>, seed: u64) -> Self {
        Self { partition, hash: xxh3_64_with_seed(client.as_str().as_bytes(), seed) }
    }

    /// The key before those of its rows.
    pub fn head_key(self) -> [u8; 10] {
        let mut key = [0; 10];
        key[..2].copy_from_slice(&self.partition.0.to_be_bytes());
        key[2..].copy_from_slice(&self.hash.to_be_bytes());
        key
    }

    /// The key of its row at `offset`.
    pub fn row_key(self, offset: u64) -> [u8; 18] {
        let mut key = [0; 18];
        key[..10].copy_from_slice(&self.head_key());
        key[10..].copy_from_slice(&offset.to_be_bytes());
        key
    }
}

/// The offset in a row's key.
pub fn offset_of(key: &[u8]) -> Option<u64> {
    key.last_chunk().filter(|_| key.len() == 18).map(|offset| u64::from_be_bytes(*offset))
}

/// A row as it stands, borrowed.
pub struct Row<'a> {
    pub at_ms: u64,
    pub client: &'a [u8],
    pub record: &'a [u8],
}

impl<'a> Row<'a> {
    /// Appends the row of an envelope and returns its size as quotas count it: key, headers and body.
    pub fn encode(envelope: &Envelope, at_ms: u64, out: &mut Vec<u8>) -> u64 {
        let client = envelope.to().as_str().as_bytes();
        out.extend_from_slice(&at_ms.to_le_bytes());
        out.push(client.len() as u8);
        out.extend_from_slice(client);
        record::encode(envelope, out);
        record::size_of(envelope) as u64
    }

    pub fn read(value: &'a [u8]) -> Option<Self> {
        let mut bytes = Bytes(value);
        let at_ms = bytes.u64()?;
        let len = usize::from(bytes.u8()?);
        Some(Self { at_ms, client: bytes.take(len)?, record: bytes.0 })
    }

    /// About what its envelope takes in memory.
    pub fn size(&self) -> u64 {
        (self.client.len() + self.record.len()) as u64
    }

    pub fn envelope(&self) -> Option<Envelope> {
        record::decode(std::str::from_utf8(self.client).ok()?, self.record).ok()
    }
}
