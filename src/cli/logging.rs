//! The log: on standard error, for people or as JSON. Bodies and tokens are never in it, at any level.

use crate::config::{LogFormat, LogLevel, LogOutput};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// A log that is being written.
pub struct Logging(Box<dyn Fn(EnvFilter)>);

/// From now on `tracing` events of this process are written. What libraries say is shown from warnings on.
pub fn start(output: LogOutput) -> Logging {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(output.level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // An error of `try_init` means that there is a log already, which is then the one to keep; one of `reload`, that the
    // log has ended.
    match output.format {
        LogFormat::Human => {
            let log = log.with_target(false).with_filter_reloading();
            let handle = log.reload_handle();
            let _ = log.try_init();
            Logging(Box::new(move |filter| drop(handle.reload(filter))))
        }
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_filter_reloading();
            let handle = log.reload_handle();
            let _ = log.try_init();
            Logging(Box::new(move |filter| drop(handle.reload(filter))))
        }
    }
}

impl Logging {
    /// From now on it shows what is of this level or worse.
    pub fn show_from(&self, level: LogLevel) {
        self.0(filter(level));
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    let level = level.as_str();
    let others = if level == "error" { "error" } else { "warn" };
    EnvFilter::new(format!("{others},corepost={level}"))
}
