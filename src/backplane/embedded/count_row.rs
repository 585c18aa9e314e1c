//! How much of a mailbox lies in a bucket, in a row before those of its envelopes.
//!
//! ```text
//! partition 2 ‖ hash 8  →  envelopes 4 ‖ bytes 8 ‖ as of commit 8
//! ```

use crate::backplane::store::bytes::Bytes;

/// What of a mailbox lies in one bucket, as of a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub envelopes: u32,
    pub bytes: u64,
    /// Commits up to this one are counted.
    pub as_of: u64,
}

impl Count {
    pub fn encode(self) -> [u8; 20] {
        let mut value = [0; 20];
        value[..4].copy_from_slice(&self.envelopes.to_le_bytes());
        value[4..12].copy_from_slice(&self.bytes.to_le_bytes());
        value[12..].copy_from_slice(&self.as_of.to_le_bytes());
        value
    }

    pub fn read(value: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(value);
        Some(Self { envelopes: bytes.u32()?, bytes: bytes.u64()?, as_of: bytes.u64()? })
    }
}
