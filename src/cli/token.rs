//! `corepost token`: a JWT for a client, for tests and for small installations without an issuer of their own.

use super::{Exit, say};
use crate::access::{Permits, SigningKey};
use crate::config::duration;
use crate::host::unix_ms;
use crate::limits::{CONFIG_FILE_BYTES, TOKEN_BYTES};
use crate::model::{ClientId, Now};
use clap::Args;
use std::io::Read;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  openssl rand 32 > jwt.key
  corepost token --sub alice --jwt-key jwt.key
  corepost token --sub door-7 --ttl 30d --send ops --send 'team/*' --jwt-key jwt.key";

/// Arguments of `token`.
#[derive(Args)]
pub(super) struct Token {
    /// Whose token: the client ID
    #[arg(long, value_name = "ID")]
    sub: String,
    /// How long it is good
    #[arg(long, value_name = "TIME", default_value = "1h")]
    ttl: String,
    /// To whom its holder may send: an ID, or a prefix ending in `*`; may be repeated [default: everybody]
    #[arg(long, value_name = "PATTERN")]
    send: Vec<String>,
    /// Signs it: the raw secret that `serve` has, or the PEM private key to its public one
    #[arg(long, value_name = "FILE")]
    jwt_key: PathBuf,
}

impl Token {
    pub(super) fn run(self) -> Exit {
        match self.issue() {
            Ok(token) => say(&format!("{token}\n")),
            Err(mistakes) => {
                mistakes.iter().for_each(|mistake| eprintln!("{mistake}"));
                Exit::Usage
            }
        }
    }

    /// The token, or everything that is wrong with the arguments.
    fn issue(&self) -> Result<String, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut wrong = |flag: &str, problem: String| mistakes.push(format!("flag --{flag}: {problem}"));
        let sub = ClientId::new(&self.sub).map_err(|bad| wrong("sub", format!("{:?} {bad}", self.sub))).ok();
        let ttl_ms = duration(&self.ttl).map_err(|bad| wrong("ttl", format!("{:?} {bad}", self.ttl))).ok();
        if ttl_ms.is_some_and(|ms| ms < 1_000) {
            wrong("ttl", format!("{:?} is less than a second; write at least 1s", self.ttl));
        }
        let permits = Permits::new(self.send.iter().map(String::as_str))
            .map_err(|bad| wrong("send", bad.to_string()))
            .ok();
        let key = read_key(&self.jwt_key)
            .map_err(|bad| wrong("jwt-key", format!("{} {bad}", self.jwt_key.display())))
            .ok();
        let (Some(sub), Some(ttl_ms), Some(permits), Some(key), true) =
            (sub, ttl_ms, permits, key, mistakes.is_empty())
        else {
            return Err(mistakes);
        };
        let send = if self.send.is_empty() { None } else { Some(&permits) };
        let token = key.issue(&sub, ttl_ms / 1_000, send, Now { mono_ms: 0, unix_ms: unix_ms() });
        match token {
            Some(token) if token.len() <= TOKEN_BYTES => Ok(token),
            Some(_) => Err(vec![format!(
                "flag --send: makes a token of more than {TOKEN_BYTES} bytes; use prefixes"
            )]),
            None => Err(vec![format!("flag --jwt-key: {} cannot sign", self.jwt_key.display())]),
        }
    }
}

fn read_key(path: &Path) -> Result<SigningKey, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(CONFIG_FILE_BYTES).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    SigningKey::parse_file(&bytes).map_err(|bad| bad.to_string())
}
