//! The JSON of the protocol: what is understood, what is refused and how, and what is written.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod agreement;
mod commands;
mod http;
mod pushes;

use corepost::model::{Command, ErrorCode, Mistake, SendCommand};
use corepost::wire::json::{Parser, Rejected};

/// What a send came to, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    id: Option<String>,
    to: Vec<String>,
    to_json: String,
    copy: bool,
    ephemeral: bool,
    body: String,
}

/// What a frame came to, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Understood {
    Send(Sent),
    Auth(String),
    Ping,
    Mistake(ErrorCode, Option<String>),
    NotUtf8,
}

fn understand(parser: &mut Parser, frame: &[u8]) -> Understood {
    match parser.command(frame) {
        Ok(Command::Send(send)) => Understood::Send(sent(&send)),
        Ok(Command::Auth { token }) => Understood::Auth(token.to_owned()),
        Ok(Command::Ping) => Understood::Ping,
        Err(Rejected::Mistake(Mistake { id, code, message })) => {
            assert!(!message.is_empty());
            Understood::Mistake(code, id.map(|id| id.as_str().to_owned()))
        }
        Err(Rejected::NotUtf8) => Understood::NotUtf8,
    }
}

fn sent(send: &SendCommand<'_>) -> Sent {
    Sent {
        id: send.id.map(|id| id.as_str().to_owned()),
        to: send.to.iter().map(|to| to.as_str().to_owned()).collect(),
        to_json: text(send.to_json),
        copy: send.copy,
        ephemeral: send.ephemeral,
        body: text(send.body),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("what was understood is UTF-8")
}
