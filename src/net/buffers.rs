//! A core's buffers: lent to a socket only while bytes are there.

use crate::limits::{POOLED_BUFFERS, POOLED_BUFFERS_LONG, READ_BYTES, READ_BYTES_LONG, WRITE_BYTES};

/// Which buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// [`WRITE_BYTES`], to grow as it is written to.
    Frame,
    /// [`READ_BYTES`]
    #[default]
    Short,
    /// [`READ_BYTES_LONG`]
    Long,
}

/// Empty buffers for the next who needs one. Bound: [`POOLED_BUFFERS`] and [`POOLED_BUFFERS_LONG`]; beyond, and for
/// a buffer that grew beyond the long size, memory goes back to the allocator.
#[derive(Debug, Default)]
pub struct Pool {
    frame: Vec<Vec<u8>>,
    short: Vec<Vec<u8>>,
    long: Vec<Vec<u8>>,
    /// Short buffers that nobody has needed since the last [`Pool::trim`].
    unused: usize,
}

impl Pool {
    /// An empty buffer with at least that capacity.
    pub fn take(&mut self, size: Size) -> Vec<u8> {
        match size {
            Size::Frame => self.frame.pop().unwrap_or_else(|| Vec::with_capacity(WRITE_BYTES)),
            Size::Short => {
                let buffer = self.short.pop().unwrap_or_else(|| Vec::with_capacity(READ_BYTES));
                self.unused = self.unused.min(self.short.len());
                buffer
            }
            Size::Long => self.long.pop().unwrap_or_else(|| Vec::with_capacity(READ_BYTES_LONG)),
        }
    }

    /// A buffer that is not needed any more.
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        let capacity = buffer.capacity();
        if (WRITE_BYTES..READ_BYTES).contains(&capacity) && self.frame.len() < POOLED_BUFFERS {
            self.frame.push(buffer);
        } else if (READ_BYTES..READ_BYTES_LONG).contains(&capacity) && self.short.len() < POOLED_BUFFERS {
            // One that grew is short again, or the pool would fill with ever larger ones.
            buffer.shrink_to(READ_BYTES);
            self.short.push(buffer);
        } else if capacity == READ_BYTES_LONG && self.long.len() < POOLED_BUFFERS_LONG {
            self.long.push(buffer);
        }
    }

    /// Gives back to the allocator what nobody has needed since the last call: about once a second, so that a
    /// burst does not leave its buffers lying about for ever.
    pub fn trim(&mut self) {
        self.short.truncate(self.short.len() - self.unused.min(self.short.len()));
        self.long.truncate(POOLED_BUFFERS_LONG / 4);
        self.frame.truncate(POOLED_BUFFERS / 4);
        self.unused = self.short.len();
    }

    /// Bytes kept for later.
    pub fn bytes(&self) -> usize {
        let frames: usize = self.frame.iter().map(Vec::capacity).sum();
        frames + self.short.len() * READ_BYTES + self.long.len() * READ_BYTES_LONG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_the_pool_stays_small() {
        let mut pool = Pool::default();
        let mut buffer = pool.take(Size::Short);
        buffer.extend_from_slice(b"left over");
        let place = buffer.as_ptr();
        pool.give(buffer);
        let again = pool.take(Size::Short);
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, READ_BYTES));

        for _ in 0..POOLED_BUFFERS + 10 {
            pool.give(Vec::with_capacity(READ_BYTES));
            pool.give(Vec::with_capacity(READ_BYTES_LONG));
            pool.give(Vec::with_capacity(READ_BYTES_LONG * 4));
            pool.give(Vec::new());
        }
        assert_eq!(pool.bytes(), POOLED_BUFFERS * READ_BYTES + POOLED_BUFFERS_LONG * READ_BYTES_LONG);
        pool.trim();
        let kept: Vec<_> = (0..10).map(|_| pool.take(Size::Short)).collect();
        kept.into_iter().for_each(|buffer| pool.give(buffer));
        pool.trim();
        assert_eq!(pool.bytes(), 10 * READ_BYTES + POOLED_BUFFERS_LONG / 4 * READ_BYTES_LONG);
        pool.give(Vec::with_capacity(READ_BYTES * 3));
        assert_eq!(pool.take(Size::Long).capacity(), READ_BYTES_LONG);
    }
}
