//! Node records written and read again, and everything else answered.

use super::*;
use crate::limits::{FROM_LAST, ID_BYTES, PARTITIONS_MOST, PULL_MOST, RECIPIENTS, SESSIONS_MOST};
use crate::model::{
    Ask, Asker, Attached, BadCursor, ClientId, Credit, Cursor, Delivered, Dismissal, Envelope, EnvelopeParts,
    Findings, Head, HelloFrom, HelloSession, IdRef, Kind, Partition, Position, Pulled, PulledEnvelope,
    Question, SessionInfo, SessionRef, Start, StartFrom, ToHome, ToSession, Unresumed,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::BTreeSet;

const V: Option<&[u8]> = Some(VERSION.as_bytes());

fn written(record: &NodeRecord) -> Vec<u8> {
    let mut value = vec![];
    record.write(&mut value);
    value
}

fn id(text: &str) -> IdRef<'_> {
    IdRef::new(text).unwrap()
}

fn ids() -> impl Strategy<Value = String> {
    let longest = Just("x".repeat(ID_BYTES));
    prop_oneof![9 => "[a-zA-Zé🦀.:/-]{1,20}", 1 => longest]
}

fn clients() -> impl Strategy<Value = ClientId> {
    ids().prop_map(|text| ClientId::new(&text).unwrap())
}

fn positions() -> impl Strategy<Value = Position> {
    (any::<u32>(), any::<u64>()).prop_map(|(leader_epoch, offset)| Position { leader_epoch, offset })
}

fn sessions() -> impl Strategy<Value = SessionRef> {
    let parts = (any::<u16>(), any::<u32>(), any::<u32>());
    parts.prop_map(|(core, slot, generation)| SessionRef { core, slot, generation })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        select(vec!["1", "\"hi\"", "[1,2,{}]", " true "]).prop_map(|text| text.into()),
        "\\PC{0,50}".prop_map(|text| text.into())
    ]
}

fn messages() -> impl Strategy<Value = Envelope> {
    (ids(), option::of(ids()), option::of(ids()), option::of(bodies()), bodies()).prop_map(
        |(to, from, name, copied_to, body)| {
            Envelope::new(EnvelopeParts {
                kind: Kind::Message,
                to: Some(id(&to)),
                from: from.as_deref().map(id),
                id: name.as_deref().map(id),
                copied_to: &copied_to.unwrap_or_default(),
                body: &body,
            })
        },
    )
}

fn ephemerals() -> impl Strategy<Value = Envelope> {
    (option::of(ids()), option::of(ids()), bodies()).prop_map(|(to, from, body)| {
        Envelope::new(EnvelopeParts {
            kind: Kind::Ephemeral,
            to: to.as_deref().map(id),
            from: from.as_deref().map(id),
            id: None,
            copied_to: b"",
            body: &body,
        })
    })
}

fn deliveries() -> impl Strategy<Value = Delivered> {
    (messages(), any::<u64>(), positions(), positions())
        .prop_map(|(envelope, at_ms, prev, position)| Delivered { envelope, at_ms, prev, position })
}

fn starts() -> impl Strategy<Value = Start> {
    let cursors = option::of(prop_oneof![
        Just(Err(BadCursor)),
        (any::<u64>(), positions()).prop_map(|(log_epoch, at)| Ok(Cursor { log_epoch, at })),
    ]);
    let from = prop_oneof![
        Just(StartFrom::New),
        Just(StartFrom::Start),
        any::<u64>().prop_map(StartFrom::Since),
        (0..=FROM_LAST as u32).prop_map(StartFrom::Last),
    ];
    (cursors, from).prop_map(|(cursor, from)| Start { cursor, from })
}

/// Whether there is a token, and when it was issued.
fn tokens() -> impl Strategy<Value = (bool, Option<u64>)> {
    prop_oneof![Just((false, None)), option::of(any::<u64>()).prop_map(|issued_at| (true, issued_at))]
}

fn questions() -> impl Strategy<Value = (Ask, Credit)> {
    (any::<u32>(), any::<u32>()).prop_map(|(ask, credit)| (Ask(ask), Credit(credit)))
}

