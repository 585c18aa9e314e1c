//! What a request to the HTTP API is answered: a status, a JSON body, and the few headers that go with it.

use super::upgrade::Refused;
use crate::counters::Refusal;
use crate::model::ErrorCode;
use crate::wire::json::write_http_error;
use http::StatusCode;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// JSON; empty with 204.
    pub body: Vec<u8>,
    /// What it is counted as, when it refuses a whole request.
    pub refusal: Option<Refusal>,
    /// Methods that the path takes, with 405 and as the answer to OPTIONS.
    pub allow: Option<&'static str>,
    /// When trying again makes sense.
    pub retry_after_ms: Option<u32>,
}

/// How an answer is written on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// The connection takes another request afterwards.
    pub keep_alive: bool,
    /// HEAD: all but the body.
    pub head_only: bool,
}

/// When to come back where nothing better is known.
const RETRY_MS: u32 = 1_000;

impl Reply {
    /// 200 with this JSON.
    pub fn ok(body: Vec<u8>) -> Self {
        Self::new(StatusCode::OK, body)
    }

    /// It was done, and there is nothing to say about it.
    pub fn done() -> Self {
        Self::new(StatusCode::NO_CONTENT, Vec::new())
    }

    /// The answer to OPTIONS.
    pub(super) fn options(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::done() }
    }

    /// With this JSON.
    pub(super) fn new(status: StatusCode, body: Vec<u8>) -> Self {
        Self { status, body, refusal: None, allow: None, retry_after_ms: None }
    }

    /// The request is refused whole. `message`: what is wrong and what to do.
    pub fn refuse(status: StatusCode, message: &str) -> Self {
        let (code, refusal) = match status {
            StatusCode::UNAUTHORIZED => (ErrorCode::Unauthorized, Refusal::Unauthorized),
            StatusCode::FORBIDDEN => (ErrorCode::Forbidden, Refusal::Forbidden),
            StatusCode::REQUEST_TIMEOUT => (ErrorCode::BadRequest, Refusal::HeadTooSlow),
            StatusCode::PAYLOAD_TOO_LARGE => (ErrorCode::TooLarge, Refusal::TooLarge),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (ErrorCode::TooLarge, Refusal::HeadTooLarge),
            StatusCode::TOO_MANY_REQUESTS => (ErrorCode::RateLimited, Refusal::RateLimited),
            StatusCode::SERVICE_UNAVAILABLE => (ErrorCode::Unavailable, Refusal::Unavailable),
            StatusCode::INTERNAL_SERVER_ERROR => (ErrorCode::Internal, Refusal::Internal),
            _ => (ErrorCode::BadRequest, Refusal::BadRequest),
        };
        let retry = matches!(code, ErrorCode::RateLimited | ErrorCode::Unavailable).then_some(RETRY_MS);
        Self::error(status, code, message, retry, refusal)
    }

    /// The same with a code and a time of its own, as a shard gives them.
    pub fn failed(code: ErrorCode, retry_after_ms: Option<u32>) -> Self {
        let (status, refusal) = match code {
            ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, Refusal::Unavailable),
            ErrorCode::MailboxFull => (StatusCode::SERVICE_UNAVAILABLE, Refusal::MailboxFull),
            ErrorCode::RateLimited => (StatusCode::TOO_MANY_REQUESTS, Refusal::RateLimited),
            ErrorCode::Forbidden => (StatusCode::FORBIDDEN, Refusal::Forbidden),
            ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, Refusal::Internal),
            _ => (StatusCode::BAD_REQUEST, Refusal::BadRequest),
        };
        Self::error(status, code, explain(code), retry_of(code, retry_after_ms), refusal)
    }

    /// The core holds [`crate::limits::BODY_BYTES`] of bodies and answers already.
    pub fn crowded() -> Self {
        Self::refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are being served; send it again later",
        )
    }

    /// The home of the client that it is about could not be asked, or did not answer.
    pub fn no_home(message: &str) -> Self {
        let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable);
        Self::error(status, code, message, Some(RETRY_MS), Refusal::NoHome)
    }

    /// A request was begun and not finished in time.
    pub fn too_slow() -> Self {
        Self::refuse(StatusCode::REQUEST_TIMEOUT, "the request was not complete in time; send it again")
    }

    pub(super) fn bad(message: &str) -> Self {
        Self::refuse(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn error(
        status: StatusCode,
        code: ErrorCode,
        message: &str,
        retry_after_ms: Option<u32>,
        refusal: Refusal,
    ) -> Self {
        let mut body = Vec::with_capacity(96 + message.len());
        write_http_error(code, message, retry_after_ms, &mut body);
        Self { refusal: Some(refusal), retry_after_ms, ..Self::new(status, body) }
    }

    /// Appends it as it goes out.
    pub fn write(&self, manner: Manner, out: &mut Vec<u8>) {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nCache-Control: no-store\r\n",
            self.status.as_str(),
            self.status.canonical_reason().unwrap_or("Answer"),
        );
        let mut line = |name: &str, value: &str| {
            for piece in [name, ": ", value, "\r\n"] {
                head.push_str(piece);
            }
        };
        if self.status != StatusCode::NO_CONTENT {
            line("Content-Type", "application/json");
            line("Content-Length", &self.body.len().to_string());
        }
        if !manner.keep_alive {
            line("Connection", "close");
        }
        if self.status == StatusCode::UNAUTHORIZED {
            line("WWW-Authenticate", "Bearer");
        }
        if let Some(allow) = self.allow {
            line("Allow", allow);
        }
        if let Some(ms) = self.retry_after_ms {
            line("Retry-After", &ms.div_ceil(1_000).max(1).to_string());
        }
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(b"\r\n");
        if !manner.head_only {
            out.extend_from_slice(&self.body);
        }
    }
}

