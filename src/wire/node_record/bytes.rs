//! Numbers and nouns as bytes: how they are put down, and how they are read by who believes nothing.

use super::Unreadable;
use crate::limits::{ID_BYTES, SESSIONS_MOST};
use crate::model::{ClientId, IdRef, Position, SessionRef};

/// Bytes of a session as [`put_session`] writes it.
pub const SESSION: usize = 2 + 4 + 4;
/// How many items a list may have whose only bound is its record.
pub const WHAT_FITS: usize = usize::MAX;
/// Bytes of the shortest identifier as [`put_id`] writes it.
pub const ID_LEAST: usize = 1 + 1;

// The length of an identifier is one byte.
const _: () = assert!(ID_BYTES <= u8::MAX as usize);

/// An identifier behind its length; nothing, which is no identifier, behind a 0.
pub fn put_id(id: &[u8], out: &mut Vec<u8>) {
    out.push(id.len() as u8);
    out.extend_from_slice(id);
}

pub fn put_session(session: SessionRef, out: &mut Vec<u8>) {
    out.extend(session.core.to_le_bytes());
    out.extend(session.slot.to_le_bytes());
    out.extend(session.generation.to_le_bytes());
}

pub fn put_position(position: Position, out: &mut Vec<u8>) {
    out.extend(position.leader_epoch.to_le_bytes());
    out.extend(position.offset.to_le_bytes());
}

/// A length or a count: four bytes.
pub fn put_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).expect("no record's part is longer than a record may be");
    out.extend(count.to_le_bytes());
}

/// A list behind its count.
pub fn put_list<T>(list: &[T], out: &mut Vec<u8>, mut put: impl FnMut(&T, &mut Vec<u8>)) {
    put_count(list.len(), out);
    list.iter().for_each(|item| put(item, out));
}

pub fn put_sessions(sessions: &[SessionRef], out: &mut Vec<u8>) {
    put_list(sessions, out, |session, out| put_session(*session, out));
}

/// What of a record's value has not been read yet.
pub struct Rest<'a> {
    left: &'a [u8],
    whole: usize,
}

impl<'a> Rest<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, whole: bytes.len() }
    }

    /// The verdict on what comes next.
    pub fn damaged(&self, what: &'static str) -> Unreadable {
        Unreadable::Damaged { at: self.whole - self.left.len(), what }
    }

    /// Nothing is left.
    pub fn end(&self) -> Result<(), Unreadable> {
        if self.left.is_empty() { Ok(()) } else { Err(self.damaged("end")) }
    }

    pub fn u8(&mut self, what: &'static str) -> Result<u8, Unreadable> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub fn u16(&mut self, what: &'static str) -> Result<u16, Unreadable> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, Unreadable> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &'static str) -> Result<u64, Unreadable> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// One byte that says which of a few things it is.
    pub fn one_of<T>(
        &mut self,
        what: &'static str,
        which: impl FnOnce(u8) -> Option<T>,
    ) -> Result<T, Unreadable> {
        let none = self.damaged(what);
        which(self.u8(what)?).ok_or(none)
    }

    pub fn flag(&mut self, what: &'static str) -> Result<bool, Unreadable> {
        self.one_of(what, |byte| (byte < 2).then_some(byte == 1))
    }

    /// What [`put_id`] wrote.
    pub fn id(&mut self, what: &'static str) -> Result<IdRef<'a>, Unreadable> {
        let missing = self.damaged(what);
        self.maybe_id(what)?.ok_or(missing)
    }

    /// The same where there may be none.
    pub fn maybe_id(&mut self, what: &'static str) -> Result<Option<IdRef<'a>>, Unreadable> {
        let bad = self.damaged(what);
        let len = self.u8(what)?;
        let bytes = self.piece(usize::from(len)).ok_or(bad)?;
        if bytes.is_empty() { Ok(None) } else { IdRef::from_bytes(bytes).map(Some).map_err(|_| bad) }
    }

    pub fn client(&mut self) -> Result<ClientId, Unreadable> {
        self.id("client").map(IdRef::to_client)
    }

    pub fn session(&mut self) -> Result<SessionRef, Unreadable> {
        Ok(SessionRef {
            core: self.u16("session")?,
            slot: self.u32("session")?,
            generation: self.u32("session")?,
        })
    }

    pub fn sessions(&mut self) -> Result<Vec<SessionRef>, Unreadable> {
        self.list("sessions", (SESSIONS_MOST as usize, SESSION), Self::session)
    }

    pub fn position(&mut self) -> Result<Position, Unreadable> {
        Ok(Position { leader_epoch: self.u32("position")?, offset: self.u64("position")? })
    }

    /// UTF-8 behind a length that [`put_count`] wrote: it goes into text frames as it is.
    pub fn text(&mut self, what: &'static str) -> Result<&'a [u8], Unreadable> {
        let bad = self.damaged(what);
        let len = usize::try_from(self.u32(what)?).map_err(|_| bad)?;
        let text = self.piece(len).ok_or(bad)?;
        if simdutf8::basic::from_utf8(text).is_ok() { Ok(text) } else { Err(bad) }
    }

    /// What [`put_list`] wrote: at most `most` items, each of at least `least` bytes, so that a count for which there are
    /// too few is damage before any room is made for it.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        (most, least): (usize, usize),
        mut read: impl FnMut(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        let too_long = self.damaged(what);
        let count = usize::try_from(self.u32(what)?).map_err(|_| too_long)?;
        if count > most.min(self.left.len() / least) {
            return Err(too_long);
        }
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Unreadable> {
        let (&array, left) = self.left.split_first_chunk().ok_or(self.damaged(what))?;
        self.left = left;
        Ok(array)
    }

    fn piece(&mut self, len: usize) -> Option<&'a [u8]> {
        self.left.split_off(..len)
    }
}
