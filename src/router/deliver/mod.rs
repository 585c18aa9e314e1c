//! *Deliver* and *return*: the mailboxes of the clients whose core this is, and how each attached session is moved
//! along its own.

mod begin;
mod home;
mod mailbox;
mod reads;
mod recent;

pub use home::{Home, SessionInfo};
