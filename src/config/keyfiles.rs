//! The files of keys: where they are, and what is in them now. Read at the start, by `check`, and on SIGHUP.

use super::raw::read_bounded;
use crate::access::{Access, ApiKeys, Keys, Origins};
use std::path::{Path, PathBuf};

/// Where keys are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFiles {
    /// A raw secret or PEM public keys.
    pub jwt_key: Option<PathBuf>,
    /// A JWKS document.
    pub jwks: Option<PathBuf>,
    /// Keys of the HTTP API.
    pub api_keys: Option<PathBuf>,
}

/// A file of keys that cannot be used: of which setting, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFileMistake {
    /// The setting's key.
    pub setting: &'static str,
    /// What is wrong with the file and what to do.
    pub problem: String,
}

impl KeyFiles {
    /// Whether none is configured at all: development mode.
    pub fn is_empty(&self) -> bool {
        self.jwt_key.is_none() && self.jwks.is_none() && self.api_keys.is_none()
    }

    /// Reads all of them anew. Either everything is good, or nothing of it should be used.
    pub fn read(&self, origins: Origins) -> Result<Access, Vec<KeyFileMistake>> {
        let mut mistakes = Vec::new();
        let jwt_key = part("jwt_key", self.jwt_key.as_deref(), Keys::parse_file, &mut mistakes);
        let jwks = part("jwks", self.jwks.as_deref(), Keys::parse_jwks, &mut mistakes);
        let api_keys = part("api_keys", self.api_keys.as_deref(), ApiKeys::parse, &mut mistakes);
        let keys = match (jwt_key, jwks) {
            (Some(file), Some(document)) => match file.and(document) {
                Ok(both) => Some(both),
                Err(bad) => {
                    mistakes
                        .push(KeyFileMistake { setting: "jwks", problem: format!("with --jwt-key {bad}") });
                    None
                }
            },
            (file, document) => file.or(document),
        };
        if mistakes.is_empty() { Ok(Access { keys, api_keys, origins }) } else { Err(mistakes) }
    }

    /// What is no mistake but may surprise.
    pub(super) fn notes(&self) -> Vec<String> {
        let secret = self.jwt_key.as_deref().and_then(|path| read_bounded(path).ok());
        let ends_in_newline =
            secret.is_some_and(|bytes| !bytes.starts_with(b"-----") && bytes.ends_with(b"\n"));
        let newline = "the secret in --jwt-key ends in a newline, which is part of it; who signs tokens elsewhere \
                       must sign with it too";
        if ends_in_newline { vec![newline.to_owned()] } else { Vec::new() }
    }
}

fn part<T, E: std::fmt::Display>(
    setting: &'static str,
    path: Option<&Path>,
    parse: impl Fn(&[u8]) -> Result<T, E>,
    mistakes: &mut Vec<KeyFileMistake>,
) -> Option<T> {
    let path = path?;
    let parsed = read_bounded(path).and_then(|bytes| parse(&bytes).map_err(|error| error.to_string()));
    parsed
        .map_err(|problem| {
            mistakes.push(KeyFileMistake { setting, problem: format!("{} {problem}", path.display()) });
        })
        .ok()
}
