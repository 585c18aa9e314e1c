//! Corepost: a WebSocket message router in which a session is a cursor over a mailbox.
//!
//! The modules in reading order, each layer naming only those above it (ARCHITECTURE.md has the table):
//! - nouns: [`limits`], [`model`], [`counters`];
//! - pure, values in and values out: [`log`], [`wire`], [`access`], [`client`], [`router`];
//! - effects, blind to each other: `mesh`, `net`, `http`, `backplane`, `host`, `admin`;
//! - the shell that joins them: `config`, `node`; and the program: `cli`.
//!
//! A message's way: a socket is accepted and upgraded (`node`, `http`), its frames are read (`net`, [`wire`]) into
//! commands for the core's [`router::Shard`], whose outputs become appends to the log (`backplane`) and, once the
//! log has spoken, frames to every session of the recipient.

pub mod counters;
pub mod limits;
pub mod model;
mod words;

pub mod access;
pub mod client;
pub mod log;
pub mod router;
pub mod wire;

#[cfg(feature = "serve")]
pub mod admin;
#[cfg(feature = "serve")]
pub mod backplane;
#[cfg(feature = "serve")]
pub mod host;
#[cfg(feature = "serve")]
pub mod http;
#[cfg(feature = "serve")]
pub mod mesh;
#[cfg(feature = "serve")]
pub mod net;

#[cfg(feature = "serve")]
pub mod config;
#[cfg(feature = "serve")]
pub mod node;

#[cfg(feature = "serve")]
pub mod cli;
