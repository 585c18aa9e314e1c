//! One page of one mailbox of the index.

use super::meta;
use super::view::{Held, View};
use crate::backplane::store::database::StoreError;
use crate::backplane::store::mailbox::{Mailbox, unreadable};
use crate::backplane::store::rows::MailboxKey;
use crate::log::{Page, Read, ReadFrom, Unreadable};
use crate::model::Unresumed;
use fjall::{Readable, Snapshot};

/// Reads a page of what is at this offset or after. That it leads to the present was judged by who knows the log; what
/// may have changed since is judged here, and so is an erase.
pub fn read(view: &View, read: &Read, from: u64) -> Result<Page, Unreadable> {
    let (mailbox, unerased) = mailbox(view, read, from)?;
    // An erase that the core has not heard of skips what is before it, and judges nobody yet.
    if let ReadFrom::After(position) = read.from
        && position.offset < unerased
        && unerased <= read.upto.offset
    {
        return Err(Unreadable::Unresumed(Unresumed::Erased));
    }
    mailbox.page(from.max(unerased)).map_err(|error| unreadable(error, read))
}

/// Whether there is nothing to look for before this offset: the last `n` are after it, or an erase is.
pub fn has_last(view: &View, read: &Read, from: u64, n: u32) -> Result<bool, Unreadable> {
    let (mailbox, unerased) = mailbox(view, read, from)?;
    let last = mailbox.last(n, from.max(unerased)).map_err(|error| unreadable(error, read))?;
    Ok(unerased > from || last.is_all)
}

/// The mailbox, and the first offset after its newest erase.
fn mailbox<'a>(view: &'a View, read: &'a Read, from: u64) -> Result<(Mailbox<'a>, u64), Unreadable> {
    let held = view.held(read.partition).ok_or(Unreadable::Unavailable)?;
    let epochs = held.shown.as_deref().ok_or(Unreadable::Unavailable)?;
    let (covered, upto) = (held.coverage, read.upto.offset);
    if from < covered.from || upto < covered.from || covered.next < upto {
        return Err(Unreadable::Unavailable);
    }
    let snapshot = view.store.snapshot();
    let unerased = unerased(view, held, &snapshot, read).map_err(|error| unreadable(error, read))?;
    let key = MailboxKey::new(read.partition, read.client.as_ref(), held.seed);
    Ok((Mailbox { snapshot, key, read, epochs, stretches: view.stretches(held) }, unerased))
}

/// The first offset after the mailbox's newest erase since the partition is held.
fn unerased(view: &View, held: &Held, snapshot: &Snapshot, read: &Read) -> Result<u64, StoreError> {
    let value = snapshot.get(&view.store.meta, meta::erase_key(read.partition, read.client.as_ref()))?;
    let erase = value.and_then(|value| meta::read_pair(&value));
    Ok(erase.filter(|&(seed, _)| seed == held.seed).map_or(0, |(_, offset)| offset + 1))
}
