//! Who waits for a send.

use crate::model::SessionRef;
use crate::router::output::Request;

/// Who is told what a send came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A session of this core.
    Session {
        /// Which.
        session: SessionRef,
        /// Bytes of its budget held for the answer.
        reserved: u32,
    },
    /// An element of a request of the HTTP API.
    Request(Request),
}
