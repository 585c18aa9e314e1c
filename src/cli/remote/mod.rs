//! The way of our own client commands to a server: threads that block, and one loop that decides.
//!
//! A thread per connection connects and reads, others wait for signals and for standard input; all of them post
//! [`Event`]s into one bounded channel. The loop feeds the client's machine and does what it says, so that nothing
//! ever polls and nothing is shared.

mod ask;
mod dial;
mod frames;
mod peer;
mod reach;
mod signals;
mod stream;
mod trust;
mod url;

pub use ask::{get, post};
pub use dial::Event;
pub use peer::{Peer, Setup, Stopped, What};
pub use reach::is_deserted;
pub use signals::post_signals;
pub use url::{Url, percent_encode};

use crate::model::{BadId, ClientId};

/// Reads an ID from the command line.
pub fn parse_id(text: &str) -> Result<ClientId, String> {
    ClientId::new(text).map_err(|error: BadId| error.to_string())
}

/// A token as given: itself, or `@FILE`, whose content it is.
pub fn read_token(given: &str) -> Result<String, String> {
    let Some(path) = given.strip_prefix('@') else { return Ok(given.to_owned()) };
    let token =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read the token in {path}: {error}"))?;
    Ok(token.trim().to_owned())
}
