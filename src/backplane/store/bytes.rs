//! Reading numbers back out of our own rows: little-endian, bounds checked, `None` when the row is too short.

/// What is left of a row.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (now, later) = self.0.split_at_checked(len)?;
        self.0 = later;
        Some(now)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.0.split_first_chunk().map(|(now, later)| {
            self.0 = later;
            u16::from_le_bytes(*now)
        })
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.0.split_first_chunk().map(|(now, later)| {
            self.0 = later;
            u32::from_le_bytes(*now)
        })
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.0.split_first_chunk().map(|(now, later)| {
            self.0 = later;
            u64::from_le_bytes(*now)
        })
    }

    pub fn u128(&mut self) -> Option<u128> {
        self.0.split_first_chunk().map(|(now, later)| {
            self.0 = later;
            u128::from_le_bytes(*now)
        })
    }
}
