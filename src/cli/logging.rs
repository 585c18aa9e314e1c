//! The log: on standard error, for people or as JSON. Bodies and tokens are never in it, at any level.

use crate::config::{LogFormat, LogOutput};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// From now on `tracing` events of this process are written. What libraries say is shown from warnings on.
pub fn start(output: LogOutput) {
    let level = output.level.as_str();
    let others = if level == "error" { "error" } else { "warn" };
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{others},corepost={level}")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // An error means that there is a log already, which is then the one to keep.
    let _ = match output.format {
        LogFormat::Human => log.with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
