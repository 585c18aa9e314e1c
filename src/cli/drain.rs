//! `corepost drain`: asks a node to go, and watches until it has gone.

use super::remote::{Url, get, is_deserted, post};
use super::{Exit, say};
use crate::admin::Progress;
use crate::config::show_duration;
use clap::Args;
use std::time::{Duration, Instant};

pub(super) const EXAMPLES: &str = "\
The node is not ready from then on (`/readyz`), so that balancers send it nobody new. In a cluster its partitions go to other
nodes at once. Each session is told its own moment within the node's --drain-window, and moves without losing a message. The
node ends when no session is left and all its partitions are live at their new homes. Asked again it changes nothing.
SIGTERM does the same; this command waits for the end, says how far it is, and needs no right to send signals. Whoever reaches
the --admin address can drain the node: keep it to this host or to those who operate it.

Examples:
  corepost drain
  corepost drain --admin 127.0.0.1:9091                      the second node of this host
  corepost drain && systemctl restart corepost               a rolling restart, node by node
Exit codes: 0 the node has gone; 1 it cannot be reached, or is not done in time; 2 a mistake in the arguments.";

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Time between two lines.
const TELL: Duration = Duration::from_secs(1);
/// Beyond what a drain takes at most: what it says last, and what is written last.
const PATIENCE: Duration = Duration::from_secs(6);

/// Arguments of `drain`.
#[derive(Args)]
pub(super) struct DrainArgs {
    /// The node's --admin address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    admin: Url,
}

impl DrainArgs {
    pub(super) fn run(self) -> Exit {
        match self.drain() {
            Ok(exit) => exit,
            Err(why) => {
                eprintln!("corepost drain: {why}");
                Exit::Failed
            }
        }
    }

    fn drain(&self) -> Result<Exit, String> {
        let url = &self.admin;
        let asked = post(url, "/drain").map_err(|why| format!("{why} --admin names its --admin address"))?;
        let begun = Instant::now();
        let (mut progress, started_ms) = match asked {
            (202, body) => read(&body).map(|progress| (progress.clone(), progress.started_ms))?,
            (status, _) => {
                return Err(format!("{} answers {status}; is this a node's --admin address?", url.authority));
            }
        };
        let most = Duration::from_millis(progress.within_ms) + PATIENCE;
        let mut told: Option<Instant> = None;
        while begun.elapsed() < most {
            if told.is_none_or(|at| at.elapsed() >= TELL) {
                told = Some(Instant::now());
                if say(&tell(&progress)) != Exit::Done {
                    return Ok(Exit::Failed);
                }
            }
            std::thread::sleep(LOOK);
            match get(url, "/drain", None) {
                Ok((200, body)) => progress = read(&body)?,
                // It may be ending, or too busy to answer: only its port tells.
                _ if is_deserted(&url.authority) => return Ok(gone(begun, "")),
                _ => {}
            }
            if progress.started_ms != started_ms {
                return Ok(gone(begun, "; another one has started in its place"));
            }
        }
        Err(format!(
            "{} has not gone after {} ({}); its log says what it waits for. A second SIGTERM makes it go at once: it cuts \
             the sessions that are left, and loses nothing that was acknowledged",
            url.authority,
            show_duration(begun.elapsed().as_millis() as u64 / 1_000 * 1_000),
            tell(&progress).trim_end(),
        ))
    }
}

fn read(body: &[u8]) -> Result<Progress, String> {
    serde_json::from_slice(body).map_err(|error| format!("the node's answer is not understood: {error}"))
}

fn tell(progress: &Progress) -> String {
    let Progress { sessions, partitions, .. } = progress;
    let handed = match partitions {
        0 => String::new(),
        all => format!(", {all} partitions not live at their new homes"),
    };
    format!("draining: {sessions} sessions left{handed}\n")
}

fn gone(begun: Instant, also: &str) -> Exit {
    say(&format!("gone after {} ms{also}\n", begun.elapsed().as_millis()))
}
