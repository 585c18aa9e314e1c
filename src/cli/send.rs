//! `corepost send`: one message, or one per line of standard input, and what became of each.

use super::Exit;
use super::remote::{Event, Peer, Setup, Stopped, Url, What, parse_id, post_signals, read_token};
use crate::client::{Letter, Output};
use crate::model::{ClientId, Heard};
use crate::wire::json::is_value;
use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

/// Lines of standard input that wait to be sent; a program that writes more waits.
const LINES: usize = 64;

pub(super) const EXAMPLES: &str = "\
Examples:
  corepost send --as alice --to bob hi                   sent as {\"text\":\"hi\"}
  corepost send --as alice --to bob --to eve --json '[1,2]'
  tail -f build.log | corepost send --as ci --to ops -   one message a line
Exit code: 0 all are durable; 1 some are not; 2 a mistake in the arguments.";

/// Sends messages and prints their acks. Exit code 0: all are durable; 1: some are not; 2: a mistake in the arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct SendArgs {
    /// Who to be: a client ID.
    #[arg(long = "as", value_name = "ID", value_parser = parse_id)]
    pub client: ClientId,
    /// A recipient; may be given up to 1,000 times.
    #[arg(long, value_name = "ID", required = true, value_parser = parse_id)]
    pub to: Vec<ClientId>,
    /// The text, which is sent as {"text":TEXT}; `-` sends each line of standard input.
    #[arg(value_name = "TEXT|-")]
    pub text: String,
    /// The server.
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:8080")]
    pub url: Url,
    /// A JWT for this ID (`corepost token` makes one), or @FILE that holds one.
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// TEXT is one JSON value and is sent as it is; answers are printed as JSON, too.
    #[arg(long)]
    pub json: bool,
    /// The message's ID: sending again with the same one is safe. Random otherwise.
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    pub id: Option<ClientId>,
    /// Also into the sender's own mailbox.
    #[arg(long, conflicts_with = "ephemeral")]
    pub copy: bool,
    /// Only to who is connected now: not stored, not acknowledged.
    #[arg(long, conflicts_with = "id")]
    pub ephemeral: bool,
    /// Seconds to wait for the next ack.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
}

/// Sends, waits for all answers, and says how it went.
pub fn run(args: SendArgs) -> Exit {
    let fail = |exit: Exit, error: String| {
        eprintln!("corepost send: {error}");
        exit
    };
    if args.text == "-" && args.id.is_some() {
        return fail(Exit::Usage, "--id names one message; lines of standard input get their own".into());
    }
    let setup = args.token.as_deref().map(read_token).transpose().map(|token| Setup {
        url: args.url.clone(),
        client: args.client.clone(),
        token,
        cursor: None,
        from: None,
    });
    let sender = match setup.and_then(|setup| Sender::new(args, Peer::new(setup))) {
        Ok(sender) => sender,
        Err(mistake) => return fail(Exit::Usage, mistake),
    };
    match sender.send_all() {
        Ok(0) => Exit::Done,
        Ok(_) => Exit::Failed,
        Err(error) => fail(Exit::Failed, error),
    }
}

struct Sender {
    args: SendArgs,
    peer: Peer,
    /// Bodies that wait for room in the outbox.
    waiting: VecDeque<Vec<u8>>,
    lines: Option<Receiver<String>>,
    progress: Instant,
    failures: u64,
    /// For ephemeral messages: those sent, and whether the server has answered the ping behind the last one.
    whispered: u64,
    pinged: bool,
    heard: bool,
    /// Lines that are no JSON, with `--json`.
    mistakes: u64,
}

impl Sender {
    fn new(args: SendArgs, peer: Peer) -> Result<Self, String> {
        let mut waiting = VecDeque::new();
        let mut lines = None;
        if args.text == "-" {
            let (send, receive) = sync_channel(LINES);
            read_lines(send, peer.post());
            lines = Some(receive);
        } else {
            waiting.push_back(body(&args, &args.text)?);
        }
        let progress = Instant::now();
        Ok(Self {
            args,
            peer,
            waiting,
            lines,
            progress,
            failures: 0,
            whispered: 0,
            pinged: false,
            heard: false,
            mistakes: 0,
        })
    }

