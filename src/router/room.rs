//! Room in the log's queue: what is free of it, what a send needs, what is kept for whom.

/// So much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Records.
    pub records: usize,
    /// Bytes of them.
    pub bytes: usize,
}

impl Room {
    /// Whether that much is in it.
    pub fn holds(self, other: Self) -> bool {
        other.records <= self.records && other.bytes <= self.bytes
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self { records: self.records + other.records, bytes: self.bytes + other.bytes }
    }

    /// What is left of it without that much.
    pub fn less(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}
