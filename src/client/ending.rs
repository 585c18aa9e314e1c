//! How a connection ends, and what that means for the next one (DESIGN.md §9).
//!
//! One table for close codes and one for HTTP statuses, so that no other place decides whether trying again helps.

use crate::model::CloseCode;
use std::fmt;

/// How a connection, or the attempt at one, came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A close frame with this code; `None` for one without a code.
    Closed(Option<u16>),
    /// The stream ended or failed without a close frame, or could not be opened.
    Broken,
    /// The upgrade was answered with an HTTP status instead of 101.
    Refused {
        /// The status.
        status: u16,
        /// `Retry-After`, if there was one.
        retry_after_ms: Option<u64>,
    },
}

/// Why the machine asks for a connection to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// Nothing came, not even an answer to a ping.
    DeadPeer,
    /// Neither upgrade nor `welcome` in time.
    TooSlow,
    /// A message's `prev` is beyond what was held: something is missing.
    Hole,
    /// The server broke the protocol.
    Nonsense,
    /// The server is draining and this session's moment has come.
    Drained,
    /// The application wants no more.
    Stopped,
}

/// Why there will be no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Closed with a final code.
    Closed(u16),
    /// Refused with a final status.
    Refused(u16),
    /// Every token was refused.
    Unauthorized,
    /// The application said so.
    Stopped,
}

/// What to do after an ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Back off, then reconnect with the cursor; not before `at_least_ms`.
    Reconnect { at_least_ms: u64 },
    /// Ask for another token, then reconnect.
    NeedToken,
    /// There is no use in trying again.
    GiveUp(GaveUp),
}

impl Ending {
    /// The table.
    pub(super) fn next(self) -> Next {
        const OVERLOADED_MS: u64 = 1_000;
        match self {
            Self::Closed(Some(code)) if code == CloseCode::Expired as u16 => Next::NeedToken,
            Self::Closed(Some(code)) if code == CloseCode::TryLater as u16 => {
                Next::Reconnect { at_least_ms: OVERLOADED_MS }
            }
            // 44xx is the range of endings that no reconnect mends, also those of a later version.
            Self::Closed(Some(code @ 4400..=4499)) => Next::GiveUp(GaveUp::Closed(code)),
            Self::Closed(_) | Self::Broken => Next::Reconnect { at_least_ms: 0 },
            Self::Refused { status: 401, .. } => Next::NeedToken,
            Self::Refused { status: 408 | 429 | 500..=599, retry_after_ms } => {
                Next::Reconnect { at_least_ms: retry_after_ms.unwrap_or(0) }
            }
            Self::Refused { status, .. } => Next::GiveUp(GaveUp::Refused(status)),
        }
    }
}

impl Parting {
    /// The code for the close frame, for what it is worth to the server.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::Nonsense | Self::Hole => CloseCode::Protocol,
            Self::DeadPeer | Self::TooSlow | Self::Drained | Self::Stopped => CloseCode::Normal,
        }
    }
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeadPeer => "the server shows no sign of life",
            Self::TooSlow => "the server did not answer in time",
            Self::Hole => "a message is missing before the one that came",
            Self::Nonsense => "the server does not follow the protocol",
            Self::Drained => "the server is leaving and asked to reconnect now",
            Self::Stopped => "stopped",
        })
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(4401) => f.write_str("the server refused the token; get a new one"),
            Self::Closed(4403) => {
                f.write_str("an operator disconnected this client, or it is forbidden here")
            }
            Self::Closed(4409) => f.write_str("this client has too many sessions; close one of its others"),
            Self::Closed(code) => write!(f, "the server closed the connection for good (code {code})"),
            Self::Refused(400) => {
                f.write_str("the server refused the request; check the URL, the ID and `from`")
            }
            Self::Refused(403) => f.write_str("the server does not permit this client or origin"),
            Self::Refused(404) => f.write_str("there is no Corepost at this URL: the path is /v1/ws"),
            Self::Refused(status) => write!(f, "the server refused the connection with HTTP status {status}"),
            Self::Unauthorized => f.write_str("the server accepted no token; make one with `corepost token`"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_has_its_consequence() {
        let again = |at_least_ms| Next::Reconnect { at_least_ms };
        let refused = |status, retry_after_ms| Ending::Refused { status, retry_after_ms };
        let table = [
            (Ending::Broken, again(0)),
            (Ending::Closed(None), again(0)),
            (Ending::Closed(Some(1000)), again(0)),
            (Ending::Closed(Some(1012)), again(0)),
            (Ending::Closed(Some(1013)), again(1_000)),
            (Ending::Closed(Some(4001)), Next::NeedToken),
            (Ending::Closed(Some(4401)), Next::GiveUp(GaveUp::Closed(4401))),
            (Ending::Closed(Some(4403)), Next::GiveUp(GaveUp::Closed(4403))),
            (Ending::Closed(Some(4409)), Next::GiveUp(GaveUp::Closed(4409))),
            (refused(401, None), Next::NeedToken),
            (refused(429, Some(700)), again(700)),
            (refused(503, None), again(0)),
            (refused(400, None), Next::GiveUp(GaveUp::Refused(400))),
            (refused(404, Some(9)), Next::GiveUp(GaveUp::Refused(404))),
        ];
        for (ending, next) in table {
            assert_eq!(ending.next(), next, "{ending:?}");
        }
    }
}
