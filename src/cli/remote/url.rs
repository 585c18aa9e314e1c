//! Where a server is, as people write it: `ws://host:port`, `http://host:port`, or just `host:port`; `wss://` and `https://`
//! in TLS.

use std::fmt;
use std::str::FromStr;

/// A server's WebSocket endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `host:port`, for connecting and for the `Host` header.
    pub authority: String,
    /// The path, `/v1/ws` unless another one was given.
    pub path: String,
    /// In TLS.
    pub is_secure: bool,
}

/// Why a text is no such URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadUrl {
    /// Another scheme.
    Scheme(String),
    /// No host, or a port that is none.
    Authority,
    /// The query is ours to write.
    Query,
}

impl FromStr for Url {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let (is_secure, rest) = match text.split_once("://") {
            Some(("ws" | "http", rest)) => (false, rest),
            Some(("wss" | "https", rest)) => (true, rest),
            Some((scheme, _)) => return Err(BadUrl::Scheme(scheme.to_owned())),
            None => (false, text),
        };
        if rest.contains(['?', '#']) {
            return Err(BadUrl::Query);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = with_port(authority, if is_secure { 443 } else { 80 }).ok_or(BadUrl::Authority)?;
        if !path.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(BadUrl::Authority);
        }
        let path = if matches!(path, "" | "/") { "/v1/ws" } else { path };
        Ok(Self { authority, path: path.to_owned(), is_secure })
    }
}

impl Url {
    /// Its host, as a certificate names it.
    pub fn host(&self) -> &str {
        self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, _)| host)
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`, with the port that is meant.
fn with_port(authority: &str, usual: u16) -> Option<String> {
    let after_host = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[after_host..].split_once(':') {
        Some((host, port)) => (&authority[..after_host + host.len()], port.parse::<u16>().ok()?),
        None => (authority, usual),
    };
    let good = !host.is_empty() && host.bytes().all(|c| c.is_ascii_graphic() && c != b'@' && c != b'\\');
    good.then(|| format!("{host}:{port}"))
}

/// Text as it stands in a query.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws{}://{}{}", if self.is_secure { "s" } else { "" }, self.authority, self.path)
    }
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => {
                write!(f, "`{scheme}://` is not spoken; use ws://HOST:PORT or wss://HOST:PORT")
            }
            Self::Authority => f.write_str("it names no host and port; use ws://HOST:PORT"),
            Self::Query => f.write_str("a query cannot be given; use --as, --token and --from"),
        }
    }
}

impl std::error::Error for BadUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_urls_in_many_ways() {
        for (text, authority, path) in [
            ("ws://127.0.0.1:8080/v1/ws", "127.0.0.1:8080", "/v1/ws"),
            ("http://chat.example/", "chat.example:80", "/v1/ws"),
            ("localhost:9000", "localhost:9000", "/v1/ws"),
            ("ws://[::1]:8080", "[::1]:8080", "/v1/ws"),
            ("ws://[::1]/other/ws", "[::1]:80", "/other/ws"),
            ("wss://chat.example", "chat.example:443", "/v1/ws"),
            ("https://[::1]:8443", "[::1]:8443", "/v1/ws"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!((url.authority.as_str(), url.path.as_str()), (authority, path), "{text}");
            assert_eq!(url.is_secure, text.contains("s://") && !text.starts_with("ws:"), "{text}");
        }
        let url: Url = "wss://[::1]:8443".parse().unwrap();
        assert_eq!((url.host(), url.to_string().as_str()), ("[::1]", "wss://[::1]:8443/v1/ws"));
        for (text, error) in [
            ("ftp://x", BadUrl::Scheme("ftp".into())),
            ("ws://", BadUrl::Authority),
            ("ws://x:99999", BadUrl::Authority),
            ("ws://x/v1/ws?client=bob", BadUrl::Query),
            ("ws://x/a b", BadUrl::Authority),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_id_survives_the_query() {
        assert_eq!(percent_encode("a b&c=ü+1"), "a%20b%26c%3D%C3%BC%2B1");
    }
}
