//! One round of the ring without sleeping: what is complete is seen before anything else happens.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

/// A foreign wake makes monoio skip its wait, and with deferred completions only a wait runs them. A core that is
/// woken by others in every turn would never see its own sockets. So after each foreign wake its inbox lets one
/// round pass before it arms its bell again: nobody can wake it then, so the core does wait, on an operation that
/// is complete at once.
pub struct Round {
    /// A socket that is always ready to be written.
    ready: monoio::net::UnixStream,
}

impl Round {
    /// One for a core. It holds one descriptor.
    pub fn new() -> std::io::Result<Self> {
        let fd = OwnedFd::from(UnixDatagram::unbound()?);
        Ok(Self { ready: monoio::net::UnixStream::from_std(fd.into())? })
    }

    /// Comes back in the next turn, after the core's own completions.
    pub async fn pass(&self) {
        // An error also means that the ring has been round.
        let _ = self.ready.writable(true).await;
    }
}
