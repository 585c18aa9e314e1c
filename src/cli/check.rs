//! `corepost check`: what `serve` would run with, or everything that keeps it from running.

use super::{Exit, Flags, say};
use crate::config::{Expiry, resolve};
use crate::host::unix_ms;
use clap::Args;

pub(super) const EXAMPLES: &str = "\
It takes the flags of `serve`, reads the same file and environment and also the files of keys. What it prints is a
file for --config, each value with its source behind it. Mistakes go to standard error, all at once, and end in 2.

Examples:
  corepost check --config corepost.toml
  COREPOST_RETENTION=30d corepost check > corepost.toml";

/// Arguments of `check`.
#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    flags: Flags,
}

impl Check {
    pub(super) fn run(self) -> Exit {
        match resolve(&self.flags.with_environment()) {
            Ok(effective) => {
                effective.notes.iter().for_each(|note| eprintln!("note: {note}"));
                let end_s = effective.config.tls_not_after_s;
                if let Some(expiry) = end_s.and_then(|end_s| Expiry::at(end_s, unix_ms() / 1_000)) {
                    eprintln!("note: {expiry}");
                }
                say(&effective.to_string())
            }
            Err(mistakes) => {
                eprint!("{mistakes}");
                Exit::Usage
            }
        }
    }
}
