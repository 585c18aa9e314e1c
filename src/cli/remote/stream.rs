//! A connection as its two threads hold it, one reading and one writing: bare, or in TLS whose state they share.

use rustls::ClientConnection;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes read from the socket at once.
const READ_BYTES: usize = 16 << 10;

/// One of its handles. The lock is never held while the socket is read, so that a writer waits for nobody's silence.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    tls: Option<Arc<Mutex<ClientConnection>>>,
    /// What the socket gave and TLS has not taken, for it takes no more while what it has opened is not read. At most
    /// [`READ_BYTES`], and only of the handle that reads.
    sealed: Vec<u8>,
}

impl Stream {
    /// As it is.
    pub fn bare(socket: TcpStream) -> Self {
        Self { socket, tls: None, sealed: Vec::new() }
    }

    /// In TLS, whose handshake is done here.
    pub fn secure(mut socket: TcpStream, mut tls: ClientConnection) -> io::Result<Self> {
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self { socket, tls: Some(Arc::new(Mutex::new(tls))), sealed: Vec::new() })
    }

    /// A handle for another thread.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, tls: self.tls.clone(), sealed: Vec::new() })
    }

    /// How long reads may take from now on; of all handles.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    /// Ends it both ways, of all handles.
    pub fn shutdown(&self) {
        if let Some(tls) = &self.tls {
            let mut tls = lock(tls);
            tls.send_close_notify();
            let _ = tls.write_tls(&mut &self.socket);
        }
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn lock(tls: &Mutex<ClientConnection>) -> MutexGuard<'_, ClientConnection> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes all that TLS has to say.
fn say(tls: &mut ClientConnection, mut socket: &TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut socket)?;
    }
    Ok(())
}

impl Read for Stream {
    fn read(&mut self, plain: &mut [u8]) -> io::Result<usize> {
        let Some(shared) = &self.tls else { return self.socket.read(plain) };
        loop {
            match lock(shared).reader().read(plain) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Whoever ends a connection without a word of TLS has ended it all the same: frames say what is whole.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            if self.sealed.is_empty() {
                self.sealed.resize(READ_BYTES, 0);
                let came = self.socket.read(&mut self.sealed);
                self.sealed.truncate(*came.as_ref().unwrap_or(&0));
                came?;
            }
            let mut tls = lock(shared);
            // Nothing is given to say that this was the end.
            let taken = tls.read_tls(&mut &self.sealed[..])?;
            self.sealed.drain(..taken);
            tls.process_new_packets().map_err(io::Error::other)?;
            say(&mut tls, &self.socket)?;
        }
    }
}

impl Write for Stream {
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        let Some(shared) = &self.tls else { return self.socket.write(plain) };
        let mut tls = lock(shared);
        let taken = tls.writer().write(plain)?;
        say(&mut tls, &self.socket)?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::both_ends;
    use rustls::{ServerConnection, StreamOwned, version};
    use std::net::TcpListener;
    use std::thread::{JoinHandle, spawn};

    /// A client that reads what a server writes in records of so many bytes, and then its last word with `more` behind it.
    fn written(records: &'static [usize], more: &'static [u8]) -> (Stream, JoinHandle<()>) {
        let (server, client) = both_ends(&[&version::TLS13, &version::TLS12]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let writing = spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let mut line = StreamOwned::new(ServerConnection::new(server).unwrap(), socket);
            for length in records {
                line.write_all(&vec![7; *length]).unwrap();
                line.flush().unwrap();
            }
            line.conn.send_close_notify();
            let mut last = Vec::new();
            line.conn.write_tls(&mut last).unwrap();
            last.extend_from_slice(more);
            line.sock.write_all(&last).unwrap();
        });
        (Stream::secure(socket, client).unwrap(), writing)
    }

    fn read_all(records: &'static [usize], more: &'static [u8]) {
        let (mut stream, writing) = written(records, more);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), records.iter().sum::<usize>());
        writing.join().unwrap();
    }

    #[test]
    fn records_of_any_length_are_read_however_they_come_together() {
        read_all(&[12 << 10; 200], b"");
        read_all(&[8_200; 200], b"");
        read_all(&[16 << 10; 200], b"");
        read_all(&[100; 2_000], b"");
    }

    #[test]
    fn what_comes_behind_the_last_word_is_not_waited_for() {
        read_all(&[5], b"and on it goes");
    }
}
