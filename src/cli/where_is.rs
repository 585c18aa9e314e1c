//! `corepost where`: at which node a client is at home, and where each of its sessions is.

use super::remote::{Url, get, parse_id, percent_encode};
use super::{Exit, say};
use crate::config::show_duration;
use crate::host::unix_ms;
use crate::model::ClientId;
use clap::Args;
use serde::Deserialize;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Any node of a cluster answers for any client. `behind` is how many messages a session has not been given yet.

Examples:
  corepost where bob
  corepost where bob --url http://10.0.0.5:8080 --api-keys api.keys
  corepost where bob --json | jq .home
Exit codes: 0 answered, also if nobody is there; 1 nobody answers, or not now; 2 a mistake in the arguments, or the key.";

/// Arguments of `where`.
#[derive(Args)]
pub(super) struct Where {
    /// Whom to look for: a client ID
    #[arg(value_name = "ID", value_parser = parse_id)]
    client: ClientId,
    /// Any node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// The file of keys of the HTTP API, of which the first is shown to the node
    #[arg(long, value_name = "FILE")]
    api_keys: Option<PathBuf>,
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Told {
    client: String,
    home: u16,
    sessions: Vec<Session>,
}

#[derive(Deserialize)]
struct Session {
    session: String,
    node: u16,
    core: u16,
    state: String,
    cursor_lag: u64,
    since: u64,
}

impl Where {
    pub(super) fn run(self) -> Exit {
        let fail = |exit, why: String| {
            eprintln!("corepost where: {why}");
            exit
        };
        let key = match self.api_keys.as_ref().map(first_key).transpose() {
            Ok(key) => key,
            Err(why) => return fail(Exit::Usage, why),
        };
        let path = format!("/v1/clients/{}", percent_encode(self.client.as_str()));
        let body = match get(&self.url, &path, key.as_deref()) {
            Ok((200, body)) => body,
            Ok((401 | 403, _)) => {
                return fail(Exit::Usage, "the node wants a key of its HTTP API: --api-keys FILE".into());
            }
            Ok((status, body)) => {
                let body = String::from_utf8_lossy(&body).into_owned();
                return fail(Exit::Failed, format!("the node answers {status}: {}", body.trim()));
            }
            Err(why) => return fail(Exit::Failed, why),
        };
        let told: Told = match serde_json::from_slice(&body) {
            Ok(told) => told,
            Err(error) => return fail(Exit::Failed, format!("the node's answer is not understood: {error}")),
        };
        if self.json {
            return say(&format!("{}\n", String::from_utf8_lossy(&body).trim_end()));
        }
        say(&table(&told, unix_ms()))
    }
}

/// The first line that is a key.
fn first_key(file: &PathBuf) -> Result<String, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read the keys in {}: {error}", file.display()))?;
    let mut lines = text.lines().map(str::trim);
    let key = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    key.map(str::to_owned).ok_or_else(|| format!("there is no key in {}", file.display()))
}

fn table(told: &Told, now_ms: u64) -> String {
    let Told { client, home, sessions } = told;
    let counted = match sessions.len() {
        0 => "nobody is connected".to_owned(),
        1 => "one session".to_owned(),
        all => format!("{all} sessions"),
    };
    let mut text = format!("{client}: at home on node {home}; {counted}\n");
    if sessions.is_empty() {
        return text;
    }
    let width = sessions.iter().map(|session| session.session.len()).max().unwrap_or(0).max("session".len());
    text += &format!("\n  {:width$}  node  core  state     behind  for\n", "session");
    for Session { session, node, core, state, cursor_lag, since } in sessions {
        // Whole seconds: what is shorter is just now.
        let age = show_duration(now_ms.saturating_sub(*since) / 1000 * 1000);
        text += &format!("  {session:width$}  {node:<4}  {core:<4}  {state:<8}  {cursor_lag:<6}  {age}\n");
    }
    text
}
