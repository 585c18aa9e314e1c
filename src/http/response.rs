//! Answers before the upgrade: a status, a sentence for who reads it, and the end of the connection.

/// A status we answer with (DESIGN.md §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs)]
pub enum Status {
    BadRequest = 400,
    Unauthorized = 401,
    Forbidden = 403,
    NotFound = 404,
    MethodNotAllowed = 405,
    RequestTimeout = 408,
    UpgradeRequired = 426,
    TooManyRequests = 429,
    HeadTooLarge = 431,
    Unavailable = 503,
}

impl Status {
    /// The words beside the number.
    pub fn reason(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::RequestTimeout => "Request Timeout",
            Self::UpgradeRequired => "Upgrade Required",
            Self::TooManyRequests => "Too Many Requests",
            Self::HeadTooLarge => "Request Header Fields Too Large",
            Self::Unavailable => "Service Unavailable",
        }
    }

    /// Headers that belong to it, each with its line end.
    fn headers(self) -> &'static str {
        match self {
            Self::Unauthorized => "WWW-Authenticate: Bearer\r\n",
            Self::MethodNotAllowed => "Allow: GET\r\n",
            Self::UpgradeRequired => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            Self::TooManyRequests | Self::Unavailable => "Retry-After: 1\r\n",
            _ => "",
        }
    }
}

/// Appends a whole answer after which the connection is closed. `message`: what is wrong and what to do.
pub fn write_refusal(status: Status, message: &str, out: &mut Vec<u8>) {
    let connection = if status == Status::UpgradeRequired { "close, Upgrade" } else { "close" };
    let text = format!(
        "HTTP/1.1 {} {}\r\nConnection: {connection}\r\n{}Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{message}\n",
        status as u16,
        status.reason(),
        status.headers(),
        message.len() + 1,
    );
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_whole_http_answer() {
        let mut out = Vec::new();
        write_refusal(Status::UpgradeRequired, "send Upgrade: websocket", &mut out);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{head}");
        assert!(
            head.contains("Sec-WebSocket-Version: 13\r\n") && head.contains("Content-Length: 24"),
            "{head}"
        );
        assert_eq!(body, "send Upgrade: websocket\n");
    }
}