/// A refusal by what the head is read with is one of the API as well.
impl From<Refused> for Reply {
    fn from(refused: Refused) -> Self {
        let status = StatusCode::from_u16(refused.status as u16).expect("our statuses are valid");
        Self::refuse(status, &refused.message)
    }
}

/// `retry_after_ms` stands beside exactly those codes that pass by themselves.
pub(super) fn retry_of(code: ErrorCode, ms: Option<u32>) -> Option<u32> {
    let passes = matches!(code, ErrorCode::RateLimited | ErrorCode::MailboxFull | ErrorCode::Unavailable);
    passes.then(|| ms.filter(|&ms| ms > 0).unwrap_or(RETRY_MS))
}

/// What to do about a refusal that the log or a shard gave without words.
pub(super) fn explain(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unavailable => "the log cannot take it now; send it again with the same id",
        ErrorCode::MailboxFull => {
            "the recipient's mailbox is at its quota until older messages expire or it is erased"
        }
        ErrorCode::RateLimited => "too many in too short a time; send it again later with the same id",
        ErrorCode::Forbidden => "this is not permitted",
        ErrorCode::TooLarge => "the message is too large; make it smaller",
        ErrorCode::TooManyRecipients => "too many recipients; send several requests",
        ErrorCode::BadClientId => "a client ID is wrong; correct it",
        ErrorCode::Unauthorized => "no valid credential; use an API key",
        ErrorCode::BadRequest | ErrorCode::UnknownType => "the request cannot be understood; correct it",
        ErrorCode::Internal => "this is our mistake; send it again with the same id",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: &Reply, manner: Manner) -> String {
        let mut out = Vec::new();
        reply.write(manner, &mut out);
        String::from_utf8(out).unwrap()
    }

    const STAY: Manner = Manner { keep_alive: true, head_only: false };

    #[test]
    fn an_answer_is_whole_and_says_what_goes_with_its_status() {
        assert_eq!(
            text(&Reply::ok(b"{}".to_vec()), STAY),
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{}"
        );
        assert_eq!(text(&Reply::done(), STAY), "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n\r\n");
        let refused = text(&Reply::refuse(StatusCode::UNAUTHORIZED, "use a \"key\""), STAY);
        assert!(refused.contains("WWW-Authenticate: Bearer\r\n"), "{refused}");
        assert!(
            refused.ends_with(r#"{"error":{"code":"unauthorized","message":"use a \"key\""}}"#),
            "{refused}"
        );
        let full = Reply::failed(ErrorCode::MailboxFull, Some(1_200));
        assert!(text(&full, STAY).contains("503 Service Unavailable\r\n"));
        assert!(text(&full, STAY).contains("Retry-After: 2\r\n"), "whole seconds, rounded up");
        assert!(text(&full, STAY).contains(r#""retry_after_ms":1200"#));
        assert!(text(&Reply::failed(ErrorCode::Unavailable, Some(0)), STAY).contains("Retry-After: 1\r\n"));
    }

    #[test]
    fn head_has_the_length_of_the_body_and_not_the_body() {
        let closing = Manner { keep_alive: false, head_only: true };
        let text = text(&Reply::ok(b"{\"a\":1}".to_vec()), closing);
        assert!(text.contains("Content-Length: 7\r\n") && text.contains("Connection: close\r\n"));
        assert!(text.ends_with("\r\n\r\n"));
    }
}
