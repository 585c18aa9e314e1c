//! UTF-8 of a text that comes in pieces, refused at the first byte that cannot be mended by what follows.

/// What is left of a character between two pieces: at most its first three bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Utf8 {
    begun: [u8; 4],
    len: u8,
}

impl Utf8 {
    /// Takes the next piece; false as soon as the text cannot be UTF-8 any more.
    pub fn push(&mut self, mut piece: &[u8]) -> bool {
        while self.len > 0 && !piece.is_empty() {
            self.begun[usize::from(self.len)] = piece[0];
            piece = &piece[1..];
            self.len += 1;
            match std::str::from_utf8(self.pending()) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        if simdutf8::basic::from_utf8(piece).is_ok() {
            return true;
        }
        let Err(error) = simdutf8::compat::from_utf8(piece) else { return true };
        let begun = &piece[error.valid_up_to()..];
        if error.error_len().is_some() || begun.len() > 3 {
            return false;
        }
        self.begun[..begun.len()].copy_from_slice(begun);
        self.len = begun.len() as u8;
        true
    }

    /// Whether the text so far ends with a whole character.
    pub fn is_whole(&self) -> bool {
        self.len == 0
    }

    /// The first bytes of a character whose rest has not come.
    pub fn pending(&self) -> &[u8] {
        &self.begun[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the cuts: the verdict on each prefix is that of the standard library on the whole prefix.
        #[test]
        fn judges_prefixes_as_the_standard_library(
            text in "[a-zé€😀\u{7ff}\u{800}\u{ffff}\u{10ffff}]{0,12}",
            flip in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
            cut in 1..5usize,
        ) {
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = flip && !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let (mut utf8, mut seen) = (Utf8::default(), 0);
            for piece in bytes.chunks(cut) {
                seen += piece.len();
                let (hopeful, whole) = match std::str::from_utf8(&bytes[..seen]) {
                    Ok(_) => (true, true),
                    Err(error) => (error.error_len().is_none(), false),
                };
                prop_assert_eq!(utf8.push(piece), hopeful);
                if !hopeful {
                    return Ok(());
                }
                prop_assert_eq!(utf8.is_whole(), whole);
            }
        }
    }
}
