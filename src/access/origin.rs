//! Which web pages may open a connection: the `Origin` that a browser sends, judged against a list.
//!
//! Tokens are not sent by browsers of their own accord, so a foreign page gains nothing by connecting and without a
//! list every origin may. Development mode asks for no token: there a page must come from this machine, and so must
//! the name that it was reached by, or any web site could reach us through a name of its own that points here.

use crate::limits::ORIGINS;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The origins of `--allow-origin`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Box<[Allowed]>);

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    /// `*`: every page.
    Any,
    /// `null`: pages without an origin, from files and sandboxes.
    Null,
    /// `https://app.example.org:8443`, with `*.` before the host for everything below it.
    Site { scheme: Box<str>, host: Box<str>, below: bool, port: u16 },
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadOrigin {
    /// It does not begin with `http://` or `https://`.
    Scheme,
    /// There is a path, query or user in it.
    Rest,
    /// There is no host, or one with characters that hosts do not have.
    Host,
    /// What stands after the host is no port.
    Port,
    /// More than [`ORIGINS`] of them.
    TooMany,
}

impl Origins {
    /// Reads the entries of `--allow-origin`; an error names the one that is wrong.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, (&'a str, BadOrigin)> {
        let mut allowed = Vec::new();
        for text in texts {
            let one = Allowed::parse(text).map_err(|bad| (text, bad))?;
            if allowed.len() == ORIGINS {
                return Err((text, BadOrigin::TooMany));
            }
            allowed.push(one);
        }
        Ok(Self(allowed.into_boxed_slice()))
    }

    /// Whether a page of this `Origin` may connect. Without a list every one may.
    pub fn allow(&self, origin: &str) -> bool {
        self.0.is_empty() || self.lists(origin)
    }

    /// The same in development mode: pages of this machine, and those listed.
    pub fn allow_in_development(&self, origin: &str) -> bool {
        let local = Site::parse(origin).is_ok_and(|site| is_this_machine(site.host));
        local || self.lists(origin)
    }

    fn lists(&self, origin: &str) -> bool {
        let site = Site::parse(origin);
        self.0.iter().any(|allowed| match (allowed, &site) {
            (Allowed::Any, _) => true,
            (Allowed::Null, _) => origin == "null",
            (Allowed::Site { scheme, host, below, port }, Ok(site)) => {
                let host_fits = if *below {
                    // The entry's dot is part of what must follow the name below.
                    ends_with_ignoring_case(site.host, host) && site.host.len() > host.len()
                } else {
                    site.host.eq_ignore_ascii_case(host)
                };
                host_fits && site.scheme == &**scheme && site.port == *port
            }
            (Allowed::Site { .. }, Err(_)) => false,
        })
    }
}

/// Whether a `Host` header (with or without port) names this machine itself.
pub fn is_local_host(header: &str) -> bool {
    split_port(header).is_some_and(|(host, _)| is_this_machine(host))
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || ends_with_ignoring_case(host, ".localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || bare.is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()))
}

fn ends_with_ignoring_case(text: &str, end: &str) -> bool {
    text.len() >= end.len() && text.as_bytes()[text.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
}

/// An origin as a browser writes it, borrowed.
struct Site<'a> {
    scheme: &'static str,
    host: &'a str,
    port: u16,
}

impl<'a> Site<'a> {
    fn parse(text: &'a str) -> Result<Self, BadOrigin> {
        let strip = |scheme: &str| {
            let (head, rest) = text.split_at_checked(scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then_some(rest)
        };
        let (scheme, default, rest) = if let Some(rest) = strip("https://") {
            ("https", 443, rest)
        } else {
            ("http", 80, strip("http://").ok_or(BadOrigin::Scheme)?)
        };
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(BadOrigin::Rest);
        }
        let (host, port) = split_port(rest).ok_or(BadOrigin::Port)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]*".contains(&b) || b >= 0x80;
        if host.is_empty() || !host.bytes().all(plain) {
            return Err(BadOrigin::Host);
        }
        Ok(Self { scheme, host, port: port.unwrap_or(default) })
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_ends = text.find(']').map_or(0, |at| at + 1);
    match text[host_ends..].rfind(':') {
        None => Some((text, None)),
        Some(colon) => {
            let (host, port) = text.split_at(host_ends + colon);
            Some((host, Some(port[1..].parse().ok()?)))
        }
    }
}

impl Allowed {
    fn parse(text: &str) -> Result<Self, BadOrigin> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let Site { scheme, host, port } = Site::parse(text)?;
        let (host, below) = match host.strip_prefix('*') {
            Some(rest) if rest.len() > 1 && rest.starts_with('.') => (rest, true),
            Some(_) => return Err(BadOrigin::Host),
            None => (host, false),
        };
        if host.contains('*') {
            return Err(BadOrigin::Host);
        }
        Ok(Self::Site { scheme: scheme.into(), host: host.to_ascii_lowercase().into(), below, port })
    }
}

