//! What an upgrade request asks for: who, with which credential, from where on.
//!
//! Syntax only. Whether the credential is good, the origin allowed and the cursor this client's is judged by those
//! who know (`access`, and the home of the client).

use super::{Head, Status};
use crate::limits::{FROM_LAST, TOKEN_BYTES};
use crate::model::{ClientId, StartFrom};
use crate::wire::websocket::{HandshakeError, Upgrade, check_upgrade};
use std::borrow::Cow;

/// Which of our doors a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `/v1/ws`
    Sessions,
    /// `/v1/echo`
    Echo,
    /// Another one: the HTTP API's, or nobody's.
    Other,
}

/// An upgrade to `/v1/ws`, or to `/v1/echo`, which needs nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect<'h> {
    /// `client=`: the ID in development mode, ignored where a token says it.
    pub client: Option<ClientId>,
    /// The credential, unchecked.
    pub token: Option<Token<'h>>,
    /// `cursor=`, whatever its bytes: it is judged by `welcome`, never by a status.
    pub cursor: Option<String>,
    /// `from=`
    pub from: StartFrom,
    /// `Origin`, as browsers send it.
    pub origin: Option<&'h str>,
    /// A header says that a proxy passed it on: not in development mode.
    pub proxied: bool,
    /// How to answer.
    pub upgrade: Upgrade<'h>,
}

/// A token and how it was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token<'h> {
    /// `Authorization: Bearer`
    Header(&'h str),
    /// `?token=`
    Query(String),
    /// Subprotocol `bearer.…`
    Subprotocol(&'h str),
}

/// A refused upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status.
    pub status: Status,
    /// What is wrong and what to do.
    pub message: Cow<'static, str>,
}

impl Token<'_> {
    /// The JWT.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Header(text) | Self::Subprotocol(text) => text,
            Self::Query(text) => text,
        }
    }
}

impl Door {
    /// By a request's path.
    pub fn of(path: &str) -> Self {
        match path {
            "/v1/ws" => Self::Sessions,
            "/v1/echo" => Self::Echo,
            _ => Self::Other,
        }
    }
}

impl Refused {
    fn bad(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::BadRequest, message: message.into() }
    }
}

impl From<HandshakeError> for Refused {
    fn from(error: HandshakeError) -> Self {
        let status = match error.status() {
            405 => Status::MethodNotAllowed,
            426 => Status::UpgradeRequired,
            _ => Status::BadRequest,
        };
        Self { status, message: error.to_string().into() }
    }
}

impl<'h> Connect<'h> {
    /// Reads a request to one of the doors that are WebSockets.
    pub fn read(head: &'h Head) -> Result<Self, Refused> {
        let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let upgrade = check_upgrade(head.method.as_str(), headers)?;
        if head.version != http::Version::HTTP_11 {
            return Err(Refused::bad("a WebSocket needs HTTP/1.1"));
        }
        let body = head.headers.get("content-length").is_some_and(|length| length != "0");
        if body || head.headers.contains_key("transfer-encoding") {
            return Err(Refused::bad("an upgrade has no body; leave out Content-Length"));
        }
        let mut connect = Self {
            client: None,
            token: bearer(head)?.map(Token::Header),
            cursor: None,
            from: StartFrom::New,
            origin: text_of(head, "origin")?,
            proxied: ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
                .iter()
                .any(|&name| head.headers.contains_key(name)),
            upgrade,
        };
        if let Some(token) = connect.upgrade.bearer {
            connect.present(Token::Subprotocol(token))?;
        }
        connect.query(head.uri.query().unwrap_or_default())?;
        Ok(connect)
    }

    /// Reads `client=…&token=…&cursor=…&from=…`. Fields we do not know are ignored.
    fn query(&mut self, query: &str) -> Result<(), Refused> {
        let mut seen = [false; 4];
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(field) = ["client", "token", "cursor", "from"].iter().position(|&known| known == name)
            else {
                continue;
            };
            if std::mem::replace(&mut seen[field], true) {
                return Err(Refused::bad(format!("{name} is there twice in the query")));
            }
            match name {
                "cursor" => self.cursor = Some(decode(value).unwrap_or_default()),
                "from" => self.from = decode(value).as_deref().and_then(start_from).ok_or_else(bad_from)?,
                "token" => {
                    let token =
                        decode(value).ok_or_else(|| Refused::bad("token is not percent-encoded UTF-8"))?;
                    self.present(Token::Query(token))?;
                }
                _ => {
                    let id =
                        decode(value).ok_or_else(|| Refused::bad("client is not percent-encoded UTF-8"))?;
                    let client = ClientId::new(&id).map_err(|why| Refused::bad(format!("client {why}")))?;
                    self.client = Some(client);
                }
            }
        }
        Ok(())
    }

    fn present(&mut self, token: Token<'h>) -> Result<(), Refused> {
        if token.as_str().len() > TOKEN_BYTES {
            let message = "the token is too long".into();
            return Err(Refused { status: Status::Unauthorized, message });
        }
        match self.token.replace(token) {
            None => Ok(()),
            Some(_) => Err(Refused::bad("more than one token was presented; choose one way")),
        }
    }
}

pub(super) fn bad_from() -> Refused {
    Refused::bad(format!(
        "from is start, new, milliseconds since 1970, or -n for the last n (at most {FROM_LAST})"
    ))
}

/// `start`, `new`, `<ms>`, `-<n>`.
pub(super) fn start_from(text: &str) -> Option<StartFrom> {
    let number = |digits: &str| -> Option<u64> {
        let plain = !digits.is_empty() && digits.len() <= 19 && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    match text {
        "start" => Some(StartFrom::Start),
        "new" => Some(StartFrom::New),
        _ => match text.strip_prefix('-') {
            Some(last) => number(last)
                .filter(|n| (1..=FROM_LAST).contains(n))
                .and_then(|n| u32::try_from(n).ok())
                .map(StartFrom::Last),
            None => number(text).map(StartFrom::Since),
        },
    }
}

/// `Authorization: Bearer …`; another scheme is a mistake, for it would be ignored in silence.
pub(super) fn bearer(head: &Head) -> Result<Option<&str>, Refused> {
    let Some(value) = text_of(head, "authorization")? else { return Ok(None) };
    let unauthorized =
        || Refused { status: Status::Unauthorized, message: "use Authorization: Bearer <token>".into() };
    let (scheme, token) = value.split_once(' ').ok_or_else(unauthorized)?;
    let token = token.trim_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > TOKEN_BYTES {
        return Err(unauthorized());
    }
    Ok(Some(token))
}

/// The one value of a header.
pub(super) fn text_of<'h>(head: &'h Head, name: &'static str) -> Result<Option<&'h str>, Refused> {
    let mut values = head.headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| Refused::bad(format!("the header {name} is not ASCII")))?;
    match values.next() {
        None => Ok(Some(text)),
        Some(_) => Err(Refused::bad(format!("the header {name} is there twice"))),
    }
}

/// Percent-decoding as forms are encoded: `+` is a space. `None`: a broken escape, or not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || (rest.next()? as char).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
