//! What one turn of a core has for the others: a batch per destination, posted at the end of the turn.

use super::inbox::{Address, Batch};
use crate::limits::INBOX_COMMANDS;

/// One core's outgoing messages. Emptied by [`Outbox::flush`] at the end of each turn.
pub struct Outbox<T> {
    me: u16,
    to: Vec<Destination<T>>,
    /// Destinations with something to post, each once.
    dirty: Vec<u16>,
}

struct Destination<T> {
    address: Address<T>,
    messages: Vec<T>,
    commands: usize,
}

impl<T> Outbox<T> {
    /// Core `me`'s, to these cores.
    pub fn new(me: u16, addresses: &[Address<T>]) -> Self {
        let to = addresses.iter().map(|address| Destination {
            address: address.clone(),
            messages: Vec::new(),
            commands: 0,
        });
        Self { me, to: to.collect(), dirty: Vec::new() }
    }

    /// Whose outbox this is.
    pub fn core(&self) -> u16 {
        self.me
    }

    /// How many cores it reaches.
    pub fn cores(&self) -> u16 {
        self.to.len() as u16
    }

    /// Commands that core `to` would still take from us. Ask before accepting one; 0 means: let the client wait.
    ///
    /// Only we add to what waits there for us, so room that was seen stays until we use it.
    pub fn room(&self, to: u16) -> usize {
        let destination = &self.to[to as usize];
        let used = destination.address.waiting(self.me) + destination.commands;
        INBOX_COMMANDS.saturating_sub(used)
    }

    /// Something that answers, or was asked for: never refused.
    pub fn push(&mut self, to: u16, message: T) {
        let destination = &mut self.to[to as usize];
        if destination.messages.is_empty() {
            self.dirty.push(to);
        }
        destination.messages.push(message);
    }

    /// A client's command, for which [`Outbox::room`] was seen when its turn began: what one turn brings may go
    /// beyond the room there was, and then there is none in the next.
    pub fn push_command(&mut self, to: u16, message: T) {
        self.push_large_command(to, message, 1);
    }

    /// The same for one that takes the room of so many.
    pub fn push_large_command(&mut self, to: u16, message: T, room: usize) {
        self.push(to, message);
        self.to[to as usize].commands += room;
    }

    /// Whether there is nothing to post.
    pub fn is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Posts one batch to each destination that has something.
    pub fn flush(&mut self) {
        while let Some(to) = self.dirty.pop() {
            let Destination { address, messages, commands } = &mut self.to[to as usize];
            let batch = Batch {
                from: Some(self.me),
                commands: std::mem::take(commands),
                messages: std::mem::take(messages),
            };
            address.post_batch(batch);
        }
    }
}
