//! The thread that answers: one request a connection, each within its time, so many at once and no more.

use super::answer::{self, Answer, Ask, JSON, PLAIN};
use super::questions::Questions;
use super::{Reports, Sources, health, memory, metrics};
use crate::limits::{ADMIN_CONNECTIONS, ADMIN_DRAIN_BYTES, ADMIN_MS, HEAD_BYTES};
use http::StatusCode;
use monoio::io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::time::{TimeDriver, sleep, timeout};
use monoio::{LegacyDriver, RuntimeBuilder};
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_millis(ADMIN_MS);
/// Pause in accepting when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
struct Desk {
    sources: Sources,
    questions: Questions,
    open: Cell<usize>,
}

/// Starts the thread; returns once it listens, or with what keeps it from that.
pub(super) fn spawn(listener: std::net::TcpListener, sources: Sources) -> io::Result<()> {
    let (tell, told) = mpsc::sync_channel(1);
    thread::Builder::new().name("corepost-admin".into()).spawn(move || {
        match RuntimeBuilder::<TimeDriver<LegacyDriver>>::new().build() {
            Ok(mut runtime) => runtime.block_on(run(listener, sources, tell)),
            Err(error) => drop(tell.send(Err(error))),
        }
    })?;
    told.recv().unwrap_or_else(|_| Err(io::Error::other("the admin thread ended at once")))
}

async fn run(listener: std::net::TcpListener, sources: Sources, tell: mpsc::SyncSender<io::Result<()>>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return drop(tell.send(Err(error))),
    };
    let _ = tell.send(Ok(()));
    let desk = Rc::new(Desk { questions: Questions::new(sources.cores), sources, open: Cell::new(0) });
    if let Some(beat) = desk.sources.supervisor.beat() {
        monoio::spawn(tell_supervisor(Rc::clone(&desk), beat));
    }
    loop {
        match listener.accept().await {
            Ok((stream, _)) if desk.open.get() < ADMIN_CONNECTIONS => {
                desk.open.set(desk.open.get() + 1);
                let desk = Rc::clone(&desk);
                monoio::spawn(async move {
                    serve(&desk, stream).await;
                    desk.open.set(desk.open.get() - 1);
                });
            }
            Ok(_) => tracing::debug!(
                "more than {ADMIN_CONNECTIONS} connections to the admin address: one was closed"
            ),
            Err(error) => {
                tracing::warn!(%error, "the admin address cannot accept now");
                sleep(PAUSE).await;
            }
        }
    }
}

/// A core that answers no more is silence, and silence is a restart.
async fn tell_supervisor(desk: Rc<Desk>, beat: Duration) {
    loop {
        let is_alive = desk.questions.ask(&desk.sources).await.iter().all(Option::is_some);
        if is_alive {
            desk.sources.supervisor.alive();
        }
        // Who was late once is asked again at once: one long turn is no end.
        sleep(if is_alive { beat } else { beat.min(PAUSE) }).await;
    }
}

/// One connection: a request, an answer, the end.
async fn serve(desk: &Desk, mut stream: TcpStream) {
    let Ok(Some(request)) = timeout(PATIENCE, receive(&mut stream)).await else { return };
    let (answer, head_only) = match request {
        Ok(asked) => (desk.answer(asked.ask).await, asked.head_only),
        Err(refusal) => (refusal, false),
    };
    let _ = timeout(PATIENCE, give(&mut stream, answer.bytes(head_only))).await;
}

/// Reads a request; `None`: the peer went.
async fn receive(stream: &mut TcpStream) -> Option<Result<answer::Asked, Answer>> {
    let mut bytes = Vec::new();
    loop {
        // Asks for no more than a head may still have, so that no more is ever held.
        let (result, piece) =
            stream.read(Vec::with_capacity(HEAD_BYTES.saturating_sub(bytes.len()).max(1))).await;
        if result.ok()? == 0 {
            return None;
        }
        bytes.extend_from_slice(&piece);
        if let Some(request) = answer::read(&bytes) {
            return Some(request);
        }
    }
}

/// Writes the answer and reads on for a moment, since what is left unread would reset the connection before the
/// peer has seen it.
async fn give(stream: &mut TcpStream, bytes: Vec<u8>) -> io::Result<()> {
    stream.write_all(bytes).await.0?;
    stream.shutdown().await?;
    let (mut drained, mut buffer) = (0, Vec::with_capacity(4 << 10));
    while drained < ADMIN_DRAIN_BYTES {
        let (result, back) = stream.read(buffer).await;
        buffer = back;
        match result? {
            0 => break,
            bytes => drained += bytes,
        }
    }
    Ok(())
}

impl Desk {
    async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Live => Answer::new(StatusCode::OK, PLAIN, b"ok\n".to_vec()),
            Ask::Ready => {
                let reasons = health::unready(&self.reports().await);
                let ready = reasons.is_empty();
                let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                Answer::new(status, JSON, health::readiness(reasons))
            }
            Ask::Metrics => {
                let text = metrics::render(&self.reports().await, &self.sources.build);
                Answer::new(StatusCode::OK, prometheus::TEXT_FORMAT, text.into_bytes())
            }
            Ask::Progress => Answer::new(StatusCode::OK, JSON, (self.sources.drain.progress)().json()),
            Ask::Drain => {
                (self.sources.drain.begin)();
                Answer::new(StatusCode::ACCEPTED, JSON, (self.sources.drain.progress)().json())
            }
        }
    }

    async fn reports(&self) -> Reports {
        Reports {
            cores: self.questions.ask(&self.sources).await,
            log: (self.sources.log)(),
            cluster: (self.sources.cluster)(),
            phase: (self.sources.phase)(),
            resident_bytes: memory::resident_bytes(),
            lines_left_out: (self.sources.lines_left_out)(),
            certificate_not_after_s: (self.sources.certificate_not_after_s)(),
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
