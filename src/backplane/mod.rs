//! The log and, later, the way between nodes: what everything is appended to, read from and heard from.
//!
//! Speaks only the values of [`crate::log`]; knows neither cores nor sockets. What it has to tell a core it gives to
//! a function of the shell's, which never blocks.

mod embedded;
pub mod index;
pub mod kafka;
mod kafka_log;
mod log;
mod store;
mod thread;
mod tidings;

pub use embedded::{Clock, Embedded, Health, HealthReading, Options, Recovered, Trouble};
pub use kafka_log::{
    KafkaHealth, KafkaLog, KafkaLogError, KafkaLogOptions, KafkaReading, Reread, StateTrouble,
};
pub use log::Log;
pub use store::directory::Kind as DirectoryKind;
pub use store::open_error::OpenError;
pub use thread::OnThread;
