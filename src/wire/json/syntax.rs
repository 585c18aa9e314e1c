//! The bare grammar of JSON (RFC 8259), for texts whose meaning the parser refuses or that are too large for it.
//!
//! It steps over values without understanding them: numbers of any size and lone surrogates are right here, unless
//! it is asked to be strict, which means what the parser means. The text must be UTF-8 already.

/// Nesting that is followed. Deeper texts are taken for no JSON.
pub(super) const NESTING: usize = 1_024;

/// A place in a JSON text.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    strict: bool,
}

/// The text breaks the grammar, or is nested deeper than [`NESTING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotJson;

/// A value that is being stepped over, between two parts of it.
#[derive(Debug)]
pub(super) struct Partial {
    start: usize,
    open: Open,
}

/// Which of the open containers are objects, one bit each.
#[derive(Debug)]
struct Open {
    bits: [u64; NESTING / 64],
    len: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, strict: false }
    }

    /// Refuses also numbers that no double holds, and halves of surrogate pairs.
    pub fn strict(text: &'a [u8]) -> Self {
        Self { text, at: 0, strict: true }
    }

    /// Goes on at a place that [`Scanner::place`] gave.
    pub fn at(text: &'a [u8], at: usize) -> Self {
        Self { at, ..Self::new(text) }
    }

    /// How far it has come.
    pub fn place(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Steps over this byte, if it is the next one.
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Steps over a string and gives its bytes with the quotes.
    pub fn string(&mut self) -> Result<&'a [u8], NotJson> {
        if self.peek() != Some(b'"') {
            return Err(NotJson);
        }
        let start = self.at;
        self.at += 1;
        loop {
            match self.byte()? {
                b'"' => return Ok(&self.text[start..self.at]),
                b'\\' => self.escape()?,
                0..0x20 => return Err(NotJson),
                _ => {}
            }
        }
    }

    /// Steps over any value and gives its bytes.
    pub fn value(&mut self) -> Result<&'a [u8], NotJson> {
        self.value_within(NESTING)
    }

    /// The same for a value of no more than this nesting.
    pub fn value_within(&mut self, nesting: usize) -> Result<&'a [u8], NotJson> {
        let mut partial = self.begin();
        let whole = self.go_on(&mut partial, nesting, usize::MAX)?;
        Ok(whole.expect("no text reaches the end of memory"))
    }

    /// Begins to step over any value.
    pub fn begin(&mut self) -> Partial {
        self.peek();
        Partial { start: self.at, open: Open { bits: [0; NESTING / 64], len: 0 } }
    }

    /// Steps over more of it, as far as `upto` or a bit beyond: at most a string or number. Its bytes, if that was all.
    pub fn go_on(
        &mut self,
        partial: &mut Partial,
        nesting: usize,
        upto: usize,
    ) -> Result<Option<&'a [u8]>, NotJson> {
        let Partial { start, open } = partial;
        // Each round uses up at least a byte, or ends.
        while self.at < upto {
            match self.peek().ok_or(NotJson)? {
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    open.push(bracket == b'{', nesting.min(NESTING))?;
                    let empty = if bracket == b'{' { b'}' } else { b']' };
                    if self.peek() != Some(empty) {
                        self.key_if(bracket == b'{')?;
                        continue;
                    }
                }
                b'"' => drop(self.string()?),
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // A value is complete: close what ends with it, then go on to the next one.
            loop {
                let Some(in_object) = open.top() else { return Ok(Some(&self.text[*start..self.at])) };
                if self.eat(b',') {
                    self.key_if(in_object)?;
                    break;
                }
                if !self.eat(if in_object { b'}' } else { b']' }) {
                    return Err(NotJson);
                }
                open.len -= 1;
            }
        }
        Ok(None)
    }

    /// Steps over a member's key and colon, in an object.
    fn key_if(&mut self, in_object: bool) -> Result<(), NotJson> {
        if in_object {
            self.string()?;
            if !self.eat(b':') {
                return Err(NotJson);
            }
        }
        Ok(())
    }

    /// Whether nothing but white space follows.
    pub fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn byte(&mut self) -> Result<u8, NotJson> {
        let byte = *self.text.get(self.at).ok_or(NotJson)?;
        self.at += 1;
        Ok(byte)
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                0xd800..0xdc00 if self.strict => {
                    let pair = self.skip(b'\\') && self.skip(b'u');
                    if pair && matches!(self.hex()?, 0xdc00..0xe000) { Ok(()) } else { Err(NotJson) }
                }
                0xdc00..0xe000 if self.strict => Err(NotJson),
                _ => Ok(()),
            },
            _ => Err(NotJson),
        }
    }

    /// Four hexadecimal digits.
    fn hex(&mut self) -> Result<u32, NotJson> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(NotJson)?;
        self.at += 4;
        digits
            .iter()
            .try_fold(0, |number, &digit| Ok(number << 4 | char::from(digit).to_digit(16).ok_or(NotJson)?))
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        if !self.text[self.at..].starts_with(word) {
            return Err(NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        let exponent = self.skip(b'e') || self.skip(b'E');
        if exponent {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        // Without an exponent it takes hundreds of digits to leave the range.
        if self.strict && (exponent || self.at - start > 300) {
            let text = std::str::from_utf8(&self.text[start..self.at]).map_err(|_| NotJson)?;
            let number: f64 = text.parse().map_err(|_| NotJson)?;
            return if number.is_finite() { Ok(()) } else { Err(NotJson) };
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let rest = &self.text[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { Err(NotJson) }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }
}

impl Open {
    fn push(&mut self, object: bool, most: usize) -> Result<(), NotJson> {
        if self.len == most {
            return Err(NotJson);
        }
        let (word, bit) = (self.len / 64, 1 << (self.len % 64));
        self.bits[word] = if object { self.bits[word] | bit } else { self.bits[word] & !bit };
        self.len += 1;
        Ok(())
    }

    /// Whether the innermost open container is an object.
    fn top(&self) -> Option<bool> {
        let at = self.len.checked_sub(1)?;
        Some(self.bits[at / 64] >> (at % 64) & 1 == 1)
    }
}
