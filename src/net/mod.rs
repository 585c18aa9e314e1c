//! Bytes and descriptors: listening, accepting, reading and writing on one core's ring, and handing a descriptor on.
//!
//! Only this module, [`crate::mesh`] and the core's own loop know which runtime there is. Always holds: a socket of a
//! session has no operation in flight but, while it has no room, a wait for that, which may be dropped at any time; bytes
//! are read and written by calls that do not wait; a buffer is lent only while bytes are there.

mod buffers;
mod driver;
mod handoff;
mod line;
mod listener;
#[cfg(test)]
mod rig;
mod round;
mod socket;
mod tls;
mod watch;

pub use buffers::{Pool, Size};
pub use driver::{Driver, Refused, Wish, choose};
pub use handoff::Handoff;
pub use line::{Line, Opened, Sent, Took};
pub use listener::{AcceptError, Bound, ListenError, Listener, bind};
#[cfg(test)]
pub(crate) use rig::both_ends;
pub use round::{Round, step_back};
pub use socket::{Ended, Socket, half_close, silence};
pub use tls::{NOT_NOW, Tls, TlsError, is_tls};
pub use watch::{Ready, Watch};
