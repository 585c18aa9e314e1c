//! What a close frame says.

use crate::model::CloseCode;

/// The checked payload of a peer's close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseBytes<'a> {
    /// Why, if the peer said.
    pub code: Option<u16>,
    /// For people, UTF-8.
    pub reason: &'a [u8],
}

impl<'a> CloseBytes<'a> {
    /// Empty, or a code that may travel and a UTF-8 reason.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, CloseCode> {
        match payload {
            [] => Ok(Self { code: None, reason: &[] }),
            [_] => Err(CloseCode::Protocol),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !peer_close_code(code) {
                    return Err(CloseCode::Protocol);
                }
                simdutf8::basic::from_utf8(reason).map_err(|_| CloseCode::BadUtf8)?;
                Ok(Self { code: Some(code), reason })
            }
        }
    }
}

/// Whether this code may stand in a close frame: assigned ones, those of frameworks and of applications.
/// 1005, 1006 and 1015 only name what was *not* said.
pub fn peer_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
