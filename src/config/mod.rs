//! From what was written to what is meant: [`Given`] → [`Raw`] → [`Config`], all mistakes at once.

mod keyfiles;
mod raw;
mod reader;
mod resolve;
mod resolved;
mod settings;
mod source;
mod values;

pub use keyfiles::{KeyFileMistake, KeyFiles};
pub use raw::{Given, Raw, Written};
pub use resolve::{Effective, resolve};
pub use resolved::{Config, Driver, LogFormat, LogLevel, LogOutput};
pub use settings::{SETTINGS, Setting};
pub use source::{Mistake, Mistakes, Source};
pub use values::{duration, show_duration, show_size, size};
