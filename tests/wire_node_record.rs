//! `kafka/node_records.json`, the contract between nodes of two versions, against our reader and writer.
//!
//! What stands there stays as it is; what is new there gets a vector of its own, here and there at the same place.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use corepost::model::{
    Ask, Asker, Attached, BadCursor, ClientId, Credit, Cursor, Delivered, Dismissal, Envelope, EnvelopeParts,
    Findings, Generation, Head, HelloFrom, HelloSession, IdRef, Kind, Partition, Peer, Position, Pulled,
    PulledEnvelope, Question, SessionInfo, SessionRef, Stamp, Start, StartFrom, ToHome, ToSession, Unresumed,
};
use corepost::wire::node_record::{Beside, Down, NodeRecord, Says, Unreadable, Up, VERSION};
use serde_json::Value;

const POSITION: Position = Position { leader_epoch: 0x21, offset: 0x2223 };
const SESSION: SessionRef = SessionRef { core: 0x31, slot: 0x32, generation: 0x33 };
const ASK: Ask = Ask(0x41);
const CREDIT: Credit = Credit(0x42);
const SINCE_MS: u64 = 0x51;
const TERM: u64 = 0x61;

fn bob() -> ClientId {
    ClientId::new("bob").unwrap()
}

fn up(number: u64, value: Up) -> Says {
    Says::Up { stamp: Stamp { generation: Generation(0x11), number }, value }
}

fn to_home(say: ToHome) -> Says {
    up(0x12, Up::Session { client: bob(), session: SESSION, say })
}

fn down(value: Down) -> Says {
    Says::Down { stamp: Stamp { generation: Generation(0x11), number: 0x12 }, value }
}

fn to_session(say: ToSession) -> Says {
    down(Down::Session { client: bob(), session: SESSION, term: TERM, say })
}

fn attach(start: Start, by_token: bool, issued_at: Option<u64>) -> Says {
    to_home(ToHome::Attach { ask: ASK, start, credit: CREDIT, issued_at, by_token, since_ms: SINCE_MS })
}

fn attached(resumed: Option<Result<(), Unresumed>>, missed: u32, more: bool, replay: bool) -> Says {
    to_session(ToSession::Attached(Attached { ask: ASK, position: POSITION, resumed, missed, more, replay }))
}

fn hello_session(from: HelloFrom, by_token: bool, issued_at: Option<u64>) -> HelloSession {
    HelloSession {
        client: bob(),
        session: SESSION,
        ask: ASK,
        from,
        credit: CREDIT,
        issued_at,
        by_token,
        since_ms: SINCE_MS,
    }
}

fn envelope(kind: Kind, names: [Option<&str>; 3], copied_to: &[u8], body: &[u8]) -> Envelope {
    let [to, from, id] = names.map(|name| name.map(|name| IdRef::new(name).unwrap()));
    Envelope::new(EnvelopeParts { kind, to, from, id, copied_to, body })
}

fn delivered(names: [Option<&str>; 3], copied_to: &[u8]) -> Delivered {
    let envelope = envelope(Kind::Message, names, copied_to, b"\"hi\"");
    Delivered { envelope, at_ms: 0x71, prev: Position::START, position: POSITION }
}

