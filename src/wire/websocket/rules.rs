//! What a receiver accepts, and the memory all receivers of a core share for what is incomplete.

use crate::limits::{MESSAGE_BYTES, PARTIAL_BYTES, SKIM_BYTES};
use crate::model::CloseCode;

/// What a receiver accepts. The same for the whole life of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Bytes of a message up to which it is kept and handed out.
    pub keep: usize,
    /// Bytes of a message up to which it is read without being kept; beyond, declared or summed: close 1009.
    pub skim: usize,
    /// Check that text is UTF-8. Not needed where a parser follows that does; skimmed text is always checked.
    pub check_utf8: bool,
    /// A binary message is answered by close 1003.
    pub text_only: bool,
    /// Frames come from a server: they must not be masked. Otherwise they must.
    pub from_server: bool,
}

impl Rules {
    /// A client's frames on `/v1/ws`: text of bounded size, whose UTF-8 the JSON parser checks.
    pub const CLIENT: Self = Self {
        keep: MESSAGE_BYTES,
        skim: SKIM_BYTES,
        check_utf8: false,
        text_only: true,
        from_server: false,
    };

    /// A client's frames on `/v1/echo`: everything the RFC allows, to the largest size.
    pub const ECHO: Self =
        Self { keep: SKIM_BYTES, skim: SKIM_BYTES, check_utf8: true, text_only: false, from_server: false };

    /// A server's frames, as our own client reads them.
    pub const SERVER: Self =
        Self { keep: SKIM_BYTES, skim: SKIM_BYTES, check_utf8: false, text_only: true, from_server: true };
}

/// Bytes that the partial frames and messages of one core may hold together.
///
/// Whoever makes a partial grow takes here first; [`super::Receiver`] gives back when the partial ends, and its
/// owner calls [`super::Receiver::release`] when the connection ends before that.
#[derive(Debug)]
pub struct PartialBudget {
    limit: usize,
    used: usize,
}

impl PartialBudget {
    /// So many bytes for all.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: 0 }
    }

    /// What is held now.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Before holding `bytes` more. At the bound: the session that asks is closed 1013.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), CloseCode> {
        if bytes > self.limit.saturating_sub(self.used) {
            return Err(CloseCode::TryLater);
        }
        self.used += bytes;
        Ok(())
    }

    /// What is held beside messages has grown or shrunk; at the bound the connection is closed 1013.
    pub fn change(&mut self, from: usize, to: usize) -> Result<(), CloseCode> {
        self.give(from.saturating_sub(to));
        self.take(to.saturating_sub(from))
    }

    /// After `bytes` are free again.
    pub fn give(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.used, "{bytes} given back, {} taken", self.used);
        self.used = self.used.saturating_sub(bytes);
    }
}

impl Default for PartialBudget {
    fn default() -> Self {
        Self::new(PARTIAL_BYTES)
    }
}
