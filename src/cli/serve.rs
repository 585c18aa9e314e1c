//! `corepost serve`: a configuration, a log, a node.

use super::{Exit, Flags, logging};
use crate::config::{Config, resolve};
use clap::Args;
use tracing::{error, warn};

pub(super) const EXAMPLES: &str = "\
Each flag is also a key of the TOML file (`ping_interval = \"25s\"`) and a name in the environment
(COREPOST_PING_INTERVAL=25s). A flag counts before the environment, that before the file, that before the default.
Times are written 500ms, 25s, 10m, 1h, 7d; sizes 4096, 64KiB, 10GiB.

Examples:
  corepost serve                                              development: this machine only, no tokens
  openssl rand 32 > jwt.key
  corepost serve --listen 0.0.0.0:8080 --jwt-key jwt.key      clients present tokens
  corepost serve --config corepost.toml --log-format json     in a container
When it is ready it prints one line: ready listen=IP:PORT admin=IP:PORT";

/// Arguments of `serve`.
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    pub(super) fn run(self) -> Exit {
        let effective = match resolve(&self.flags.with_environment()) {
            Ok(effective) => effective,
            Err(mistakes) => {
                eprint!("{mistakes}");
                return Exit::Usage;
            }
        };
        logging::start(effective.config.log);
        effective.notes.iter().for_each(|note| warn!("{note}"));
        start(effective.config)
    }
}

/// Runs a node until it is told to end.
fn start(config: Config) -> Exit {
    error!(listen = %config.listen, "this build has no node in it yet");
    Exit::Failed
}