fn gateways() -> Vec<(&'static str, Says)> {
    let start = |cursor, from| Start { cursor, from };
    let new = HelloFrom::Start(start(None, StartFrom::New));
    let welcomed = HelloFrom::Position(POSITION);
    let cursor = Cursor { log_epoch: 0x24, at: POSITION };
    vec![
        ("a hello of no session", up(0, Up::Hello(vec![]))),
        (
            "a hello of one that nobody has welcomed and one that stands at a position",
            up(
                0,
                Up::Hello(vec![hello_session(new, false, None), hello_session(welcomed, true, Some(0x43))]),
            ),
        ),
        ("what goes on with a hello", up(0x12, Up::More(vec![hello_session(welcomed, true, None)]))),
        ("attach, at the present, without token", attach(start(None, StartFrom::New), false, None)),
        (
            "attach, no cursor of this client, at the start, a token without iat",
            attach(start(Some(Err(BadCursor)), StartFrom::Start), true, None),
        ),
        (
            "attach, a cursor, else since a time, a token with iat",
            attach(start(Some(Ok(cursor)), StartFrom::Since(0x52)), true, Some(0x43)),
        ),
        ("attach, some back", attach(start(None, StartFrom::Last(0x53)), false, None)),
        ("resume", to_home(ToHome::Resume { ask: ASK, position: POSITION, credit: CREDIT })),
        ("renew, a token with iat", to_home(ToHome::Renew { issued_at: Some(0x43) })),
        ("renew, a token without iat", to_home(ToHome::Renew { issued_at: None })),
        ("detach", to_home(ToHome::Detach)),
    ]
}

fn homes() -> Vec<(&'static str, Says)> {
    let copy = delivered([Some("bob"), Some("bob"), Some("m-2")], b"[\"eve\"]");
    let plain = delivered([Some("bob"), None, None], b"");
    let mut all = vec![
        ("attached, no cursor, live", attached(None, 0, false, false)),
        ("attached, resumed, many missed", attached(Some(Ok(())), 0x2710, true, true)),
    ];
    let unresumed = [
        ("attached, not resumed: invalid", Unresumed::Invalid),
        ("attached, not resumed: epoch", Unresumed::Epoch),
        ("attached, not resumed: future", Unresumed::Future),
        ("attached, not resumed: truncated", Unresumed::Truncated),
        ("attached, not resumed: expired", Unresumed::Expired),
        ("attached, not resumed: erased", Unresumed::Erased),
        ("attached, not resumed: damaged", Unresumed::Damaged),
    ];
    assert_eq!(unresumed.len(), Unresumed::ALL.len());
    all.extend(unresumed.map(|(name, why)| (name, attached(Some(Err(why)), 1, false, true))));
    all.extend([
        (
            "replay of two, a copy among them",
            to_session(ToSession::Replay { ask: ASK, envelopes: vec![copy, plain], through: POSITION }),
        ),
        ("live", to_session(ToSession::Live { ask: ASK, position: POSITION })),
        ("stop", to_session(ToSession::Stop { ask: ASK })),
    ]);
    let dismissals = [
        ("dismissed: too many sessions", Dismissal::TooManySessions),
        ("dismissed: revoked", Dismissal::Revoked),
        ("dismissed: disconnected", Dismissal::Disconnected),
        ("dismissed: discontinued", Dismissal::Discontinued),
    ];
    all.extend(dismissals.map(|(name, why)| (name, to_session(ToSession::Dismissed(why)))));
    let message = delivered([Some("bob"), Some("Zoë"), Some("m-1")], b"");
    let second = SessionRef { core: 0x34, ..SESSION };
    let head = Head { partition: Partition(0x62), term: TERM, position: POSITION };
    all.extend([
        (
            "deliver to two sessions",
            down(Down::Deliver { sessions: vec![SESSION, second], delivered: message }),
        ),
        ("mark of one partition", down(Down::Mark { echo: 0x13, heads: vec![head] })),
    ]);
    all
}

fn besides() -> Vec<(&'static str, Says)> {
    let envelope = envelope(Kind::Ephemeral, [None, Some("alice"), None], b"", b"{}");
    let to = vec![bob(), ClientId::new("eve").unwrap()];
    let whisper = Beside::Whisper { to, envelope: envelope.clone() };
    let ephemeral = Beside::Ephemeral { client: bob(), sessions: vec![SESSION], envelope };
    vec![
        ("whisper to two clients", Says::Beside(whisper)),
        ("an ephemeral message to a session", Says::Beside(ephemeral)),
    ]
}

const ASKER: Asker = Asker { core: 0x35, number: 0x81 };

fn asks(question: Question) -> Says {
    Says::Beside(Beside::Question { asker: ASKER, client: bob(), question })
}