fn hello_sessions() -> impl Strategy<Value = HelloSession> {
    let from = prop_oneof![starts().prop_map(HelloFrom::Start), positions().prop_map(HelloFrom::Position)];
    (clients(), sessions(), questions(), from, tokens(), any::<u64>()).prop_map(
        |(client, session, (ask, credit), from, (by_token, issued_at), since_ms)| HelloSession {
            client,
            session,
            ask,
            from,
            credit,
            issued_at,
            by_token,
            since_ms,
        },
    )
}

fn to_home() -> impl Strategy<Value = ToHome> {
    let attach = (questions(), starts(), tokens(), any::<u64>()).prop_map(
        |((ask, credit), start, (by_token, issued_at), since_ms)| ToHome::Attach {
            ask,
            start,
            credit,
            issued_at,
            by_token,
            since_ms,
        },
    );
    prop_oneof![
        attach,
        (questions(), positions()).prop_map(|((ask, credit), position)| ToHome::Resume {
            ask,
            position,
            credit
        }),
        option::of(any::<u64>()).prop_map(|issued_at| ToHome::Renew { issued_at }),
        Just(ToHome::Detach),
    ]
}

fn resumed() -> impl Strategy<Value = Option<Result<(), Unresumed>>> {
    option::of(prop_oneof![Just(Ok(())), select(Unresumed::ALL).prop_map(Err)])
}

fn to_session() -> impl Strategy<Value = ToSession> {
    let asks = || any::<u32>().prop_map(Ask);
    let resumed = resumed();
    let attached = (asks(), positions(), resumed, any::<u32>(), any::<bool>(), any::<bool>()).prop_map(
        |(ask, position, resumed, missed, more, replay)| {
            ToSession::Attached(Attached { ask, position, resumed, missed, more, replay })
        },
    );
    let dismissals =
        [Dismissal::TooManySessions, Dismissal::Revoked, Dismissal::Disconnected, Dismissal::Discontinued];
    prop_oneof![
        attached,
        (asks(), vec(deliveries(), 0..4), positions())
            .prop_map(|(ask, envelopes, through)| ToSession::Replay { ask, envelopes, through }),
        (asks(), positions()).prop_map(|(ask, position)| ToSession::Live { ask, position }),
        asks().prop_map(|ask| ToSession::Stop { ask }),
        select(dismissals.to_vec()).prop_map(ToSession::Dismissed),
    ]
}

fn ups() -> impl Strategy<Value = Up> {
    prop_oneof![
        1 => vec(hello_sessions(), 0..4).prop_map(Up::Hello),
        1 => vec(hello_sessions(), 0..4).prop_map(Up::More),
        3 => (clients(), sessions(), to_home())
            .prop_map(|(client, session, say)| Up::Session { client, session, say }),
    ]
}

fn downs() -> impl Strategy<Value = Down> {
    let heads = (any::<u16>(), any::<u64>(), positions()).prop_map(|(partition, term, position)| Head {
        partition: Partition(partition),
        term,
        position,
    });
    prop_oneof![
        5 => (clients(), sessions(), any::<u64>(), to_session())
            .prop_map(|(client, session, term, say)| Down::Session { client, session, term, say }),
        2 => (vec(sessions(), 0..4), deliveries())
            .prop_map(|(sessions, delivered)| Down::Deliver { sessions, delivered }),
        2 => (any::<u64>(), vec(heads, 0..4)).prop_map(|(echo, heads)| Down::Mark { echo, heads }),
    ]
}

fn inquiries() -> impl Strategy<Value = Question> {
    prop_oneof![
        Just(Question::Sessions),
        (starts(), 0..=PULL_MOST as u32).prop_map(|(start, limit)| Question::Pull { start, limit }),
        Just(Question::Disconnect),
    ]
}

