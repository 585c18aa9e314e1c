//! What a request to the HTTP API asks for: a closed list, valid by construction, for the core that serves it.

use super::gate;
use super::route::Route;
use super::upgrade::{bad_from, decode, start_from, text_of};
use super::{Head, Reply};
use crate::access::Access;
use crate::limits::{IGNORED_BODY_BYTES, PUBLISH_BYTES, PULL_DEFAULT, PULL_MOST};
use crate::model::{ClientId, Cursor, Start, StartFrom};
use http::{Method, StatusCode};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiRequest {
    /// Append these messages; the body, to be read by [`super::Reading`]. Served on any core.
    Publish(Vec<u8>),
    /// Which sessions has this client?
    Sessions {
        /// Who.
        client: ClientId,
    },
    /// A page of this client's mailbox, please.
    Pull {
        /// Whose.
        client: ClientId,
        /// From where on.
        start: Start,
        /// Messages at most.
        limit: u32,
    },
    /// Send this client's sessions away.
    Disconnect {
        /// Whose.
        client: ClientId,
        /// And refuse its tokens issued until now.
        revoke: bool,
    },
    /// Serve nothing any more that is in this client's mailbox now.
    Erase {
        /// Whose.
        client: ClientId,
    },
}

impl ApiRequest {
    /// Judges a head: who asks, whether it may, and what for. The body comes later.
    pub(super) fn of(head: &Head, access: &Access) -> Result<Self, Reply> {
        gate::came_well(head, access)?;
        if head.uri.path() == "*" && head.method == Method::OPTIONS {
            return Err(Reply::options("GET, HEAD, POST, DELETE, OPTIONS"));
        }
        let route = Route::of(head.uri.path())?;
        let allow = route.allow();
        if head.method == Method::OPTIONS {
            return Err(Reply::options(allow));
        }
        let query = head.uri.query().unwrap_or_default();
        let read = head.method == Method::GET || head.method == Method::HEAD;
        let delete = head.method == Method::DELETE;
        let open = || gate::shows_key(head, access);
        match route {
            Route::Messages if head.method == Method::POST => {
                open()?;
                fields(query, [])?;
                plain_body(head)?;
                Ok(Self::Publish(Vec::new()))
            }
            Route::Client(client) if read => {
                open()?;
                fields(query, [])?;
                Ok(Self::Sessions { client })
            }
            Route::Pull(client) if read => {
                open()?;
                let (start, limit) = pull(query, &client)?;
                Ok(Self::Pull { client, start, limit })
            }
            Route::Sessions(client) if delete => {
                open()?;
                let revoke = match fields(query, ["revoke"])? {
                    [None] => false,
                    [Some(text)] => {
                        text.parse().map_err(|_| Reply::bad("revoke is true or false; correct it"))?
                    }
                };
                Ok(Self::Disconnect { client, revoke })
            }
            Route::Mailbox(client) if delete => {
                open()?;
                fields(query, [])?;
                Ok(Self::Erase { client })
            }
            _ => {
                let message = format!("this path takes {allow}");
                Err(Reply { allow: Some(allow), ..Reply::refuse(StatusCode::METHOD_NOT_ALLOWED, &message) })
            }
        }
    }

    /// Whom it is about: it is served on that client's core. `None`: on any.
    pub fn client(&self) -> Option<&ClientId> {
        match self {
            Self::Publish(_) => None,
            Self::Sessions { client }
            | Self::Pull { client, .. }
            | Self::Disconnect { client, .. }
            | Self::Erase { client } => Some(client),
        }
    }

    /// Bytes of the body that comes with it, at most.
    pub(super) fn body_most(&self) -> usize {
        match self {
            Self::Publish(_) => PUBLISH_BYTES,
            // Some clients send `{}` with everything.
            _ => IGNORED_BODY_BYTES,
        }
    }

    /// With its body.
    pub(super) fn with_body(self, body: Vec<u8>) -> Self {
        match self {
            Self::Publish(_) => Self::Publish(body),
            other => other,
        }
    }
}

/// `cursor=`, `from=` and `limit=`.
fn pull(query: &str, client: &ClientId) -> Result<(Start, u32), Reply> {
    let [cursor, from, limit] = fields(query, ["cursor", "from", "limit"])?;
    let from = match from {
        None => StartFrom::New,
        Some(text) => start_from(&text).ok_or_else(bad_from)?,
    };
    let limit = match limit {
        None => PULL_DEFAULT as u32,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=PULL_MOST as u32).contains(limit) && !text.starts_with('+'))
            .ok_or_else(|| Reply::bad(&format!("limit is 1 to {PULL_MOST}; ask for more with the cursor")))?,
    };
    // A cursor that is none is answered by the page itself: `resumed:false`.
    let cursor = cursor.map(|text| Cursor::parse(text.as_bytes(), client.as_ref()));
    Ok((Start { cursor, from }, limit))
}

/// The values of these fields of a query. One that is not known is refused, for a misspelt `revoke` that is ignored
/// would do half of what was meant.
fn fields<const N: usize>(query: &str, names: [&str; N]) -> Result<[Option<String>; N], Reply> {
    let mut values = [const { None }; N];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let at = names.iter().position(|&known| known == name);
        let at = at.ok_or_else(|| Reply::bad("a field of the query is not known here; leave it out"))?;
        let text = match (decode(value), name) {
            (Some(text), _) => text,
            // Whatever its bytes, a cursor is judged by the page.
            (None, "cursor") => String::new(),
            (None, _) => return Err(Reply::bad(&format!("{name} is not percent-encoded UTF-8"))),
        };
        if values[at].replace(text).is_some() {
            return Err(Reply::bad(&format!("{name} is there twice in the query")));
        }
    }
    Ok(values)
}

/// A publish is plain JSON, whatever type it claims: `curl -d` claims a form.
fn plain_body(head: &Head) -> Result<(), Reply> {
    match text_of(head, "content-encoding")? {
        Some(coding) if !coding.eq_ignore_ascii_case("identity") => {
            let message = "a Content-Encoding is not understood; send plain JSON";
            Err(Reply::refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