impl fmt::Display for BadOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => {
                "begins with neither `https://` nor `http://`; write it as https://app.example.org"
            }
            Self::Rest => "has more than scheme, host and port; write it as https://app.example.org",
            Self::Host => "has no usable host; `*.` may stand before one, as in https://*.example.org",
            Self::Port => "has a port that is not 0 to 65535",
            Self::TooMany => "is one too many; use `*.` before a host for all below it",
        })
    }
}

impl std::error::Error for BadOrigin {}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&'static str]) -> Origins {
        Origins::new(texts.iter().copied()).unwrap()
    }

    #[test]
    fn a_list_admits_what_is_on_it() {
        let list = origins(&["https://app.example.org", "http://LOCALHOST:3000", "https://*.shop.example"]);
        for good in [
            "https://app.example.org",
            "https://APP.example.org:443",
            "http://localhost:3000",
            "https://a.b.shop.example",
        ] {
            assert!(list.allow(good), "{good}");
        }
        for bad in [
            "http://app.example.org",
            "https://app.example.org:8443",
            "https://app.example.org.evil.example",
            "https://evil-shop.example",
            "https://shop.example",
            "https://.shop.example/",
            "null",
            "",
            "https://",
        ] {
            assert!(!list.allow(bad), "{bad}");
        }
        assert!(origins(&[]).allow("https://anything.example"));
        assert!(origins(&["*"]).allow("null"));
        assert!(origins(&["null"]).allow("null") && !origins(&["null"]).allow("https://a.example"));
    }

    #[test]
    fn development_admits_this_machine_and_what_is_listed() {
        let none = origins(&[]);
        for good in ["http://localhost:3000", "http://127.0.0.1", "http://127.8.8.8:1", "https://[::1]:8080"]
        {
            assert!(none.allow_in_development(good), "{good}");
        }
        for bad in ["https://evil.example", "http://localhost.evil.example", "null", "http://10.0.0.1", ""] {
            assert!(!none.allow_in_development(bad), "{bad}");
        }
        assert!(origins(&["https://evil.example"]).allow_in_development("https://evil.example"));
    }

    #[test]
    fn a_host_header_is_local_by_its_name() {
        for good in ["localhost", "LocalHost:8080", "app.localhost:1", "127.0.0.1:80", "[::1]", "[::1]:80"] {
            assert!(is_local_host(good), "{good}");
        }
        for bad in
            ["", "evil.example:8080", "localhost.evil.example", "::1", "[::2]:80", "127.0.0.1:x", "10.0.0.1"]
        {
            assert!(!is_local_host(bad), "{bad}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_entry() {
        let bad = |text| Origins::new([text]).unwrap_err().1;
        assert_eq!(bad("app.example.org"), BadOrigin::Scheme);
        assert_eq!(bad("https://app.example.org/"), BadOrigin::Rest);
        assert_eq!(bad("https://me@app.example.org"), BadOrigin::Rest);
        assert_eq!(bad("https://"), BadOrigin::Host);
        assert_eq!(bad("https://*"), BadOrigin::Host);
        assert_eq!(bad("https://a*.example"), BadOrigin::Host);
        assert_eq!(bad("https://a.example:99999"), BadOrigin::Port);
        assert_eq!(Origins::new(vec!["*"; ORIGINS + 1]).unwrap_err().1, BadOrigin::TooMany);
    }
}