fn findings() -> impl Strategy<Value = Findings> {
    let gateways = (any::<u16>(), any::<u64>()).prop_map(|(node, incarnation)| Peer { node, incarnation });
    let infos = (option::of(gateways), sessions(), any::<bool>(), any::<u64>(), any::<u64>()).prop_map(
        |(gateway, session, live, cursor_lag, since_ms)| SessionInfo {
            gateway,
            session,
            live,
            cursor_lag,
            since_ms,
        },
    );
    let envelopes = (messages(), any::<u64>(), positions())
        .prop_map(|(envelope, at_ms, position)| PulledEnvelope { envelope, at_ms, position });
    let pages = (resumed(), vec(envelopes, 0..4), positions(), any::<bool>())
        .prop_map(|(resumed, envelopes, cursor, more)| Pulled { resumed, envelopes, cursor, more });
    prop_oneof![
        Just(Findings::Unavailable),
        vec(infos, 0..4).prop_map(Findings::Sessions),
        pages.prop_map(Findings::Pulled),
        Just(Findings::Disconnected),
    ]
}

fn besides() -> impl Strategy<Value = Beside> {
    let askers = || (any::<u16>(), any::<u64>()).prop_map(|(core, number)| Asker { core, number });
    prop_oneof![
        (askers(), clients(), inquiries()).prop_map(|(asker, client, question)| Beside::Question {
            asker,
            client,
            question
        }),
        (askers(), findings()).prop_map(|(asker, findings)| Beside::Findings { asker, findings }),
        (vec(clients(), 0..4), ephemerals()).prop_map(|(to, envelope)| Beside::Whisper { to, envelope }),
        (clients(), vec(sessions(), 0..4), ephemerals())
            .prop_map(|(client, sessions, envelope)| Beside::Ephemeral { client, sessions, envelope }),
    ]
}

fn records() -> impl Strategy<Value = NodeRecord> {
    let numbers = || (any::<u64>(), 1..=u64::MAX);
    let stamp = |(generation, number)| Stamp { generation: Generation(generation), number };
    let says = prop_oneof![
        3 => (numbers(), ups()).prop_map(move |((generation, number), value)| {
            let number = if matches!(value, Up::Hello(_)) { 0 } else { number };
            Says::Up { stamp: stamp((generation, number)), value }
        }),
        3 => (numbers(), downs()).prop_map(move |(at, value)| Says::Down { stamp: stamp(at), value }),
        1 => besides().prop_map(Says::Beside),
    ];
    (any::<u16>(), any::<u64>(), any::<u64>(), says).prop_map(|(node, incarnation, to, says)| NodeRecord {
        from: Peer { node, incarnation },
        to,
        says,
    })
}

/// What is read is one of ours, in the one form that it has.
fn is_answered(value: &[u8]) {
    if let Ok(record) = NodeRecord::read(V, value) {
        assert_eq!(written(&record), value, "one form for each record: {record:?}");
    }
}

proptest! {
    #[test]
    fn a_record_survives_its_bytes(record in records()) {
        prop_assert_eq!(NodeRecord::read(V, &written(&record)), Ok(record));
    }

    #[test]
    fn wherever_a_record_is_cut_it_is_damaged_and_so_is_one_with_more_behind_it(record in records()) {
        let mut value = written(&record);
        for cut in 0..value.len() {
            match NodeRecord::read(V, &value[..cut]) {
                Err(Unreadable::Damaged { at, .. }) => prop_assert!(at <= cut, "{} of {}", at, cut),
                other => panic!("cut at {cut} of {}: {other:?}", value.len()),
            }
        }
        let end = value.len();
        value.push(0);
        prop_assert_eq!(NodeRecord::read(V, &value), Err(Unreadable::Damaged { at: end, what: "end" }));
    }

    #[test]
    fn whatever_bit_is_turned_the_record_is_another_one_or_none(
        record in records(),
        turned in vec((any::<Index>(), 0..8u8), 1..4),
    ) {
        let mut value = written(&record);
        for (at, bit) in turned {
            let at = at.index(value.len());
            value[at] ^= 1 << bit;
        }
        is_answered(&value);
    }

    #[test]
    fn any_bytes_are_answered(mut value in vec(any::<u8>(), 0..300), kind in select(KINDS)) {
        is_answered(&value);
        if let Some(byte) = value.get_mut(KIND_AT) {
            *byte = kind;
        }
        is_answered(&value);
    }

    #[test]
    fn the_sessions_that_are_said_to_fit_do_and_nearly_fill_the_record(
        some in vec(hello_sessions(), 1..20),
        times in 1..200usize,
    ) {
        let sessions: Vec<HelloSession> = some.iter().cycle().take(some.len() * times).cloned().collect();
        let fit = fitting(&sessions);
        prop_assert!(fit > 0);
        let hello = |sessions: &[HelloSession]| {
            let says = Says::Up { stamp: HELLO, value: Up::Hello(sessions.to_vec()) };
            written(&NodeRecord { from: PEER, to: 1, says }).len()
        };
        prop_assert!(hello(&sessions[..fit]) <= HELLO_BYTES);
        // What is counted too much is less than what each session has.
        prop_assert!(fit == sessions.len() || hello(&sessions[..fit]) > HELLO_BYTES / 3);
    }
}

