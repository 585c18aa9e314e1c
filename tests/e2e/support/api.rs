//! A small HTTP client that blocks and keeps its connection.

use super::PATIENCE;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub struct Api {
    stream: BufReader<TcpStream>,
    key: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Api {
    pub fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream), key: None }
    }

    /// Presents this key with every request.
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.ask("GET", path, b"").expect("an answer")
    }

    pub fn delete(&mut self, path: &str) -> Reply {
        self.ask("DELETE", path, b"").expect("an answer")
    }

    pub fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, body.to_string().as_bytes()).expect("an answer")
    }

    /// `POST /v1/messages`
    pub fn publish(&mut self, body: &Value) -> Reply {
        self.post("/v1/messages", body)
    }

    /// A request and its answer; an error is what a killed server gives.
    pub fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Reply> {
        let key = self.key.as_ref().map_or(String::new(), |key| format!("Authorization: Bearer {key}\r\n"));
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{key}{length}\r\n");
        self.raw(&[head.as_bytes(), body].concat())?;
        self.reply(method == "HEAD")
    }

    pub fn raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The next answer.
    pub fn reply(&mut self, head_only: bool) -> std::io::Result<Reply> {
        let mut line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut headers = BTreeMap::new();
        loop {
            line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; if head_only { 0 } else { length }];
        self.stream.read_exact(&mut body)?;
        Ok(Reply { status, headers, body })
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The code of a refusal of the whole request.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}
