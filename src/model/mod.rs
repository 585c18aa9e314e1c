//! The nouns: what is addressed, what is sent, where it stands, and the values in which the parts speak.
//!
//! Nothing here does anything. Every type is plain data that is valid by construction: a text from outside
//! becomes an [`IdRef`] or a [`Cursor`] once, where it enters, and is never checked again.

mod by_client;
mod command;
mod cursor;
mod durability;
mod envelope;
mod heard;
mod id;
mod link;
mod now;
mod parcel;
mod partition;
mod push;
mod question;
mod session;

pub use by_client::{ByClient, Seeded};
pub use command::{Command, Mistake, Recipients, SendCommand};
pub use cursor::{BadCursor, Cursor, CursorText, Position};
pub use durability::Durability;
pub use envelope::{Envelope, EnvelopeParts, Kind, Texts};
pub use heard::{Heard, HeardError, HeardFailed, HeardMessage, HeardWelcome};
pub use id::{BadId, ClientId, IdRef};
pub use link::{Dispatch, Generation, Head, HelloFrom, HelloSession, Peer, Reach, Route, Stamp, Via};
pub use now::Now;
pub use parcel::{
    Ask, Attached, Credit, Delivered, Dismissal, Parcel, Start, StartFrom, ToHome, ToSession, Unresumed,
};
pub use partition::{Partition, Place, Topology, murmur2};
pub use push::{CloseCode, ErrorCode, ErrorPush, Failed, Push, Welcome};
pub use question::{Asker, Findings, Pulled, PulledEnvelope, Question, SessionInfo};
pub use session::{SessionId, SessionRef};
