//! One page of one mailbox, from one view of the store.

use super::meta;
use super::view::View;
use crate::backplane::store::database::StoreError;
use crate::backplane::store::mailbox::{Mailbox, unreadable};
use crate::backplane::store::rows::MailboxKey;
use crate::log::{Page, Read, ReadFrom, Unreadable};
use crate::model::{Position, Unresumed};
use fjall::{Readable, Snapshot};

/// Reads a page. The view is of the moment the reader took it; rows up to `upto` were there when its core heard of
/// them, and rows never change.
pub fn read(view: &View, read: &Read) -> Result<Page, Unreadable> {
    let snapshot = view.store.snapshot();
    let unerased = unerased(view, &snapshot, read).map_err(|error| unreadable(error, read))?;
    if let ReadFrom::After(position) = read.from {
        judge(view, read, position, unerased).map_err(Unreadable::Unresumed)?;
    }
    let mailbox = Mailbox {
        snapshot,
        key: MailboxKey::new(read.partition, read.client.as_ref(), view.seed),
        read,
        epochs: view.epochs(read.partition),
        stretches: view.stretches(read.partition),
    };
    mailbox.page(view.floor(read.partition).max(unerased)).map_err(|error| unreadable(error, read))
}

/// Whether everything between this position and the present is still there.
///
/// An erase at or after `upto` is one its core has not heard of: it skips what is before, and judges nobody yet.
fn judge(view: &View, read: &Read, position: Position, unerased: u64) -> Result<(), Unresumed> {
    if position.offset < view.floor(read.partition) {
        return Err(Unresumed::Expired);
    }
    if !view.epochs(read.partition).still_hold(position) {
        return Err(Unresumed::Truncated);
    }
    if position.offset < unerased && unerased <= read.upto.offset {
        return Err(Unresumed::Erased);
    }
    Ok(())
}

/// The first offset after the mailbox's newest erase.
fn unerased(view: &View, snapshot: &Snapshot, read: &Read) -> Result<u64, StoreError> {
    let key = meta::client_key(meta::ERASED, read.client.as_ref());
    let value = snapshot.get(&view.store.meta, key)?;
    Ok(value.and_then(|value| meta::read_erase(&value)).map_or(0, |(_, offset)| offset + 1))
}
