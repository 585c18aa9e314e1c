//! What both stores of a node stand on: the embedded log's own, and the index beside a log that is Kafka's.
//!
//! Reading order: [`directory`] is whose it is; [`database`] is fjall with our settings; [`rows`] is what a mailbox
//! looks like in it, and [`mailbox`] is how a page of one is read. What a store knows beyond mailboxes, and when it commits, is its own matter.

mod background;
pub mod bytes;
pub mod database;
pub mod directory;
mod journal;
pub mod mailbox;
pub mod memory;
pub mod open_error;
pub mod readers;
pub mod rows;
pub mod sight;
mod walk;

use crate::limits::{STORE_BUCKET_MS, STORE_BUCKETS};
use std::io::{self, Read as _};

/// How long one bucket takes records, of a store that keeps them so long.
pub fn bucket_ms(retention_ms: u64) -> u64 {
    (retention_ms / STORE_BUCKETS).max(STORE_BUCKET_MS)
}

/// What nobody can guess.
pub fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut random = [0; BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random)
}