/// Bytes before the kind.
const KIND_AT: usize = 2 + 8 + 8;
/// Bytes before what a value on a link says.
const SAYS_AT: usize = KIND_AT + 1 + 16;
const PEER: Peer = Peer { node: 3, incarnation: 7 };
const HELLO: Stamp = Stamp { generation: Generation(5), number: 0 };
const KINDS: &[u8] = &[
    kind::HELLO,
    kind::MORE,
    kind::ATTACH,
    kind::RESUME,
    kind::RENEW,
    kind::DETACH,
    kind::ATTACHED,
    kind::REPLAY,
    kind::LIVE,
    kind::STOP,
    kind::DISMISSED,
    kind::DELIVER,
    kind::MARK,
    kind::WHISPER,
    kind::EPHEMERAL,
    kind::QUESTION,
    kind::FINDINGS,
];

/// A value of that kind that says these bytes.
fn value(kind: u8, says: &[u8]) -> Vec<u8> {
    let mut value = vec![1; KIND_AT];
    value.push(kind);
    value.extend([1; 8]);
    value.extend(u64::from(kind != kind::HELLO).to_le_bytes());
    value.extend(says);
    value
}

fn damaged(at: usize, what: &'static str) -> Result<NodeRecord, Unreadable> {
    Err(Unreadable::Damaged { at, what })
}

#[test]
fn another_version_is_told_apart_from_damage() {
    let stop = value(kind::STOP, b"\x03bob----------________\x01\0\0\0");
    assert!(NodeRecord::read(V, &stop).is_ok());
    for v in ["2", "", "1.1"] {
        assert_eq!(NodeRecord::read(Some(v.as_bytes()), &stop), Err(Unreadable::NewerVersion), "{v}");
        assert_eq!(NodeRecord::read(Some(v.as_bytes()), b"?"), Err(Unreadable::NewerVersion), "{v}");
    }
    assert_eq!(NodeRecord::read(None, &stop), damaged(0, "header v"));
}

#[test]
fn a_kind_that_is_not_ours_is_a_newer_versions() {
    let ours: BTreeSet<u8> = KINDS.iter().copied().collect();
    assert_eq!(ours.len(), KINDS.len(), "each has its own number");
    for kind in 1..=u8::MAX {
        let newer = NodeRecord::read(V, &value(kind, b"")) == Err(Unreadable::NewerVersion);
        assert_eq!(newer, !ours.contains(&kind), "{kind:#x}");
    }
    assert_eq!(NodeRecord::read(V, &value(0, b"")), damaged(KIND_AT, "kind"));
}

