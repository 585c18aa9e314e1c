//! One connection: the node's socket, the network both ways, and what is checked of the frames on it.

use crate::truth::Truth;
use corepost::model::{ClientId, CloseCode, ErrorCode, Position, Push, SessionRef};
use std::collections::{HashMap, VecDeque};

/// A connection, from the client's attempt to the node's last word.
pub struct Conn {
    pub device: u32,
    pub client: ClientId,
    pub core: u16,
    /// Its session, once upgraded.
    pub name: Option<SessionRef>,
    /// The node's socket is open.
    pub is_served: bool,
    /// The node wants it closed.
    pub is_closing: bool,
    pub is_parked: bool,
    /// The client holds it.
    pub is_held: bool,
    /// Nothing passes any more, and nobody says so.
    pub is_dead: bool,
    /// Arrived and not read.
    pub inbound: VecDeque<Up>,
    /// Pushed and not written.
    pub outbound: VecDeque<Out>,
    pub is_writing: bool,
    pub up: VecDeque<Up>,
    pub down: VecDeque<Down>,
    pub up_ms: u64,
    pub down_ms: u64,
    pub watch: Watch,
}

/// On its way to the node.
#[derive(Debug)]
pub enum Up {
    Frame(Vec<u8>),
    Pong,
    Gone,
}

/// Waits to be written by the node.
#[derive(Debug)]
pub enum Out {
    Push { cost: u32, text: Vec<u8> },
    Ping,
    Close(CloseCode),
}

/// On its way to the client.
#[derive(Debug)]
pub enum Down {
    Frame(Vec<u8>),
    Ping,
    Close(u16),
    Gone,
}

/// Frames of a connection that the network holds before the node's writes wait.
pub const WINDOW: usize = 6;

/// What is checked of one session, frame by frame, as the node writes them.
#[derive(Default)]
pub struct Watch {
    /// Bytes pushed and not written.
    pub outbound: u32,
    /// What the session has been told.
    told: Option<Position>,
    /// The newest envelope given.
    given: Position,
    /// It starts at the head, without a replay.
    pub starts_live: bool,
    pub is_live: bool,
    /// What its client presented.
    pub presented: Option<Position>,
    /// How far the home had been told when it was upgraded.
    pub told_at_open: u64,
    /// The newest of each sender's ephemerals.
    ephemeral: HashMap<String, u64>,
    /// Sends to one recipient that the node took and has not answered, in order.
    pub unanswered: HashMap<String, VecDeque<String>>,
    /// Floors, erases and holes of this mailbox have moved since it was upgraded: `missed` may be of before.
    pub is_disturbed: bool,
    pub has_token: bool,
    /// When its newest token was issued, Unix seconds.
    pub issued_s: Option<u64>,
    /// When the node's end was gone.
    pub gone_ms: u64,
    /// When its client last read or said something.
    pub alive_ms: u64,
}

impl Watch {
    /// The node writes a frame to this session.
    pub fn push(&mut self, client: &ClientId, push: &Push, home_told: u64, truth: &Truth, counted: u32) {
        match push {
            Push::Welcome(welcome) => {
                assert_eq!(self.told, None, "{client}: a second welcome");
                self.told = Some(welcome.cursor);
                self.given = welcome.cursor;
                self.is_live = self.starts_live;
                if welcome.resumed == Some(Ok(())) {
                    assert_eq!(Some(welcome.cursor), self.presented, "{client}: resumed elsewhere");
                }
                assert!(
                    welcome.missed <= counted && (!welcome.more || welcome.missed == counted),
                    "{welcome:?}"
                );
                self.check_missed(client, welcome.cursor, welcome.missed, welcome.more, home_told, truth);
            }
            Push::Message { envelope, at_ms, prev, cursor } => {
                let told = self.told.expect("welcome is the first frame");
                assert!(*prev <= told, "{client}: a hole: {prev:?} is joined, {told:?} was told");
                assert!(
                    *cursor > self.given && *cursor > told,
                    "{client}: {cursor:?} came again after {told:?}"
                );
                assert!(prev < cursor);
                truth.step(client, *prev, Position { offset: cursor.offset - 1, ..*cursor });
                let entry = truth.at(client, *cursor);
                assert_eq!(
                    (&entry.envelope, entry.at_ms),
                    (envelope, *at_ms),
                    "{client} was given another one"
                );
                (self.given, self.told) = (*cursor, Some(*cursor));
            }
            Push::Live { cursor } => {
                self.is_live = true;
                self.tell(client, *cursor, truth);
            }
            Push::Cursor { cursor } => self.tell(client, *cursor, truth),
            Push::Pong { cursor } | Push::Drain { cursor, .. } => {
                if let Some(cursor) = cursor {
                    self.tell(client, *cursor, truth);
                }
            }
            Push::Ephemeral { envelope } => {
                assert!(self.is_live, "{client}: an ephemeral message before it was live");
                let text = String::from_utf8_lossy(envelope.body()).into_owned();
                let (sender, number) = ephemeral(&text);
                let before = self.ephemeral.insert(sender.to_owned(), number);
                assert!(before < Some(number), "{client}: ephemeral {text} after {before:?}");
            }
            Push::Ack { of, .. } => self.answered(of.id().map_or("", |id| id.as_str()), None),
            Push::Error(error) => {
                self.answered(error.id.as_ref().map_or("", |id| id.as_str()), Some(error.code));
            }
        }
    }

    fn tell(&mut self, client: &ClientId, cursor: Position, truth: &Truth) {
        let told = self.told.expect("welcome is the first frame");
        assert!(cursor >= told, "{client}: told {cursor:?} after {told:?}");
        truth.step(client, told, cursor);
        self.told = Some(cursor);
    }

    fn check_missed(
        &mut self,
        client: &ClientId,
        cursor: Position,
        missed: u32,
        more: bool,
        home_told: u64,
        truth: &Truth,
    ) {
        if self.is_disturbed {
            return;
        }
        let least = truth.count(client, cursor, self.told_at_open);
        let most = truth.count(client, cursor, home_told);
        let missed = missed as usize;
        assert!(
            missed <= most && (more || missed >= least),
            "{client}: {missed} missed are said after {cursor:?}, {least} to {most} are there"
        );
    }

    /// The node took a send to one recipient.
    pub fn sent(&mut self, to: &str, id: &str) {
        self.unanswered.entry(to.to_owned()).or_default().push_back(id.to_owned());
    }

    /// Answers to sends to one recipient come in the order of the sends; what is refused at once overtakes.
    fn answered(&mut self, id: &str, code: Option<ErrorCode>) {
        let at_once =
            matches!(code, Some(code) if !matches!(code, ErrorCode::Unavailable | ErrorCode::MailboxFull));
        for (to, waiting) in &mut self.unanswered {
            let Some(at) = waiting.iter().position(|waiting| waiting == id) else { continue };
            assert!(at_once || at == 0, "answers to {to} out of order: {id} came before {:?}", waiting[0]);
            waiting.remove(at);
        }
    }
}

/// An ephemeral body names its sender's connection and counts: `{"sender":"3","n":17}`.
fn ephemeral(body: &str) -> (&str, u64) {
    let rest = body.strip_prefix("{\"sender\":\"").expect("an ephemeral body as it was sent");
    let (sender, rest) = rest.split_once("\",\"n\":").expect("an ephemeral body as it was sent");
    let number = rest.split(['}', ',']).next().and_then(|n| n.parse().ok());
    (sender, number.expect("an ephemeral body as it was sent"))
}
