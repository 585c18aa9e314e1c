//! The JSON of the protocol: commands in, pushes out, and the bodies of the HTTP API.
//!
//! A body is checked to be one JSON value and then passed on byte for byte: what is read is a copy, since the
//! parser writes over what it reads, and what is passed on is a slice of the original.

mod command;
mod digits;
mod document;
mod escape;
mod heard;
mod publish;
mod push;
mod recipients;
mod salvage;
mod syntax;

pub use command::{Parser, Rejected};
pub use heard::{Hearing, NotHeard};
pub use publish::{Apart, BadPublish, Elements, Publication, PublishResults, PullAnswer, write_http_error};
pub use push::{Face, Limits, encode, message_object, size_hint};

use crate::limits::JSON_DEPTH;

/// Whether `bytes` are one JSON value that clients may be given: what the parser would take as a body.
pub fn is_value(bytes: &[u8]) -> bool {
    // One level is that of the frame around it.
    let mut scanner = syntax::Scanner::strict(bytes);
    simdutf8::basic::from_utf8(bytes).is_ok()
        && scanner.value_within(JSON_DEPTH - 1).is_ok()
        && scanner.at_end()
}
