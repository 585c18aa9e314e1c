//! One connection's own thread: it connects, asks for the upgrade, and reads until the end.

use super::reach::reach;
use super::stream::Stream;
use super::url::Url;
use crate::wire::websocket::{BadResponse, ClientKey, Request, check_response, write_request};
use std::io::{Read, Write};
use std::sync::mpsc::SyncSender;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// What happened elsewhere, for the loop.
#[derive(Debug)]
pub enum Event {
    /// A connection is upgraded; what came behind the head follows as [`Event::Came`].
    Opened {
        /// Which connection.
        connection: u32,
        /// For writing.
        stream: Stream,
    },
    /// The server answered the upgrade with something else.
    Refused {
        /// Which connection.
        connection: u32,
        /// With what.
        why: BadResponse,
    },
    /// Bytes came.
    Came {
        /// On which connection.
        connection: u32,
        /// What.
        bytes: Vec<u8>,
    },
    /// A connection is over, or never came to be.
    Ended {
        /// Which connection.
        connection: u32,
        /// Why, for people; empty when the server just ended it.
        why: String,
    },
    /// Lines of standard input are waiting, or its end.
    Lines,
    /// A signal asks us to end.
    Stop,
}

/// What a connection's thread needs.
pub(super) struct Dial {
    pub(super) connection: u32,
    pub(super) url: Url,
    /// The query, with its `?`.
    pub(super) query: String,
    pub(super) token: Option<String>,
    pub(super) events: SyncSender<Event>,
}

impl Dial {
    /// Starts the thread.
    pub(super) fn start(self) {
        std::thread::spawn(move || {
            let connection = self.connection;
            let end = match self.connect() {
                Ok((stream, rest)) => self.read(stream, rest),
                Err(end) => end,
            };
            // When the loop is gone, so is who would have wanted to know.
            let _ = match end {
                End::Refused(why) => self.events.send(Event::Refused { connection, why }),
                End::Over(why) => self.events.send(Event::Ended { connection, why }),
            };
        });
    }

    /// Connects and upgrades; gives what came behind the answer's head.
    fn connect(&self) -> Result<(Stream, Vec<u8>), End> {
        let mut stream = reach(&self.url).map_err(End::Over)?;
        let key = ClientKey::new(random_bytes());
        let mut bytes = Vec::new();
        let target = format!("{}{}", self.url.path, self.query);
        let request = Request { host: &self.url.authority, target: &target, token: self.token.as_deref() };
        write_request(&request, &key, &mut bytes);
        stream.write_all(&bytes)?;

        bytes.clear();
        let mut chunk = [0; 4096];
        loop {
            match check_response(&bytes, &key) {
                Ok(None) => {}
                Ok(Some(switched)) => {
                    stream.set_read_timeout(None)?;
                    return Ok((stream, bytes.split_off(switched.head_bytes)));
                }
                Err(why) => return Err(End::Refused(why)),
            }
            match stream.read(&mut chunk)? {
                0 => {
                    return Err(End::Over("the server closed the connection instead of upgrading it".into()));
                }
                n => bytes.extend_from_slice(&chunk[..n]),
            }
        }
    }

    fn read(&self, mut stream: Stream, rest: Vec<u8>) -> End {
        let connection = self.connection;
        let Ok(writer) = stream.try_clone() else {
            return End::Over("no file descriptor is left".into());
        };
        let mut posted = self.events.send(Event::Opened { connection, stream: writer });
        let mut bytes = rest;
        while posted.is_ok() {
            if !bytes.is_empty() {
                posted = self.events.send(Event::Came { connection, bytes });
            }
            bytes = vec![0; READ_BYTES];
            match stream.read(&mut bytes) {
                Ok(0) => return End::Over(String::new()),
                Ok(n) => bytes.truncate(n),
                Err(error) => return End::Over(error.to_string()),
            }
        }
        End::Over(String::new())
    }
}

/// How a connection's thread ends.
enum End {
    Refused(BadResponse),
    Over(String),
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self::Over(error.to_string())
    }
}

/// Bytes that nobody foresees: the standard library seeds its hash maps from the system.
pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(8) {
        let word = RandomState::new().build_hasher().finish().to_ne_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    bytes
}
