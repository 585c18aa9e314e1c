//! TLS of one connection: bytes in, bytes out, no socket.
//!
//! rustls' unbuffered interface, so that nothing is kept between two calls but keys and what the peer has sent of a
//! record that is not whole yet: an idle session holds no buffer. Records are opened and sealed in the buffers that
//! plain connections use. It is a plain value and goes with its descriptor where that goes, also to another core.
//!
//! Always holds: [`Tls::seal`] seals in the order of its calls, and what it gives leaves in that order, or the peer
//! cannot read it; of a record that is not whole at most [`TLS_PARTIAL_BYTES`] are held. rustls keeps places in what it was
//! shown and has not discarded, and panics where they are gone: whenever it is asked it is shown all of that again, and
//! after an error of its own or a bound of ours it is not asked any more.

use crate::limits::{TLS_PARTIAL_BYTES, TLS_RECORD_BYTES};
use rustls::unbuffered::ConnectionState;
use rustls::{ServerConfig, server::UnbufferedServerConnection};
use std::fmt;
use std::sync::Arc;

/// The TLS of one connection, from its first byte to its end.
pub struct Tls {
    connection: UnbufferedServerConnection,
    /// What has come of a record, or of a message of the handshake, that is not whole. No memory while there is none.
    partial: Vec<u8>,
    progress: Progress,
    is_open: bool,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Nothing of ours may be said yet.
    Handshake,
    /// Both sides may speak.
    Open,
    /// The peer has said that it says no more. We still may.
    Heard,
    /// We have said that we say no more; what still comes is not looked at.
    Said,
    /// It cannot go on.
    Broken,
}

/// The connection cannot go on. What tells the peer why was written out with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The peer broke TLS, or has nothing in common with us.
    Peer(String),
    /// The peer sends a record or a message of the handshake that is longer than there may be.
    TooLong,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(why) => f.write_str(why),
            Self::TooLong => write!(f, "a record that is not whole has over {TLS_PARTIAL_BYTES} bytes"),
        }
    }
}

impl std::error::Error for TlsError {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS, {:?}, {} bytes held", self.progress, self.partial.len())
    }
}

/// Whether these first bytes of a connection are those of TLS: a record of the handshake (RFC 8446 §5.1). A plain
/// request never begins so.
pub fn is_tls(first: u8) -> bool {
    first == 22
}

/// What tells a peer, before the handshake has begun, that there will be none: a fatal alert, `internal_error` (RFC 8446
/// §6.2), which comes nearest of all to "not now".
pub const NOT_NOW: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

impl Tls {
    /// Before the first byte.
    pub fn begin(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        let connection =
            UnbufferedServerConnection::new(config).map_err(|it| TlsError::Peer(it.to_string()))?;
        Ok(Self { connection, partial: Vec::new(), progress: Progress::Handshake, is_open: false })
    }

    /// The handshake came to its good end, whatever came after it.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Nothing more comes.
    pub fn has_heard_all(&self) -> bool {
        matches!(self.progress, Progress::Heard | Progress::Broken)
    }

    /// Memory of what is not whole.
    pub fn held_bytes(&self) -> usize {
        self.partial.capacity()
    }

