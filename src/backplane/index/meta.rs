//! What an index knows about itself, in fjall's keyspace `meta`.
//!
//! ```text
//! 0 ‖ "log"                     →  log epoch 8 ‖ partitions 2
//! "b" ‖ bucket 4                →  from 8 ‖ until 8 ‖ bytes 8
//! "e" ‖ partition 2 ‖ client id →  seed 8 ‖ offset 8 of its newest erase
//! "p" ‖ partition 2             →  seed 8 ‖ covered from 8 ‖ next 8 ‖ its writer's state
//! "x" ‖ partition 2 ‖ bucket 4  →  first offset 8 ‖ last offset 8 of the partition in the bucket
//! ```
//! What hangs on a partition's seed is void under another one: it is of a time before the partition was dropped.

use super::values::Coverage;
use crate::backplane::store::bytes::Bytes;
use crate::model::{IdRef, Partition};

pub const LOG: &[u8] = b"\0log";
pub const BUCKET: u8 = b'b';
pub const ERASED: u8 = b'e';
pub const PARTITION: u8 = b'p';
pub const EXTENT: u8 = b'x';

pub fn encode_log(log_epoch: u64, partitions: u16) -> Vec<u8> {
    let mut value = log_epoch.to_le_bytes().to_vec();
    value.extend_from_slice(&partitions.to_le_bytes());
    value
}

pub fn read_log(value: &[u8]) -> Option<(u64, u16)> {
    let mut bytes = Bytes(value);
    Some((bytes.u64()?, bytes.u16()?))
}

pub fn bucket_key(number: u32) -> [u8; 5] {
    let mut key = [BUCKET; 5];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

pub fn partition_key(partition: Partition) -> [u8; 3] {
    let [high, low] = partition.0.to_be_bytes();
    [PARTITION, high, low]
}

pub fn extent_key(partition: Partition, bucket: u32) -> [u8; 7] {
    let mut key = [EXTENT; 7];
    key[1..3].copy_from_slice(&partition.0.to_be_bytes());
    key[3..].copy_from_slice(&bucket.to_be_bytes());
    key
}

/// Partition and bucket of an extent's key.
pub fn read_extent_key(key: &[u8]) -> Option<(Partition, u32)> {
    let key: &[u8; 7] = key.try_into().ok()?;
    Some((partition_of(key)?, u32::from_be_bytes(*key.last_chunk()?)))
}

pub fn erase_key(partition: Partition, client: IdRef<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(3 + client.as_str().len());
    key.push(ERASED);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key.extend_from_slice(client.as_str().as_bytes());
    key
}

/// The partition in the key of an erase, an extent or a partition.
pub fn partition_of(key: &[u8]) -> Option<Partition> {
    key.get(1..)?.first_chunk().map(|p| Partition(u16::from_be_bytes(*p)))
}

/// Two or three numbers, as all rows of this keyspace begin with.
pub fn encode(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Two numbers.
pub fn read_pair(value: &[u8]) -> Option<(u64, u64)> {
    let mut bytes = Bytes(value);
    Some((bytes.u64()?, bytes.u64()?))
}

/// From, until and bytes of a bucket.
pub fn read_bucket(value: &[u8]) -> Option<(u64, u64, u64)> {
    let mut bytes = Bytes(value);
    Some((bytes.u64()?, bytes.u64()?, bytes.u64()?))
}

pub fn encode_partition(seed: u64, coverage: Coverage, state: &[u8]) -> Vec<u8> {
    let mut value = encode(&[seed, coverage.from, coverage.next]);
    value.extend_from_slice(state);
    value
}

/// Seed, coverage and state.
pub fn read_partition(value: &[u8]) -> Option<(u64, Coverage, &[u8])> {
    let mut bytes = Bytes(value);
    let seed = bytes.u64()?;
    Some((seed, Coverage { from: bytes.u64()?, next: bytes.u64()? }, bytes.0))
}
