//! The rows of one mailbox one after the other, oldest or newest first, over all buckets that may hold them.

use super::database::{StoreError, damaged};
use super::mailbox::{Mailbox, Stretch};
use super::rows::{Row, offset_of};
use fjall::{Readable, UserValue};
use std::ops::Range;

/// A way through a mailbox, below what the read may see. At most as many buckets are open as overlap.
pub struct Walk<'a> {
    mailbox: &'a Mailbox<'a>,
    keys: Range<[u8; 18]>,
    is_backward: bool,
    /// The one whose turn comes next is the last.
    waiting: Vec<&'a Stretch<'a>>,
    open: Vec<Head>,
    /// Which of the open ones gave the last row: its next one is not looked at before it is asked for, for it may be
    /// damaged, and the caller may have enough.
    given: Option<usize>,
}

/// An open bucket and the row of it that comes next.
struct Head {
    offset: u64,
    value: UserValue,
    rest: fjall::Iter,
}

impl<'a> Walk<'a> {
    /// From this offset on, oldest first.
    pub fn forward(mailbox: &'a Mailbox<'a>, begin: u64) -> Self {
        let mut walk = Self::new(mailbox, begin, false);
        walk.waiting.sort_unstable_by_key(|stretch| std::cmp::Reverse(stretch.offsets.start));
        walk
    }

    /// Down to this offset, newest first.
    pub fn backward(mailbox: &'a Mailbox<'a>, lowest: u64) -> Self {
        let mut walk = Self::new(mailbox, lowest, true);
        walk.waiting.sort_unstable_by_key(|stretch| stretch.offsets.end);
        walk
    }

    fn new(mailbox: &'a Mailbox<'a>, from: u64, is_backward: bool) -> Self {
        let upto = mailbox.read.upto.offset;
        let is_wanted =
            |stretch: &&Stretch<'_>| stretch.offsets.start.max(from) < stretch.offsets.end.min(upto);
        let waiting = mailbox.stretches.iter().filter(is_wanted).collect();
        let keys = mailbox.key.row_key(from.min(upto))..mailbox.key.row_key(upto);
        Self { mailbox, keys, is_backward, waiting, open: Vec::new(), given: None }
    }

    /// The next row of this client's own and its offset.
    pub fn next(&mut self) -> Result<Option<(u64, Row<'_>)>, StoreError> {
        loop {
            let Some(at) = self.advance()? else { return Ok(None) };
            let client = self.mailbox.read.client.as_str().as_bytes();
            if Row::read(&self.open[at].value).ok_or_else(|| damaged("a row"))?.client == client {
                let head = &self.open[at];
                return Ok(Row::read(&head.value).map(|row| (head.offset, row)));
            }
        }
    }

    /// Which of the open buckets has the next row.
    fn advance(&mut self) -> Result<Option<usize>, StoreError> {
        if let Some(at) = self.given.take() {
            let Head { rest, .. } = self.open.swap_remove(at);
            self.push(rest)?;
        }
        while let Some(stretch) = self.waiting.pop_if(|stretch| match next_of(&self.open, self.is_backward) {
            Some(at) if self.is_backward => self.open[at].offset < stretch.offsets.end,
            Some(at) => self.open[at].offset >= stretch.offsets.start,
            None => true,
        }) {
            self.push(self.mailbox.snapshot.range(stretch.keyspace, self.keys.clone()))?;
        }
        self.given = next_of(&self.open, self.is_backward);
        Ok(self.given)
    }

    /// Keeps a bucket open as long as it has rows.
    fn push(&mut self, mut rest: fjall::Iter) -> Result<(), StoreError> {
        let next = if self.is_backward { rest.next_back() } else { rest.next() };
        let Some(guard) = next else { return Ok(()) };
        let (key, value) = guard.into_inner()?;
        let offset = offset_of(&key).ok_or_else(|| damaged("a row"))?;
        self.open.push(Head { offset, value, rest });
        Ok(())
    }
}

fn next_of(open: &[Head], is_backward: bool) -> Option<usize> {
    let by_offset = |&at: &usize| open[at].offset;
    if is_backward { (0..open.len()).max_by_key(by_offset) } else { (0..open.len()).min_by_key(by_offset) }
}
