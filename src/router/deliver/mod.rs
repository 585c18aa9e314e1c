//! *Deliver* and *return*: the mailboxes of the clients whose core this is, and how each attached session is moved
//! along its own.

mod attach;
mod begin;
mod dismiss;
mod home;
mod mailbox;
mod pull;
mod reads;
mod recent;
mod replay;
mod tenure;

pub use home::Home;
