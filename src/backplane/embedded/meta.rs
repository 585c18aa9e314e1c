//! What a log knows about itself, in fjall's keyspace `meta`, and what it remembers of clients beyond messages.
//!
//! ```text
//! 0 ‖ "log"            →  log epoch 8 ‖ seed 8 ‖ partitions 2
//! 0 ‖ "epochs"         →  per partition: entries 4 ‖ (leader epoch 4 ‖ first offset 8)…
//! 0 ‖ "checkpoint"     →  Checkpoint
//! "b" ‖ number 4       →  Bucket's row
//! "e" ‖ client id      →  partition 2 ‖ offset 8 of its newest erase
//! "r" ‖ client id      →  seconds 8 its tokens are revoked until
//! ```

use crate::backplane::store::bytes::Bytes;
use crate::log::Epochs;
use crate::model::{IdRef, Partition};

pub const LOG: &[u8] = b"\0log";
pub const EPOCHS: &[u8] = b"\0epochs";
pub const CHECKPOINT: &[u8] = b"\0checkpoint";
pub const BUCKET: u8 = b'b';
pub const ERASED: u8 = b'e';
pub const REVOKED: u8 = b'r';

/// What never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub log_epoch: u64,
    pub seed: u64,
    pub partitions: u16,
}

/// Heads and sizes as of a commit, and from which commits on the rest has to be counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Commits up to this one are in here.
    pub commit: u64,
    pub at_ms: u64,
    /// The first commit that may not be in the mailbox counts.
    pub counts_from: u64,
    /// The first commit of the dedupe windows.
    pub window_from: u64,
    pub next_bucket: u32,
    /// Bytes of the newest bucket.
    pub bucket_bytes: u64,
    pub heads: Vec<u64>,
}

/// A bucket as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRow {
    pub number: u32,
    /// Log time of its first commit.
    pub began_ms: u64,
    /// Log time of its last one, once it is closed.
    pub ended_ms: u64,
    /// Bytes, once it is closed.
    pub bytes: u64,
    /// Its first offset in each partition.
    pub first: Vec<u64>,
}

/// The key of a client's row of this sort.
pub fn client_key(sort: u8, client: IdRef<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + client.as_str().len());
    key.push(sort);
    key.extend_from_slice(client.as_str().as_bytes());
    key
}

pub fn bucket_key(number: u32) -> [u8; 5] {
    let mut key = [BUCKET; 5];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

impl Identity {
    pub fn encode(self) -> Vec<u8> {
        let mut value = Vec::with_capacity(18);
        value.extend_from_slice(&self.log_epoch.to_le_bytes());
        value.extend_from_slice(&self.seed.to_le_bytes());
        value.extend_from_slice(&self.partitions.to_le_bytes());
        value
    }

    pub fn read(value: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(value);
        Some(Self { log_epoch: bytes.u64()?, seed: bytes.u64()?, partitions: bytes.u16()? })
    }
}

impl Checkpoint {
    /// The first commit a start has to read.
    pub fn read_from(&self) -> u64 {
        self.counts_from.min(self.window_from).min(self.commit + 1)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(40 + self.heads.len() * 8);
        for number in [self.commit, self.at_ms, self.counts_from, self.window_from, self.bucket_bytes] {
            value.extend_from_slice(&number.to_le_bytes());
        }
        value.extend_from_slice(&self.next_bucket.to_le_bytes());
        put_offsets(&self.heads, &mut value);
        value
    }

    pub fn read(value: &[u8], partitions: u16) -> Option<Self> {
        let mut bytes = Bytes(value);
        Some(Self {
            commit: bytes.u64()?,
            at_ms: bytes.u64()?,
            counts_from: bytes.u64()?,
            window_from: bytes.u64()?,
            bucket_bytes: bytes.u64()?,
            next_bucket: bytes.u32()?,
            heads: read_offsets(&mut bytes, partitions)?,
        })
    }
}

impl BucketRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(24 + self.first.len() * 8);
        for number in [self.began_ms, self.ended_ms, self.bytes] {
            value.extend_from_slice(&number.to_le_bytes());
        }
        put_offsets(&self.first, &mut value);
        value
    }

    pub fn read(key: &[u8], value: &[u8], partitions: u16) -> Option<Self> {
        let mut bytes = Bytes(value);
        Some(Self {
            number: u32::from_be_bytes(*key.last_chunk()?),
            began_ms: bytes.u64()?,
            ended_ms: bytes.u64()?,
            bytes: bytes.u64()?,
            first: read_offsets(&mut bytes, partitions)?,
        })
    }
}

/// An erase as its row says.
pub fn encode_erase(partition: Partition, offset: u64) -> Vec<u8> {
    let mut value = partition.0.to_le_bytes().to_vec();
    value.extend_from_slice(&offset.to_le_bytes());
    value
}

pub fn read_erase(value: &[u8]) -> Option<(Partition, u64)> {
    let mut bytes = Bytes(value);
    Some((Partition(bytes.u16()?), bytes.u64()?))
}

pub fn encode_epochs(all: &[Epochs]) -> Vec<u8> {
    let mut value = Vec::new();
    for epochs in all {
        value.extend_from_slice(&(epochs.entries().len() as u32).to_le_bytes());
        for &(leader_epoch, first) in epochs.entries() {
            value.extend_from_slice(&leader_epoch.to_le_bytes());
            value.extend_from_slice(&first.to_le_bytes());
        }
    }
    value
}

pub fn read_epochs(value: &[u8], partitions: u16) -> Option<Vec<Epochs>> {
    let mut bytes = Bytes(value);
    (0..partitions)
        .map(|_| {
            let mut epochs = Epochs::default();
            for _ in 0..bytes.u32()? {
                epochs.begin(bytes.u32()?, bytes.u64()?);
            }
            Some(epochs)
        })
        .collect()
}

fn put_offsets(offsets: &[u64], value: &mut Vec<u8>) {
    for offset in offsets {
        value.extend_from_slice(&offset.to_le_bytes());
    }
}

fn read_offsets(bytes: &mut Bytes<'_>, partitions: u16) -> Option<Vec<u64>> {
    (0..partitions).map(|_| bytes.u64()).collect()
}
