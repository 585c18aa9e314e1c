//! A core's buffers: lent to a socket only while bytes are there.

use crate::limits::{
    FRAME_POOL_BYTES, POOLED_BUFFERS, POOLED_BUFFERS_LONG, READ_BYTES, READ_BYTES_LONG, WRITE_BYTES,
    WRITE_BYTES_KEPT,
};

/// Which buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// To be written to: [`WRITE_BYTES`] at first, it grows with what is put in.
    Frame,
    /// To read into: [`READ_BYTES`].
    #[default]
    Short,
    /// [`READ_BYTES_LONG`]
    Long,
}

/// Empty buffers for the next who needs one, the last one back first, for it is still in the processor's cache.
///
/// Bound: [`FRAME_POOL_BYTES`], [`POOLED_BUFFERS`] and [`POOLED_BUFFERS_LONG`]; beyond, memory goes back to the
/// allocator.
#[derive(Debug, Default)]
pub struct Pool {
    frame: Vec<Vec<u8>>,
    frame_bytes: usize,
    short: Vec<Vec<u8>>,
    long: Vec<Vec<u8>>,
    /// Short buffers that nobody has needed since the last [`Pool::trim`].
    unused: usize,
}

impl Pool {
    /// An empty buffer of that size.
    pub fn take(&mut self, size: Size) -> Vec<u8> {
        match size {
            Size::Frame => match self.frame.pop() {
                Some(buffer) => {
                    self.frame_bytes -= buffer.capacity();
                    buffer
                }
                None => Vec::with_capacity(WRITE_BYTES),
            },
            Size::Short => {
                let buffer = self.short.pop().unwrap_or_else(|| Vec::with_capacity(READ_BYTES));
                self.unused = self.unused.min(self.short.len());
                buffer
            }
            Size::Long => self.long.pop().unwrap_or_else(|| Vec::with_capacity(READ_BYTES_LONG)),
        }
    }

    /// A buffer of that size that is not needed any more.
    pub fn give(&mut self, size: Size, mut buffer: Vec<u8>) {
        buffer.clear();
        let capacity = buffer.capacity();
        match size {
            // What has grown stays grown for the next, unless it held something unusually long.
            Size::Frame
                if (WRITE_BYTES..=WRITE_BYTES_KEPT).contains(&capacity)
                    && self.frame_bytes + capacity <= FRAME_POOL_BYTES =>
            {
                self.frame_bytes += capacity;
                self.frame.push(buffer);
            }
            Size::Short if capacity >= READ_BYTES && self.short.len() < POOLED_BUFFERS => {
                buffer.shrink_to(READ_BYTES);
                self.short.push(buffer);
            }
            Size::Long if capacity == READ_BYTES_LONG && self.long.len() < POOLED_BUFFERS_LONG => {
                self.long.push(buffer);
            }
            _ => {}
        }
    }

    /// Gives back to the allocator what nobody has needed since the last call: about once a second, so that a
    /// burst does not leave its buffers lying about for ever.
    pub fn trim(&mut self) {
        self.short.truncate(self.short.len() - self.unused.min(self.short.len()));
        self.long.truncate(POOLED_BUFFERS_LONG / 4);
        // The first were last needed longest ago.
        let mut over = self.frame_bytes.saturating_sub(FRAME_POOL_BYTES / 4);
        let gone = self.frame.iter().take_while(|buffer| {
            let is_over = over > 0;
            over = over.saturating_sub(buffer.capacity());
            is_over
        });
        let gone = gone.count();
        self.frame_bytes -= self.frame.drain(..gone).map(|buffer| buffer.capacity()).sum::<usize>();
        self.unused = self.short.len();
    }

    /// Bytes kept for later.
    pub fn bytes(&self) -> usize {
        self.frame_bytes + self.short.len() * READ_BYTES + self.long.len() * READ_BYTES_LONG
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
        pool.give(Size::Short, buffer);
        let again = pool.take(Size::Short);
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, READ_BYTES));

        for _ in 0..POOLED_BUFFERS + 10 {
            pool.give(Size::Short, Vec::with_capacity(READ_BYTES));
            pool.give(Size::Long, Vec::with_capacity(READ_BYTES_LONG));
            pool.give(Size::Long, Vec::with_capacity(READ_BYTES_LONG * 4));
            pool.give(Size::Frame, Vec::new());
        }
        assert_eq!(pool.bytes(), POOLED_BUFFERS * READ_BYTES + POOLED_BUFFERS_LONG * READ_BYTES_LONG);
        pool.trim();
        let kept: Vec<_> = (0..10).map(|_| pool.take(Size::Short)).collect();
        kept.into_iter().for_each(|buffer| pool.give(Size::Short, buffer));
        pool.trim();
        assert_eq!(pool.bytes(), 10 * READ_BYTES + POOLED_BUFFERS_LONG / 4 * READ_BYTES_LONG);
    }

    #[test]
    fn a_frame_buffer_keeps_what_it_has_grown_to_and_all_together_their_bound() {
        let mut pool = Pool::default();
        let mut buffer = pool.take(Size::Frame);
        assert_eq!(buffer.capacity(), WRITE_BYTES);
        buffer.resize(WRITE_BYTES * 4, b'x');
        let grown = buffer.capacity();
        pool.give(Size::Frame, buffer);
        assert_eq!((pool.bytes(), pool.take(Size::Frame).capacity(), pool.bytes()), (grown, grown, 0));

        for _ in 0..FRAME_POOL_BYTES / WRITE_BYTES_KEPT * 2 {
            pool.give(Size::Frame, Vec::with_capacity(WRITE_BYTES_KEPT));
            pool.give(Size::Frame, Vec::with_capacity(WRITE_BYTES_KEPT + 1));
        }
        assert_eq!(pool.bytes(), FRAME_POOL_BYTES);
        pool.trim();
        assert_eq!(pool.bytes(), FRAME_POOL_BYTES / 4);
    }
}