#[test]
fn a_hello_has_the_number_0_and_nothing_else_has() {
    let no_sessions = [0; 4];
    assert!(NodeRecord::read(V, &value(kind::HELLO, &no_sessions)).is_ok());
    assert!(NodeRecord::read(V, &value(kind::MORE, &no_sessions)).is_ok());
    let mut hello = value(kind::HELLO, &no_sessions);
    hello[SAYS_AT - 8] = 1;
    assert_eq!(NodeRecord::read(V, &hello), damaged(SAYS_AT - 8, "number"));
    let mut more = value(kind::MORE, &no_sessions);
    more[SAYS_AT - 8] = 0;
    assert_eq!(NodeRecord::read(V, &more), damaged(SAYS_AT - 8, "number"));
}

#[test]
#[should_panic(expected = "has the number 0")]
fn a_value_without_a_number_is_not_written() {
    let says = Says::Up { stamp: HELLO, value: Up::More(vec![]) };
    written(&NodeRecord { from: PEER, to: 1, says });
}

#[test]
#[should_panic(expected = "an erase")]
fn an_erase_is_not_written() {
    let parts = EnvelopeParts {
        kind: Kind::Erase,
        to: Some(id("bob")),
        from: None,
        id: None,
        copied_to: b"",
        body: b"",
    };
    let (at_ms, prev, position) = (1, Position::START, Position::START);
    let delivered = Delivered { envelope: Envelope::new(parts), at_ms, prev, position };
    let value = Down::Deliver { sessions: vec![], delivered };
    let stamp = Stamp { number: 1, ..HELLO };
    written(&NodeRecord { from: PEER, to: 1, says: Says::Down { stamp, value } });
}

/// What these stand for is promised by types, and broken here.
#[test]
fn a_value_that_breaks_a_promise_of_its_type_is_damaged() {
    let session = b"\x03bob----------";
    let renew = |token: &[u8]| value(kind::RENEW, &[&session[..], token].concat());
    assert!(NodeRecord::read(V, &renew(b"\x01")).is_ok());
    assert_eq!(NodeRecord::read(V, &renew(b"\0")), damaged(SAYS_AT + 14, "token"), "renewed without one");
    let attach = |many: u32| {
        let says = [&session[..], b"askscred\0-since--\0\x03", &many.to_le_bytes()].concat();
        NodeRecord::read(V, &value(kind::ATTACH, &says))
    };
    assert!(attach(FROM_LAST as u32).is_ok());
    assert_eq!(attach(FROM_LAST as u32 + 1), damaged(SAYS_AT + 14 + 19, "from"));
    for bad in [&b"\0"[..], b"\x01\"", b"\x02\xff\xff", &[&[129][..], &[b'x'; 129]].concat()] {
        let detach = value(kind::DETACH, &[bad, b"----------"].concat());
        assert_eq!(NodeRecord::read(V, &detach), damaged(SAYS_AT, "client"), "{bad:?}");
    }
}

#[test]
fn a_message_has_a_recipient_and_is_no_ephemeral_one() {
    let deliver = |envelope: &[u8]| {
        NodeRecord::read(V, &value(kind::DELIVER, &[&[0; 4][..], envelope, &[0; 8 + 24]].concat()))
    };
    assert!(deliver(b"\0\x03bob\0\0\0\0\0\0\x01\0\0\x001").is_ok());
    assert_eq!(deliver(b"\0\0\0\0\0\0\0\0\x01\0\0\x001"), damaged(SAYS_AT + 5, "recipient"));
    assert_eq!(deliver(b"\x01\x03bob\0\0\0\0\0\0\x01\0\0\x001"), damaged(SAYS_AT + 4, "kind of envelope"));
    let body = damaged(SAYS_AT + 4 + 11, "body");
    assert_eq!(deliver(b"\0\x03bob\0\0\0\0\0\0\x01\0\0\0\xff"), body, "it would go into a text frame");
}

