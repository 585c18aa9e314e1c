//! One question to a server's HTTP API, or to its admin address.

use super::reach::reach;
use super::url::Url;
use crate::limits::{ANSWER_BYTES, HEAD_BYTES};
use std::io::{Read, Write};

/// The status and the body that `GET` of this path is answered with. `key` opens the API. An error is for people.
pub fn get(url: &Url, path: &str, key: Option<&str>) -> Result<(u16, Vec<u8>), String> {
    let key = key.map_or(String::new(), |key| format!("Authorization: Bearer {key}\r\n"));
    ask(url, &format!("GET {path}"), &key)
}

/// The same of `POST`, without a body.
pub fn post(url: &Url, path: &str) -> Result<(u16, Vec<u8>), String> {
    ask(url, &format!("POST {path}"), "Content-Length: 0\r\n")
}

fn ask(url: &Url, line: &str, headers: &str) -> Result<(u16, Vec<u8>), String> {
    let mut stream = reach(url)?;
    let host = &url.authority;
    let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n");
    let mut bytes = Vec::new();
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let read = stream.take(ANSWER_BYTES as u64).read_to_end(&mut bytes);
    read.map_err(|error| format!("{} does not answer: {error}", url.authority))?;
    answer(&bytes).ok_or_else(|| format!("{} answers something that is no HTTP, or not whole", url.authority))
}

fn answer(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let head_bytes = match head.parse(&bytes[..bytes.len().min(HEAD_BYTES)]).ok()? {
        httparse::Status::Complete(head_bytes) => head_bytes,
        httparse::Status::Partial => return None,
    };
    let status = head.code?;
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    let length = std::str::from_utf8(length.value).ok()?.parse::<usize>().ok()?;
    let body = bytes[head_bytes..].get(..length)?;
    Some((status, body.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_none() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(answer(whole), Some((200, b"{}".to_vec())));
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length]), None, "{length}");
        }
        assert_eq!(answer(b"SSH-2.0-OpenSSH\r\n\r\n"), None);
    }
}
