//! From what was written to what is meant: [`Given`] → [`Raw`] → [`Config`], all mistakes at once.

mod kafka;
mod keyfiles;
mod raw;
mod reader;
mod resolve;
mod resolved;
mod settings;
mod source;
mod values;

pub use kafka::{KafkaConfig, resolve_kafka};
pub use keyfiles::{KeyFileMistake, KeyFiles};
pub use raw::{Given, Raw, Written};
pub use resolve::{Effective, resolve};
pub use resolved::{Config, Driver, LogFormat, LogLevel, LogOutput};
pub use settings::{SETTINGS, Setting, of_topics};
pub use source::{Mistake, Mistakes, Source};
pub use values::{duration, show_duration, show_size, size};