    /// Takes what came, which it overwrites: what the peer said is appended to `plain`, and what TLS itself must tell
    /// the peer, in order and before anything that is sealed later, to `answer`.
    pub fn open(
        &mut self,
        came: &mut [u8],
        plain: &mut Vec<u8>,
        answer: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        match self.progress {
            Progress::Handshake | Progress::Open => {}
            Progress::Heard | Progress::Said => return Ok(()),
            Progress::Broken => return Err(TlsError::Peer("it is broken already".into())),
        }
        if self.partial.is_empty() {
            let used = self.process(came, plain, answer)?;
            return self.keep(&came[used..]);
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(came);
        let used = self.process(&mut partial, plain, answer)?;
        self.keep(&partial[used..])
    }

    /// Seals `plain`: appends to `sealed` what is to be sent. False: nothing can be said any more, or yet.
    #[must_use]
    pub fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> bool {
        plain.chunks(TLS_RECORD_BYTES).all(|record| {
            self.write(sealed, record.len() + OVERHEAD, |traffic, out| traffic.encrypt(record, out).ok())
        })
    }

    /// Our last word: the peer knows by it that nothing was cut off.
    pub fn close(&mut self, sealed: &mut Vec<u8>) {
        self.write(sealed, OVERHEAD, |traffic, out| traffic.queue_close_notify(out).ok());
        self.progress = Progress::Said;
    }

    /// Appends what `write` puts into a room of so many bytes.
    fn write(
        &mut self,
        sealed: &mut Vec<u8>,
        room: usize,
        write: impl FnOnce(&mut Traffic<'_>, &mut [u8]) -> Option<usize>,
    ) -> bool {
        if matches!(self.progress, Progress::Handshake | Progress::Said | Progress::Broken) {
            return false;
        }
        let Ok(ConnectionState::WriteTraffic(mut traffic)) =
            self.connection.process_tls_records(&mut self.partial).state
        else {
            return false;
        };
        let at = sealed.len();
        sealed.resize(at + room, 0);
        let written = write(&mut traffic, &mut sealed[at..]);
        sealed.truncate(at + written.unwrap_or(0));
        written.is_some()
    }

    /// Lets rustls take what is whole of `input`; how many bytes that were.
    fn process(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        answer: &mut Vec<u8>,
    ) -> Result<usize, TlsError> {
        let mut used = 0;
        // Bound: each round takes a record, gives an answer, or is the last.
        loop {
            let status = self.connection.process_tls_records(&mut input[used..]);
            let discard = status.discard;
            let is_done = match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        plain.extend_from_slice(record.map_err(|it| TlsError::Peer(it.to_string()))?.payload);
                    }
                    false
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, answer);
                    false
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    false
                }
                Ok(ConnectionState::WriteTraffic(_)) => {
                    self.is_open = true;
                    if self.progress == Progress::Handshake {
                        self.progress = Progress::Open;
                    }
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.progress = Progress::Heard;
                    false
                }
                Ok(_) => true,
                Err(error) => {
                    self.progress = Progress::Broken;
                    self.alert(&mut input[used + discard..], answer);
                    return Err(TlsError::Peer(error.to_string()));
                }
            };
            used += discard;
            if is_done {
                // After its last word nothing of the peer counts.
                return Ok(if self.has_heard_all() { input.len() } else { used });
            }
        }
    }

    /// What was still to be said when an error came, and what tells the peer of that. No more: rustls would meet the same
    /// error again.
    fn alert(&mut self, rest: &mut [u8], answer: &mut Vec<u8>) {
        while self.connection.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(mut data)) =
                self.connection.process_tls_records(rest).state
        {
            encode(&mut data, answer);
        }
    }

    /// Keeps what is not whole until more comes.
    fn keep(&mut self, rest: &[u8]) -> Result<(), TlsError> {
        self.partial.extend_from_slice(rest);
        if self.partial.len() <= TLS_PARTIAL_BYTES {
            return Ok(());
        }
        self.progress = Progress::Broken;
        self.partial = Vec::new();
        Err(TlsError::TooLong)
    }
}

type Traffic<'c> = rustls::unbuffered::WriteTraffic<'c, rustls::server::ServerConnectionData>;
type Answer<'c> = rustls::unbuffered::EncodeTlsData<'c, rustls::server::ServerConnectionData>;

/// What a record is longer than what it says, in every version, and a change of keys before it.
const OVERHEAD: usize = 256;

/// Appends one record that rustls has ready, whatever its length.
fn encode(data: &mut Answer<'_>, answer: &mut Vec<u8>) {
    use rustls::unbuffered::{EncodeError, InsufficientSizeError};
    let at = answer.len();
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = data.encode(&mut [])
    {
        answer.resize(at + required_size, 0);
        let written = data.encode(&mut answer[at..]).unwrap_or(0);
        answer.truncate(at + written);
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