    /// The number of messages that failed.
    fn send_all(mut self) -> Result<u64, String> {
        post_signals(self.peer.post()).map_err(|error| format!("cannot listen for signals: {error}"))?;
        loop {
            self.take_lines();
            self.post_waiting()?;
            if self.is_done() {
                self.peer.stop();
                return Ok(self.failures + self.mistakes);
            }
            let timeout = Duration::from_secs(self.args.timeout);
            let deadline = self.is_waiting().then(|| self.progress + timeout);
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(self.unanswered(&format!("no answer came for {} s", self.args.timeout)));
            }
            match self.turn(deadline) {
                Ok(None) => {}
                Ok(Some(error)) => return Err(self.unanswered(&error)),
                Err(Stopped) => return Err(self.unanswered("stopped")),
            }
        }
    }

    fn take_lines(&mut self) {
        let Some(lines) = &self.lines else { return };
        while self.waiting.len() < LINES {
            match lines.try_recv() {
                Ok(line) if line.is_empty() => {}
                Ok(line) => match body(&self.args, &line) {
                    Ok(body) => self.waiting.push_back(body),
                    Err(mistake) => {
                        eprintln!("corepost send: {mistake}");
                        self.mistakes += 1;
                    }
                },
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.lines = None;
                    return;
                }
            }
        }
    }

    /// Gives the machine as much as it takes.
    fn post_waiting(&mut self) -> Result<(), String> {
        if !self.is_waiting() {
            self.progress = Instant::now();
        }
        let now = self.peer.now();
        while let Some(body) = self.waiting.front() {
            let client = &mut self.peer.client;
            if self.args.ephemeral {
                // Before the welcome nobody knows whether the server takes us at all.
                if !client.is_welcome() || client.send_ephemeral(self.args.to.clone(), body).is_err() {
                    break;
                }
                (self.whispered, self.pinged) = (self.whispered + 1, false);
            } else {
                if !client.has_room() {
                    break;
                }
                let id = self.args.id.clone().unwrap_or_else(|| client.fresh_id());
                let letter =
                    Letter::new(id.as_ref(), self.args.to.clone(), body).map_err(|e| e.to_string())?;
                let letter = if self.args.copy { letter.with_copy() } else { letter };
                client.send(letter, now).map_err(|error| error.to_string())?;
            }
            self.waiting.pop_front();
        }
        if self.whispered > 0 && !self.pinged && self.waiting.is_empty() && self.peer.client.is_welcome() {
            (self.pinged, self.heard) = (true, false);
            self.peer.client.ping(now);
        }
        self.peer.obey(&mut |_| {});
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        let unheard = self.args.ephemeral && self.whispered > 0 && !self.heard;
        self.peer.client.unanswered() > 0 || !self.waiting.is_empty() || unheard
    }

    fn is_done(&self) -> bool {
        self.lines.is_none() && !self.is_waiting()
    }

    /// Waits for the next thing to happen. `Some` is an error that no patience mends.
    fn turn(&mut self, deadline: Option<Instant>) -> Result<Option<String>, Stopped> {
        let Self { peer, args, progress, failures, heard: answered, pinged, .. } = self;
        let mut error = None;
        peer.wait(deadline, |what| match what {
            What::Frame { heard: Heard::Pong { .. }, .. } => *answered = *pinged,
            What::Frame { heard: Heard::Welcome(welcome), .. } => {
                // A ping of an earlier connection is answered by nobody.
                *pinged = false;
                if welcome.client != args.client.as_ref().as_str() {
                    error = Some(super::listen::another_client(&args.client, welcome.client));
                }
            }
            What::Frame { .. } => {}
            What::Output(Output::Acknowledged { letter, at_ms }) => {
                *progress = Instant::now();
                print_ack(args.json, letter.id().as_str(), *at_ms);
            }
            What::Output(Output::Failed { letter, code, message, failed }) => {
                (*progress, *failures) = (Instant::now(), *failures + 1);
                print_failure(args.json, letter.id().as_str(), code, message, failed);
            }
            What::Output(Output::Complaint { code, message }) => {
                *failures += 1;
                eprintln!("the server says {code}: {message}");
            }
            What::Output(Output::GaveUp(why)) => error = Some(why.to_string()),
            What::Output(Output::NeedToken) => {
                error = Some(
                    "the server wants a token, or another one: give --token TOKEN; make one with: \
                     corepost token --sub ID --ttl 1h --jwt-key FILE"
                        .into(),
                );
            }
            What::Output(_) => {}
            What::Trouble(why) => eprintln!("{why}"),
        })?;
        Ok(error)
    }

    /// Ends with something unanswered.
    fn unanswered(&mut self, why: &str) -> String {
        let count = self.peer.client.unanswered() + self.waiting.len();
        let reached = self.peer.client.stats().welcomes > 0;
        self.peer.stop();
        match (count, &self.args.id) {
            (0, _) => why.to_owned(),
            (_, _) if !reached => format!("{why}; nothing was sent"),
            (1, Some(id)) => format!(
                "{why}; the message is not acknowledged and may or may not have arrived: \
                 sending it again with --id {} is safe",
                id.as_ref().as_str()
            ),
            (1, None) => format!("{why}; the message is not acknowledged and may or may not have arrived"),
            (count, _) => {
                format!("{why}; {count} messages are not acknowledged and may or may not have arrived")
            }
        }
    }
}

/// The body of one message.
fn body(args: &SendArgs, text: &str) -> Result<Vec<u8>, String> {
    if !args.json {
        return Ok(serde_json::json!({ "text": text }).to_string().into_bytes());
    }
    if is_value(text.as_bytes()) {
        Ok(text.as_bytes().to_vec())
    } else {
        Err(format!("`{text}` is no JSON value; without --json it is sent as text"))
    }
}

/// A thread reads standard input as fast as its lines are taken.
fn read_lines(lines: SyncSender<String>, events: SyncSender<Event>) {
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else {
                eprintln!("corepost send: standard input is not UTF-8; the rest is not sent");
                break;
            };
            if lines.send(line).is_err() {
                return;
            }
            // A full channel wakes the loop by what fills it.
            let _ = events.try_send(Event::Lines);
        }
        drop(lines);
        let _ = events.send(Event::Lines);
    });
}

fn print_ack(json: bool, id: &str, at_ms: u64) {
    let line = if json {
        serde_json::json!({ "type": "ack", "id": id, "at": at_ms }).to_string()
    } else {
        format!("ack {id} at {at_ms}")
    };
    let _ = writeln!(io::stdout(), "{line}");
}

fn print_failure(json: bool, id: &str, code: &str, message: &str, failed: &[(Box<str>, Box<str>)]) {
    let line = if json {
        let failed: Vec<_> =
            failed.iter().map(|(to, code)| serde_json::json!({ "to": to, "code": code })).collect();
        let error = serde_json::json!({
            "type": "error", "id": id, "code": code, "message": message, "failed": failed
        });
        error.to_string()
    } else {
        let failed: String = failed.iter().map(|(to, code)| format!("; {to}: {code}")).collect();
        format!("err {id} {code}: {message}{failed}")
    };
    let _ = writeln!(io::stdout(), "{line}");
}
