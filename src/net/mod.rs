//! Bytes and descriptors: listening, accepting, reading and writing on one core's ring, and handing a descriptor on.
//!
//! Only this module, [`crate::mesh`] and the core's own loop know which runtime there is. Always holds: a read is
//! never dropped while it may hold bytes, it is cancelled and awaited; a socket has at most one read and one write
//! in flight; a buffer is lent only while bytes are there, and an idle socket is parked on its readiness without one.

mod buffers;
mod driver;
mod handoff;
mod listener;
mod reader;
mod round;
mod socket;
mod writer;

pub use buffers::{Pool, Size};
pub use driver::{Driver, Refused, Wish, choose};
pub use handoff::Handoff;
pub use listener::{AcceptError, Bound, ListenError, Listener, bind};
pub use reader::{Quiet, ReadEnd, Reader};
pub use round::Round;
pub use socket::{Socket, half_close, silence};
pub use writer::{Sending, Writer};
