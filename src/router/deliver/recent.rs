//! How much of the mailboxes of one core is in memory: the newest envelopes of all of them together, bounded.
//!
//! The oldest of the core goes first, whoever's it is; its mailbox then knows that it has to ask the log for what
//! lies before.

use super::mailbox::{Mailbox, Recent};
use crate::model::{ByClient, Envelope, Position};
use std::collections::VecDeque;

/// Bytes an envelope in memory costs beside its own: its entries here and in its mailbox.
const ENTRY_BYTES: usize = 96;

/// The order in which envelopes of a core's mailboxes leave memory.
#[derive(Debug)]
pub struct RecentOrder {
    order: VecDeque<(Envelope, Position)>,
    bytes: usize,
    most: usize,
}

impl RecentOrder {
    /// At most so many bytes.
    pub fn new(most: usize) -> Self {
        Self { order: VecDeque::new(), bytes: 0, most }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the newest envelope of `mailbox`.
    pub fn add(&mut self, mailbox: &mut Mailbox, recent: Recent) {
        self.bytes += recent.envelope.size() + ENTRY_BYTES;
        self.order.push_back((recent.envelope.clone(), recent.position));
        mailbox.remember(recent);
    }

    /// Makes room: the oldest go, until the bound holds.
    pub fn evict(&mut self, mailboxes: &mut ByClient<Box<Mailbox>>) {
        while self.bytes > self.most {
            let (envelope, position) = self.order.pop_front().expect("bytes are held by entries");
            self.bytes -= envelope.size() + ENTRY_BYTES;
            let client = envelope.to().as_str();
            let Some(mailbox) = mailboxes.get_mut(client) else { continue };
            // After an erase its oldest is another one, or none.
            mailbox.forget(position);
            if mailbox.is_idle() {
                mailboxes.remove(client);
            }
        }
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        let bytes: usize = self.order.iter().map(|(envelope, _)| envelope.size() + ENTRY_BYTES).sum();
        assert_eq!(bytes, self.bytes, "bytes are held by entries");
        assert!(self.bytes <= self.most, "memory is bounded");
    }
}
