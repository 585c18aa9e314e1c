//! Which resource a path names, and which methods it takes.

use super::Reply;
use super::upgrade::decode;
use crate::model::ClientId;
use http::StatusCode;

/// A resource of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/v1/messages`
    Messages,
    /// `/v1/clients/{id}`
    Client(ClientId),
    /// `/v1/clients/{id}/messages`
    Pull(ClientId),
    /// `/v1/clients/{id}/sessions`
    Sessions(ClientId),
    /// `/v1/clients/{id}/mailbox`
    Mailbox(ClientId),
}

impl Route {
    /// By a path as it was sent. A slash inside an ID is written `%2F`.
    pub fn of(path: &str) -> Result<Self, Reply> {
        let nowhere = || Reply::refuse(StatusCode::NOT_FOUND, "there is nothing here; see /v1/messages");
        if path == "/v1/messages" {
            return Ok(Self::Messages);
        }
        let rest = path.strip_prefix("/v1/clients/").ok_or_else(nowhere)?;
        let (id, part) = rest.split_once('/').map_or((rest, None), |(id, part)| (id, Some(part)));
        let route = match part {
            None => Self::Client,
            Some("messages") => Self::Pull,
            Some("sessions") => Self::Sessions,
            Some("mailbox") => Self::Mailbox,
            Some(_) => return Err(nowhere()),
        };
        Ok(route(client(id)?))
    }

    /// The methods it takes, as `Allow` says them.
    pub fn allow(&self) -> &'static str {
        match self {
            Self::Messages => "POST, OPTIONS",
            Self::Client(_) | Self::Pull(_) => "GET, HEAD, OPTIONS",
            Self::Sessions(_) | Self::Mailbox(_) => "DELETE, OPTIONS",
        }
    }
}

/// A percent-encoded ID. In a path, unlike in a query, a plus sign is one.
fn client(text: &str) -> Result<ClientId, Reply> {
    let id = decode(&text.replace('+', "%2B"))
        .ok_or_else(|| Reply::bad("the client ID in the path is not percent-encoded UTF-8"))?;
    ClientId::new(&id).map_err(|why| Reply::bad(&format!("the client ID in the path {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_resource_or_nothing() {
        let bob = || ClientId::new("bob").unwrap();
        for (path, route) in [
            ("/v1/messages", Route::Messages),
            ("/v1/clients/bob", Route::Client(bob())),
            ("/v1/clients/b%6fb/messages", Route::Pull(bob())),
            ("/v1/clients/bob/sessions", Route::Sessions(bob())),
            ("/v1/clients/bob/mailbox", Route::Mailbox(bob())),
            ("/v1/clients/a%2Fb", Route::Client(ClientId::new("a/b").unwrap())),
            ("/v1/clients/a+b@x/messages", Route::Pull(ClientId::new("a+b@x").unwrap())),
            ("/v1/clients/Zo%C3%AB%20x", Route::Client(ClientId::new("Zoë x").unwrap())),
        ] {
            assert_eq!(Route::of(path), Ok(route), "{path}");
        }
        for (path, status) in [
            ("/", 404),
            ("/v1", 404),
            ("/v1/messages/", 404),
            ("/v1/Messages", 404),
            ("/v1/clients", 404),
            ("/v1/clients/bob/", 404),
            ("/v1/clients/bob/messages/1", 404),
            ("/v1/clients/../messages/x", 404),
            ("/v2/messages", 404),
            ("/v1/clients/", 400),
            ("/v1/clients//messages", 400),
            ("/v1/clients/%", 400),
            ("/v1/clients/%4", 400),
            ("/v1/clients/%zz", 400),
            ("/v1/clients/%ff", 400),
            ("/v1/clients/a%00b", 400),
            ("/v1/clients/a%22b", 400),
            ("/v1/clients/a%5Cb", 400),
            ("/v1/clients/a%0d%0aX:%20y", 400),
        ] {
            assert_eq!(Route::of(path).map_err(|reply| reply.status.as_u16()), Err(status), "{path}");
        }
        let long = format!("/v1/clients/{}", "x".repeat(129));
        assert_eq!(Route::of(&long).unwrap_err().status, 400);
    }
}
