//! The token that a client shows to brokers under SASL OAUTHBEARER: from a file, which somebody else renews.
//!
//! librdkafka asks for one when a client begins, and again at four fifths of the life of the last, so the file is read anew
//! each time and nothing of it is kept. Where it is stands in `sasl.oauthbearer.config`, whose form librdkafka leaves
//! to its users (KIP-255, KIP-342). No error here holds a token or a part of one.

use crate::host::unix_ms;
use crate::limits::{KAFKA_TOKEN_BYTES, KAFKA_TOKEN_MS};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::bindings as native;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use serde::Deserialize;
use std::error::Error;
use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ptr::null_mut;

/// What stands before the path in `sasl.oauthbearer.config`.
const BY_FILE: &str = "token-file=";

/// Why there is no token to show.
#[derive(Debug)]
pub(super) struct NoToken<'a> {
    file: &'a str,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unreadable(io::Error),
    TooLong,
    NotOne,
    /// At this Unix second.
    Expired(u64),
}

/// Of a JWT's claims, those that the brokers' own checks begin with.
#[derive(Default, Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
}

/// The file that `sasl.oauthbearer.config` names; `None` if it names none.
pub(super) fn file_of(config: &str) -> Option<&str> {
    config.strip_prefix(BY_FILE).filter(|file| !file.is_empty())
}

/// What librdkafka is given when it asks for a token, see [`ClientContext::generate_oauth_token`].
pub(super) fn generate(config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
    let file = config.and_then(file_of).ok_or("sasl.oauthbearer.config names no token-file")?;
    read(file, unix_ms()).map_err(|bad| bad.to_string().into())
}

/// Gives a token to a client whose events nobody polls, so that its asking would go unheard. For clients that live no longer
/// than one question.
pub(super) fn give(client: &Client<impl ClientContext>, config: &str) -> Result<(), Box<dyn Error>> {
    let OAuthToken { token, principal_name, lifetime_ms } = generate(Some(config))?;
    set(client.native_ptr(), &CString::new(token)?, &CString::new(principal_name)?, lifetime_ms)
}

#[allow(unsafe_code)]
fn set(
    client: *mut native::rd_kafka_t,
    token: &CString,
    principal: &CString,
    lifetime_ms: i64,
) -> Result<(), Box<dyn Error>> {
    // SAFETY: the client is alive, for our caller holds it; both texts end with a zero and are copied; there are no
    // extensions, and no room for words about an error is offered.
    let code = unsafe {
        native::rd_kafka_oauthbearer_set_token(
            client,
            token.as_ptr(),
            lifetime_ms,
            principal.as_ptr(),
            null_mut(),
            0,
            null_mut(),
            0,
        )
    };
    match code {
        native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(format!("librdkafka does not take the token: {code:?}").into()),
    }
}

fn read(file: &str, now_ms: u64) -> Result<OAuthToken, NoToken<'_>> {
    let no = |why| NoToken { file, why };
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| no(Why::Unreadable(error)))?;
    let most = KAFKA_TOKEN_BYTES as u64 + 1;
    match opened.take(most).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(no(Why::NotOne)),
        Err(error) => return Err(no(Why::Unreadable(error))),
        Ok(_) if text.len() > KAFKA_TOKEN_BYTES => return Err(no(Why::TooLong)),
        Ok(_) => {}
    }
    let token = text.trim_ascii();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(no(Why::NotOne));
    }
    let claims = claims_of(token);
    let expires_ms = claims.exp.map_or(now_ms + KAFKA_TOKEN_MS, |seconds| (seconds * 1000.0) as u64);
    if expires_ms <= now_ms {
        return Err(no(Why::Expired(expires_ms / 1000)));
    }
    Ok(OAuthToken {
        token: token.to_owned(),
        // librdkafka wants a name and shows it to nobody: brokers read the token.
        principal_name: claims.sub.filter(|sub| !sub.is_empty()).unwrap_or_else(|| "corepost".into()),
        lifetime_ms: i64::try_from(expires_ms).unwrap_or(i64::MAX),
    })
}

/// Of a JWT, which need not be signed; a token of any other kind says nothing.
fn claims_of(token: &str) -> Claims {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
}

impl fmt::Display for NoToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, why } = self;
        match why {
            Why::Unreadable(error) => write!(f, "the token's file {file} cannot be read: {error}"),
            Why::TooLong => write!(f, "the token's file {file} has more than {KAFKA_TOKEN_BYTES} bytes"),
            Why::NotOne => write!(f, "the token's file {file} does not hold one token and nothing else"),
            Why::Expired(at) => {
                write!(f, "the token in {file} expired at Unix second {at}; see why nobody has renewed it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn file(name: &str, content: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("corepost-token-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The token, whose it is, and until when it is good.
    fn read_of(name: &str, content: &[u8]) -> Result<(String, String, i64), String> {
        let path = file(name, content);
        let told = read(path.to_str().unwrap(), NOW_MS).map_err(|bad| bad.to_string());
        let told = told.map(|it| (it.token, it.principal_name, it.lifetime_ms));
        std::fs::remove_file(path).unwrap();
        told
    }

    fn jwt(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(r#"{"alg":"none"}"#), part(claims), "hunter2")
    }

    #[test]
    fn a_jwt_says_itself_for_how_long_and_for_whom_it_is_good() {
        let token = jwt(r#"{"sub":"node-7","exp":1800000060.5,"more":[1]}"#);
        let told = read_of("jwt", format!("{token}\n").as_bytes()).unwrap();
        assert_eq!(told, (token, "node-7".into(), 1_800_000_060_500));
    }

    #[test]
    fn a_token_that_says_nothing_is_read_again_soon() {
        for opaque in ["hunter2", "a.b.c", "a.eyJzdWIiOjF9.c"] {
            let told = read_of("opaque", opaque.as_bytes()).unwrap();
            assert_eq!(told, (opaque.into(), "corepost".into(), (NOW_MS + KAFKA_TOKEN_MS) as i64));
        }
    }

    #[test]
    fn what_is_no_good_token_is_told_without_it() {
        let expired = jwt(r#"{"exp":1800000000}"#);
        let long = "x".repeat(KAFKA_TOKEN_BYTES + 1);
        let cases: [(&str, &[u8], &str); 5] = [
            ("expired", expired.as_bytes(), "expired at Unix second 1800000000"),
            ("empty", b"\n", "does not hold one token"),
            ("two", b"hunter2 hunter2", "does not hold one token"),
            ("bytes", b"hunter2\xff", "does not hold one token"),
            ("long", long.as_bytes(), "more than 65536 bytes"),
        ];
        for (name, content, part) in cases {
            let told = read_of(name, content).unwrap_err();
            assert!(told.contains(part) && !told.contains("hunter2"), "{name}: {told}");
        }
        let gone = read("/nowhere/token", NOW_MS).err().unwrap().to_string();
        assert!(gone.contains("/nowhere/token cannot be read"), "{gone}");
    }

    #[test]
    fn the_configuration_names_a_file_or_nothing() {
        assert_eq!(file_of("token-file=/run/token"), Some("/run/token"));
        assert_eq!(file_of("token-file="), None);
        assert_eq!(file_of("principal=admin"), None);
        assert!(generate(None).err().unwrap().to_string().contains("names no token-file"));
    }
}
