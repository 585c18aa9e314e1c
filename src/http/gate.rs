//! Who may use the HTTP API: holders of an API key, and in development mode this machine alone.
//!
//! In development mode nobody shows a key, so a web page must not get in by way of its visitor's browser: neither
//! with its own origin, nor by a name of its own that points here, nor through a proxy.

use super::upgrade::{bearer, text_of};
use super::{Head, Reply};
use crate::access::{Access, is_local_host};
use crate::counters::Refusal;
use http::{StatusCode, Version};

/// Headers that a proxy adds.
const PROXY: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];

/// Whether the request came a way that it may come.
pub fn came_well(head: &Head, access: &Access) -> Result<(), Reply> {
    let host = text_of(head, "host")?;
    if host.is_none() && head.version == Version::HTTP_11 {
        return Err(Reply::bad("HTTP/1.1 needs one Host header"));
    }
    if access.is_development() {
        // What an absolute target says counts, whatever stands in `Host` (RFC 9112 §3.2.2).
        let host = head.uri.authority().map(|authority| authority.as_str()).or(host);
        if !host.is_some_and(is_local_host) {
            return Err(foreign("development mode answers only to names of this machine, such as localhost"));
        }
        if PROXY.iter().any(|&name| head.headers.contains_key(name)) {
            return Err(foreign("development mode is not reached through a proxy; configure --api-keys"));
        }
    }
    match text_of(head, "origin")? {
        Some(origin) if !access.allows_origin(origin) => {
            Err(foreign("web pages of this origin may not; list it with --allow-origin"))
        }
        _ => Ok(()),
    }
}

/// Whether it shows a key. In development mode none is asked for.
pub fn shows_key(head: &Head, access: &Access) -> Result<(), Reply> {
    if access.is_development() {
        return Ok(());
    }
    let refuse = |message| Err(Reply::refuse(StatusCode::UNAUTHORIZED, message));
    let Some(keys) = &access.api_keys else {
        return refuse("the HTTP API is closed: no API keys are configured; name a file with --api-keys");
    };
    match bearer(head)? {
        None => refuse("send Authorization: Bearer <API key>"),
        Some(key) if keys.contains(key) => Ok(()),
        Some(jwt) if jwt.matches('.').count() == 2 => {
            refuse("a token of a client does not open the HTTP API; use an API key")
        }
        Some(_) => refuse("this is no API key of this server; see --api-keys"),
    }
}

fn foreign(message: &str) -> Reply {
    Reply { refusal: Some(Refusal::ForeignOrigin), ..Reply::refuse(StatusCode::FORBIDDEN, message) }
}
