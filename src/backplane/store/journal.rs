//! Mends the end of fjall's newest journal before fjall reads it.
//!
//! A power cut may leave the last batch torn: some of its pages written, others still zero. fjall drops a batch that
//! ends too early, but takes one whose middle is missing for corruption and will not open. We fsync each batch before
//! the next is written, so a torn batch was never acknowledged, and nothing sound can follow it: then it is cut off.
//! If something sound does follow, an acknowledged batch was damaged, and that is not for us to hide.
//!
//! fjall 3's journal: `1 ‖ items 4 ‖ seqno 8`, items `2 ‖ type 1 ‖ compression 1+ ‖ keyspace 8 ‖ key length 2 ‖
//! value length 4 ‖ stored length 4 ‖ key ‖ value`, cleared keyspaces `4 ‖ keyspace 8`, `3 ‖ xxh3 8 ‖ "FJL" 3`.

use super::bytes::Bytes;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// What was found at the end of the newest journal.
#[derive(Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing but whole batches and zeros.
    Sound,
    /// So many bytes of a batch that never was acknowledged are gone.
    Cut(u64),
    /// At this byte stands a broken batch, and sound ones after it.
    Damaged(u64),
}

/// Mends the newest journal in fjall's directory. `may_lose` says that batches were not fsynced one by one, so that
/// several may be broken, in any order, without having been promised to survive a power cut.
pub fn mend(store: &Path, may_lose: bool) -> io::Result<Tail> {
    let Some(path) = newest(store)? else { return Ok(Tail::Sound) };
    let bytes = std::fs::read(&path)?;
    let whole = whole_batches(&bytes, 0);
    if bytes[whole..].iter().all(|&b| b == 0) {
        return Ok(Tail::Sound);
    }
    if !may_lose && sound_batch_after(&bytes, whole) {
        return Ok(Tail::Damaged(whole as u64));
    }
    let file = File::options().write(true).open(&path)?;
    file.set_len(whole as u64)?;
    file.sync_all()?;
    Ok(Tail::Cut((bytes.len() - whole) as u64))
}

fn newest(store: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in std::fs::read_dir(store)? {
        let path = entry?.path();
        let number =
            path.extension().filter(|e| *e == "jnl").and_then(|_| path.file_stem()?.to_str()?.parse().ok());
        if let Some(number) = number {
            newest = newest.max(Some((number, path)));
        }
    }
    let newest: Option<(u64, PathBuf)> = newest;
    Ok(newest.map(|(_, path)| path))
}

/// Where the whole batches that begin at `from` end.
fn whole_batches(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(len) = batch(&bytes[at..]) {
        at += len;
    }
    at
}

/// Whether a whole batch begins anywhere after `from`. Starts are rare in other bytes, and a checksum decides.
fn sound_batch_after(bytes: &[u8], from: usize) -> bool {
    (from + 1..bytes.len()).any(|at| bytes[at] == START && batch(&bytes[at..]).is_some())
}

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// The length of the whole batch at the beginning of `bytes`.
fn batch(bytes: &[u8]) -> Option<usize> {
    let mut rest = Bytes(bytes);
    if rest.u8()? != START {
        return None;
    }
    let items = rest.u32()?;
    rest.u64()?;
    let body = rest.0;
    for _ in 0..items {
        match rest.u8()? {
            ITEM => {
                rest.u8()?;
                // 0 is none; lz4, which we never asked for, is 1.
                if rest.u8()? > 1 {
                    return None;
                }
                rest.u64()?;
                let key = usize::from(rest.u16()?);
                rest.u32()?;
                let stored = rest.u32()? as usize;
                rest.take(key)?;
                rest.take(stored)?;
            }
            CLEAR => {
                rest.u64()?;
            }
            _ => return None,
        }
    }
    let body = &body[..body.len() - rest.0.len()];
    (rest.u8()? == END && rest.u64()? == xxh3_64(body) && rest.take(4)? == b"FJL\x03")
        .then(|| bytes.len() - rest.0.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(items: &[&[u8]]) -> Vec<u8> {
        let mut body = Vec::new();
        for value in items {
            body.extend_from_slice(&[ITEM, 0, 0]);
            body.extend_from_slice(&1u64.to_le_bytes());
            body.extend_from_slice(&1u16.to_le_bytes());
            body.extend_from_slice(&(value.len() as u32).to_le_bytes());
            body.extend_from_slice(&(value.len() as u32).to_le_bytes());
            body.push(b'k');
            body.extend_from_slice(value);
        }
        let mut all = vec![START];
        all.extend_from_slice(&(items.len() as u32).to_le_bytes());
        all.extend_from_slice(&7u64.to_le_bytes());
        all.extend_from_slice(&body);
        all.push(END);
        all.extend_from_slice(&xxh3_64(&body).to_le_bytes());
        all.extend_from_slice(b"FJL\x03");
        all
    }

    #[test]
    fn every_tear_of_the_last_batch_is_cut_and_damage_before_it_is_told() {
        let dir = std::env::temp_dir().join(format!("corepost-journal-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("3.jnl");
        std::fs::write(dir.join("2.jnl"), b"older").unwrap();
        let (first, last) = (written(&[b"one", b"two"]), written(&[&[9; 200], b"x"]));
        let whole = [&first[..], &last, &[0; 64]].concat();
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(mend(&dir, false).unwrap(), Tail::Sound);

        // The sequence number alone is under no checksum; no tear of a page ends at both its ends.
        let unchecked = first.len() + 5;
        for torn in (first.len()..first.len() + last.len() - 8).filter(|&torn| torn != unchecked) {
            let mut bytes = whole.clone();
            bytes[torn..torn + 8].fill(0xee);
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(mend(&dir, false).unwrap(), Tail::Cut((last.len() + 64) as u64), "torn at {torn}");
            assert_eq!(std::fs::read(&path).unwrap(), first);
        }

        let mut bytes = whole.clone();
        bytes[20] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(mend(&dir, false).unwrap(), Tail::Damaged(0));
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing was changed");
        assert_eq!(mend(&dir, true).unwrap(), Tail::Cut(whole.len() as u64));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
