//! What the tail stores with each batch of the index, as bytes: little-endian, the lists behind their count.

use crate::backplane::store::bytes::Bytes;
use crate::log::Epochs;
use crate::tail::{Place, Stored};

/// The form written by this version. Another one is worth nothing, and the partition begins cold.
const VERSION: u8 = 1;
/// Leader epochs that are believed to be there: far more than a partition ever has within retention.
const EPOCHS: usize = 1 << 20;

/// Appends it.
pub(super) fn encode(stored: &Stored) -> Vec<u8> {
    let Stored { from, next, last, epochs, hole } = stored;
    let mut out = vec![VERSION];
    for number in [*from, *next, last.offset, last.at_ms, hole.unwrap_or(u64::MAX)] {
        out.extend(number.to_le_bytes());
    }
    out.extend(last.leader_epoch.to_le_bytes());
    out.extend((epochs.entries().len() as u32).to_le_bytes());
    for (epoch, first) in epochs.entries() {
        out.extend(epoch.to_le_bytes());
        out.extend(first.to_le_bytes());
    }
    out
}

/// Reads it back; `None` where it is not what [`encode`] writes.
pub(super) fn decode(bytes: &[u8]) -> Option<Stored> {
    let mut rest = Bytes(bytes);
    if rest.u8()? != VERSION {
        return None;
    }
    let [from, next, offset, at_ms, hole] = [rest.u64()?, rest.u64()?, rest.u64()?, rest.u64()?, rest.u64()?];
    let (leader_epoch, many) = (rest.u32()?, rest.u32()? as usize);
    let mut epochs = Epochs::default();
    let mut before: Option<(u32, u64)> = None;
    for _ in 0..many.min(EPOCHS) {
        let (epoch, first) = (rest.u32()?, rest.u64()?);
        if before.is_some_and(|(last, begun)| epoch <= last || first <= begun) {
            return None;
        }
        before = Some((epoch, first));
        epochs.begin(epoch, first);
    }
    let last = Place { offset, leader_epoch, at_ms };
    let hole = (hole != u64::MAX).then_some(hole);
    rest.0.is_empty().then_some(Stored { from, next, last, epochs, hole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_survives_its_bytes_and_nothing_else_is_taken() {
        let mut epochs = Epochs::default();
        epochs.begin(3, 10);
        epochs.begin(7, 20);
        let last = Place { offset: 29, leader_epoch: 7, at_ms: 1_760_000_000_000 };
        for hole in [None, Some(4)] {
            let stored = Stored { from: 12, next: 30, last, epochs: epochs.clone(), hole };
            let bytes = encode(&stored);
            assert_eq!(decode(&bytes), Some(stored));
            assert!((0..bytes.len()).all(|cut| decode(&bytes[..cut]).is_none()));
            let twice: Vec<u8> = [&bytes[..], &[0]].concat();
            assert_eq!(decode(&twice), None);
            let mut going_back = bytes.clone();
            *going_back.last_mut().unwrap() = 0;
            going_back[bytes.len() - 8] = 1;
            assert_eq!(decode(&going_back), None, "leaders do not go back");
        }
    }
}
