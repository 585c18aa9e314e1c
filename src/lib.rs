//! Corepost: a WebSocket message router in which a session is a cursor over a mailbox.
//!
//! The modules in reading order, each layer naming only those above it (ARCHITECTURE.md has the table):
//! - nouns: [`limits`], [`model`], [`counters`];
//! - pure, values in and values out: [`log`], [`wire`], [`access`], [`client`], [`cluster`], [`links`], [`placement`], [`post`],
//!   [`tail`], [`topics`], [`router`];
//! - effects, blind to each other: `mesh`, `net`, `http`, `backplane`, `host`, `tune`, `admin`;
//! - the shell that joins them: `config`, `node`; and the program: `cli`.
//!
//! A message's way: a socket is accepted and upgraded (`node`, `http`), its frames are read (`net`, [`wire`]) into
//! commands for the core's [`router::Shard`], whose outputs become appends to the log (`backplane`) and, once the
//! log has spoken, frames to every session of the recipient.

pub mod counters;
pub mod limits;
pub mod model;
#[cfg(feature = "sabotage")]
pub mod sabotage;
mod words;

/// Whether the fault of that name was chosen by a test; `false` in every build that is not for tests of the tests.
macro_rules! sabotaged {
    ($which:ident) => {{
        #[cfg(feature = "sabotage")]
        let chosen = crate::sabotage::is(crate::sabotage::Sabotage::$which);
        #[cfg(not(feature = "sabotage"))]
        let chosen = false;
        chosen
    }};
}
pub(crate) use sabotaged;

#[cfg(all(feature = "sabotage", not(debug_assertions)))]
compile_error!(
    "the feature `sabotage` breaks promises on purpose: it is for tests, never for a release build"
);

pub mod access;
pub mod client;
pub mod cluster;
pub mod links;
pub mod log;
pub mod placement;
pub mod post;
pub mod router;
pub mod tail;
pub mod topics;
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
pub mod top;
#[cfg(feature = "serve")]
pub mod tune;

#[cfg(feature = "serve")]
pub mod config;
#[cfg(feature = "serve")]
pub mod node;

#[cfg(feature = "serve")]
pub mod cli;