fn finds(findings: Findings) -> Says {
    Says::Beside(Beside::Findings { asker: ASKER, findings })
}

fn inquiries() -> Vec<(&'static str, Says)> {
    let start = Start { cursor: None, from: StartFrom::Start };
    let own = SessionInfo { gateway: None, session: SESSION, live: true, cursor_lag: 0, since_ms: SINCE_MS };
    let other = SessionInfo {
        gateway: Some(Peer { node: 0x36, incarnation: 0x37 }),
        live: false,
        cursor_lag: 0x82,
        ..own
    };
    let message = delivered([Some("bob"), Some("alice"), Some("m-1")], b"");
    let Delivered { envelope, at_ms, position, .. } = message;
    let (resumed, envelopes) =
        (Some(Err(Unresumed::Expired)), vec![PulledEnvelope { envelope, at_ms, position }]);
    vec![
        ("a question for the sessions of a client", asks(Question::Sessions)),
        ("a question for a page of its mailbox", asks(Question::Pull { start, limit: 0x64 })),
        ("a question that sends its sessions away", asks(Question::Disconnect)),
        (
            "found: a session of the home's node, and one of another",
            finds(Findings::Sessions(vec![own, other])),
        ),
        (
            "found: a page of one message",
            finds(Findings::Pulled(Pulled { resumed, envelopes, cursor: POSITION, more: true })),
        ),
        ("found: its sessions were told to go", finds(Findings::Disconnected)),
        ("found: nothing can be said now", finds(Findings::Unavailable)),
    ]
}

fn ours() -> Vec<(&'static str, NodeRecord)> {
    let says = [gateways(), homes(), besides(), inquiries()].concat();
    let record = |says| NodeRecord { from: Peer { node: 1, incarnation: 2 }, to: 3, says };
    says.into_iter().map(|(name, says)| (name, record(says))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Blanks stand between the parts.
fn bytes(vector: &Value) -> Vec<u8> {
    let digits: Vec<char> = vector["value"].as_str().unwrap().chars().filter(|c| *c != ' ').collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/kafka/node_records.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn read(vector: &Value) -> Result<NodeRecord, Unreadable> {
    NodeRecord::read(vector["v"].as_str().map(str::as_bytes), &bytes(vector))
}

#[test]
fn every_record_is_written_and_read_as_its_vector_says() {
    let vectors = vectors();
    assert_eq!(vectors["version"].to_string(), VERSION);
    let ours = ours();
    let mut written = Vec::new();
    for (name, record) in &ours {
        let mut value = vec![];
        record.write(&mut value);
        written.push((*name, hex(&value)));
    }
    let theirs = vectors["records"].as_array().unwrap();
    let names = |vector: &Value| vector["name"].as_str().unwrap().to_owned();
    assert_eq!(
        theirs.iter().map(names).collect::<Vec<_>>(),
        written.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>(),
        "a vector for each, and each vector for one"
    );
    for ((vector, (name, value)), (_, record)) in theirs.iter().zip(&written).zip(&ours) {
        assert_eq!(vector["v"], VERSION, "{name}");
        assert_eq!(hex(&bytes(vector)), *value, "{name}");
        assert_eq!(read(vector).as_ref(), Ok(record), "{name}");
    }
}

#[test]
fn every_refusal_is_the_one_that_its_vector_says() {
    let vectors = vectors();
    let refused = vectors["refused"].as_array().unwrap();
    for vector in refused {
        let name = &vector["name"];
        match read(vector) {
            Err(Unreadable::NewerVersion) => assert_eq!(vector["error"], "newer_version", "{name}"),
            Err(Unreadable::Damaged { at, what }) => {
                assert_eq!(vector["error"], "damaged", "{name}");
                assert_eq!((&vector["at"], &vector["what"]), (&at.into(), &what.into()), "{name}");
            }
            Ok(record) => panic!("{name}: {record:?}"),
        }
    }
    for error in ["newer_version", "damaged"] {
        assert!(refused.iter().any(|vector| vector["error"] == error), "{error}");
    }
}
