//! The log: on standard error, for people or as JSON. Bodies and tokens are never in it, at any level, and no kind of
//! line can fill it.

mod lines;
mod quota;

use lines::{LeftOut, Lines, Pen};

use crate::config::{LogFormat, LogLevel, LogOutput};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// A log that is being written.
pub struct Logging {
    reload: Box<dyn Fn(EnvFilter)>,
    left_out: LeftOut,
}

/// From now on `tracing` events of this process are written. What libraries say is shown from warnings on.
pub fn start(output: LogOutput) -> Logging {
    let left_out = LeftOut::default();
    let (limited, unwritten) = (left_out.clone(), left_out.clone());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(output.level))
        .with_writer(move || Pen::new(std::io::stderr(), unwritten.clone()))
        // Of a line that cannot be written it would be said where nothing can be written, and that is a panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    // An error of `try_init` means that there is a log already, which is then the one to keep; one of `reload`, that the
    // log has ended.
    match output.format {
        LogFormat::Human => {
            let log = log.with_target(false).map_event_format(|format| Lines::new(format, limited));
            let log = log.with_filter_reloading();
            let handle = log.reload_handle();
            let _ = log.try_init();
            Logging { reload: Box::new(move |filter| drop(handle.reload(filter))), left_out }
        }
        LogFormat::Json => {
            let log = log.json().flatten_event(true).map_event_format(|format| Lines::new(format, limited));
            let log = log.with_filter_reloading();
            let handle = log.reload_handle();
            let _ = log.try_init();
            Logging { reload: Box::new(move |filter| drop(handle.reload(filter))), left_out }
        }
    }
}

impl Logging {
    /// From now on it shows what is of this level or worse.
    pub fn show_from(&self, level: LogLevel) {
        (self.reload)(filter(level));
    }

    /// How many lines were left out, for who asks later.
    pub fn left_out(&self) -> LeftOut {
        self.left_out.clone()
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    let level = level.as_str();
    let others = if level == "error" { "error" } else { "warn" };
    EnvFilter::new(format!("{others},corepost={level}"))
}