/// However many a record has room for: what no node says no node has to work off.
#[test]
fn lists_longer_than_there_can_be_are_damaged() {
    let session = SessionRef { core: 0, slot: 0, generation: 0 };
    let head = Head { partition: Partition(0), term: 0, position: Position::START };
    let parts =
        EnvelopeParts { kind: Kind::Ephemeral, to: None, from: None, id: None, copied_to: b"", body: b"1" };
    let (envelope, client) = (Envelope::new(parts), ClientId::new("b").unwrap());
    let whisper =
        |many| Says::Beside(Beside::Whisper { to: vec![client.clone(); many], envelope: envelope.clone() });
    let ephemeral = |many| {
        let (client, envelope) = (client.clone(), envelope.clone());
        Says::Beside(Beside::Ephemeral { client, sessions: vec![session; many], envelope })
    };
    let mark = |many| {
        let stamp = Stamp { number: 1, ..HELLO };
        Says::Down { stamp, value: Down::Mark { echo: 0, heads: vec![head; many] } }
    };
    let tells = |findings| Says::Beside(Beside::Findings { asker: Asker { core: 0, number: 0 }, findings });
    let infos = |many| {
        let (gateway, live, cursor_lag, since_ms) = (None, false, 0, 0);
        let info = SessionInfo { gateway, session, live, cursor_lag, since_ms };
        tells(Findings::Sessions(vec![info; many]))
    };
    let page = |many| {
        let (to, position) = (Some(id("b")), Position::START);
        let parts =
            EnvelopeParts { kind: Kind::Message, to, from: None, id: None, copied_to: b"", body: b"" };
        let listed = PulledEnvelope { envelope: Envelope::new(parts), at_ms: 0, position };
        let envelopes = vec![listed; many];
        tells(Findings::Pulled(Pulled { resumed: None, envelopes, cursor: position, more: false }))
    };
    let is_read = |says: Says| {
        let record = NodeRecord { from: PEER, to: 1, says };
        let read = NodeRecord::read(V, &written(&record));
        assert!(
            read.as_ref().is_ok_and(|read| *read == record)
                || matches!(read, Err(Unreadable::Damaged { .. }))
        );
        read.is_ok()
    };
    assert!(is_read(whisper(RECIPIENTS)) && !is_read(whisper(RECIPIENTS + 1)));
    assert!(is_read(ephemeral(SESSIONS_MOST as usize)) && !is_read(ephemeral(SESSIONS_MOST as usize + 1)));
    assert!(is_read(infos(SESSIONS_MOST as usize)) && !is_read(infos(SESSIONS_MOST as usize + 1)));
    assert!(is_read(page(PULL_MOST)) && !is_read(page(PULL_MOST + 1)));
    assert!(is_read(mark(PARTITIONS_MOST.into())) && !is_read(mark(usize::from(PARTITIONS_MOST) + 1)));
}

/// A list at a record's end has no more bytes than its items: what the smallest is thought to have, it has.
#[test]
fn lists_of_the_smallest_items_are_read() {
    let client = ClientId::new("b").unwrap();
    let session = SessionRef { core: 0, slot: 0, generation: 0 };
    let from = HelloFrom::Start(Start { cursor: None, from: StartFrom::New });
    let (ask, credit) = (Ask(0), Credit(0));
    let hello = HelloSession {
        client: client.clone(),
        session,
        ask,
        from,
        credit,
        issued_at: None,
        by_token: false,
        since_ms: 0,
    };
    let parts = EnvelopeParts {
        kind: Kind::Message,
        to: Some(id("b")),
        from: None,
        id: None,
        copied_to: b"",
        body: b"",
    };
    let delivered = Delivered {
        envelope: Envelope::new(parts),
        at_ms: 0,
        prev: Position::START,
        position: Position::START,
    };
    let replay = ToSession::Replay { ask, envelopes: vec![delivered; 99], through: Position::START };
    let head = Head { partition: Partition(0), term: 0, position: Position::START };
    let next = Stamp { number: 1, ..HELLO };
    for says in [
        Says::Up { stamp: HELLO, value: Up::Hello(vec![hello; 99]) },
        Says::Down { stamp: next, value: Down::Session { client, session, term: 0, say: replay } },
        Says::Down { stamp: next, value: Down::Mark { echo: 0, heads: vec![head; 99] } },
    ] {
        let record = NodeRecord { from: PEER, to: 1, says };
        let value = written(&record);
        assert_eq!(NodeRecord::read(V, &value), Ok(record));
    }
}
