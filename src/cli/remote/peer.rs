//! The loop's half: it gives the machine what happened and does what the machine says.

use super::dial::{Dial, Event, random_bytes};
use super::frames::{Frames, Incoming};
use super::url::{Url, percent_encode};
use crate::client::{Client, Delivery, Ending, Options, Output, Parting};
use crate::model::{ClientId, CloseCode, Heard, Now};
use crate::wire::json::Hearing;
use crate::wire::websocket::{BadResponse, Opcode};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

/// Events that wait for the loop; a thread with more waits itself, and TCP with it.
const EVENTS: usize = 16;

/// Who connects where.
pub struct Setup {
    /// The server.
    pub url: Url,
    /// Who we are.
    pub client: ClientId,
    /// A JWT, if the server wants one.
    pub token: Option<String>,
    /// A cursor from earlier.
    pub cursor: Option<String>,
    /// `from=`.
    pub from: Option<String>,
}

/// What the command is told.
pub enum What<'a> {
    /// A frame, as it came and as it was understood; what of it is new to the application.
    Frame {
        /// As it came.
        raw: &'a [u8],
        /// As it was understood.
        heard: &'a Heard<'a>,
        /// What the application is to be given.
        delivery: Option<Delivery<'a>>,
    },
    /// What the machine has decided; the peer does its own part of it.
    Output(&'a Output),
    /// A connection did not come about or ended: why, for people.
    Trouble(&'a str),
}

/// A signal asks us to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// A client's machine with a socket.
pub struct Peer {
    /// The machine.
    pub client: Client,
    url: Url,
    name: ClientId,
    connection: u32,
    frames: Option<Frames>,
    hearing: Hearing,
    events: Receiver<Event>,
    post: SyncSender<Event>,
    began: Instant,
}

impl Peer {
    /// Nothing happens before the first [`Peer::wait`].
    pub fn new(setup: Setup) -> Self {
        let (post, events) = sync_channel(EVENTS);
        let options = Options {
            from: setup.from.map(Into::into),
            cursor: setup.cursor.map(Into::into),
            token: setup.token.map(Into::into),
            seed: u64::from_ne_bytes(random_bytes()),
        };
        Self {
            client: Client::new(options),
            url: setup.url,
            name: setup.client,
            connection: 0,
            frames: None,
            hearing: Hearing::new(),
            events,
            post,
            began: Instant::now(),
        }
    }

    /// Where other threads post what happens to them.
    pub fn post(&self) -> SyncSender<Event> {
        self.post.clone()
    }

    /// The time, as the machine knows it.
    pub fn now(&self) -> Now {
        let unix_ms = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
        Now { mono_ms: self.began.elapsed().as_millis() as u64, unix_ms }
    }

    /// Waits for the next thing to happen, at most until `deadline`, and deals with it.
    pub fn wait(&mut self, deadline: Option<Instant>, mut tell: impl FnMut(What<'_>)) -> Result<(), Stopped> {
        let tick = self.client.next_tick_ms().map(|tick_ms| self.began + Duration::from_millis(tick_ms));
        let until = [deadline, tick].into_iter().flatten().min();
        let event = match until {
            Some(until) => self.events.recv_timeout(until.saturating_duration_since(Instant::now())),
            None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Stop) => return Err(Stopped),
            Ok(event) => self.take(event, &mut tell),
            Err(_) => {}
        }
        self.client.tick(self.now());
        self.obey(&mut tell);
        Ok(())
    }

    /// Does what the machine has asked for. To be called after the application has spoken to it.
    pub fn obey(&mut self, tell: &mut impl FnMut(What<'_>)) {
        while let Some(output) = self.client.output() {
            match &output {
                Output::Connect => self.dial(),
                Output::Transmit(frame) => {
                    let mut json = Vec::new();
                    frame.write_json(&mut json);
                    self.transmit(&json, tell);
                }
                Output::Disconnect(parting) => self.hang_up(*parting),
                _ => {}
            }
            tell(What::Output(&output));
        }
    }

    /// Leaves for good, politely.
    pub fn stop(&mut self) {
        self.client.stop();
        self.obey(&mut |_| {});
    }

    fn dial(&mut self) {
        self.connection += 1;
        Dial {
            connection: self.connection,
            url: self.url.clone(),
            query: format!("?client={}{}", percent_encode(self.name.as_ref().as_str()), self.client.query()),
            token: self.client.token().map(str::to_owned),
            events: self.post.clone(),
        }
        .start();
    }

    fn transmit(&mut self, json: &[u8], tell: &mut impl FnMut(What<'_>)) {
        let Some(frames) = &mut self.frames else { return };
        if let Err(error) = frames.write(Opcode::Text, json) {
            tell(What::Trouble(&format!("cannot write to the server: {error}")));
            self.ended(Ending::Broken, Parting::DeadPeer);
        }
    }

    fn take(&mut self, event: Event, tell: &mut impl FnMut(What<'_>)) {
        match event {
            // What a connection says that was left meanwhile concerns nobody.
            Event::Opened { connection, stream } if connection != self.connection => {
                stream.shutdown();
            }
            Event::Refused { connection, .. }
            | Event::Came { connection, .. }
            | Event::Ended { connection, .. }
                if connection != self.connection => {}
            Event::Opened { stream, .. } => {
                self.frames = Some(Frames::new(stream));
                self.client.opened(self.now());
            }
            Event::Refused { why, .. } => {
                let ending = match why {
                    BadResponse::Status { status, retry_after_s } => {
                        let retry_after_ms = retry_after_s.map(|seconds| u64::from(seconds) * 1_000);
                        Ending::Refused { status, retry_after_ms }
                    }
                    _ => Ending::Refused { status: 400, retry_after_ms: None },
                };
                tell(What::Trouble(&why.to_string()));
                self.ended(ending, Parting::Nonsense);
            }
            Event::Ended { why, .. } => {
                if !why.is_empty() {
                    tell(What::Trouble(&why));
                }
                self.ended(Ending::Broken, Parting::DeadPeer);
            }
            Event::Came { bytes, .. } => self.came(bytes, tell),
            Event::Lines | Event::Stop => {}
        }
    }

    fn came(&mut self, mut bytes: Vec<u8>, tell: &mut impl FnMut(What<'_>)) {
        let now = self.now();
        // Taken out while its frames are dealt with, for those may ask for its end.
        let Some(mut frames) = self.frames.take() else { return };
        let (client, hearing) = (&mut self.client, &mut self.hearing);
        let mut closed = None;
        let mut trouble = None;
        client.noticed(now);
        let result = frames.take_in(&mut bytes, now.mono_ms, |incoming| match incoming {
            Incoming::Text(raw) => match hearing.hear(raw) {
                Ok(heard) => {
                    let delivery = client.heard(&heard, now);
                    tell(What::Frame { raw, heard: &heard, delivery });
                    true
                }
                Err(error) => {
                    trouble = Some(error.to_string());
                    false
                }
            },
            Incoming::Control => true,
            Incoming::Close(code) => {
                closed = Some(code);
                false
            }
        });
        self.frames = Some(frames);
        if let Some(trouble) = trouble.or(result.err()) {
            tell(What::Trouble(&trouble));
            self.ended(Ending::Broken, Parting::Nonsense);
        } else if let Some(code) = closed {
            self.ended(Ending::Closed(code), Parting::Stopped);
        }
    }

    /// The connection is over, whoever ended it.
    fn ended(&mut self, ending: Ending, parting: Parting) {
        if let Some(frames) = self.frames.take() {
            let code = match ending {
                // A close frame is answered with its own code.
                Ending::Closed(code) => code.unwrap_or(CloseCode::Normal as u16),
                _ => parting.close_code() as u16,
            };
            frames.close(code);
        }
        // What its thread still says is of the past.
        self.connection += 1;
        self.client.closed(ending, self.now());
    }

    fn hang_up(&mut self, parting: Parting) {
        if let Some(frames) = self.frames.take() {
            frames.close(parting.close_code() as u16);
        }
        self.connection += 1;
    }
}
