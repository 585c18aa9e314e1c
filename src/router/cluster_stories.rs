//! What one core of one node of a cluster answers for, with the post and the log played by hand.

use super::Output;
use super::rig::{Lone, PARTITIONS};
use crate::limits::{AHEAD_MS, ASK_AGAIN_MS, JOINS_PER_TICK};
use crate::log::{LogEvent, ReadFrom, Record};
use crate::model::{
    Ask, Attached, ClientId, CloseCode, Credit, Delivered, Dismissal, Dispatch, Envelope, EnvelopeParts,
    Head, HelloFrom, HelloSession, IdRef, Kind, Parcel, Partition, Peer, Position, Push, Route, SessionRef,
    StartFrom, ToHome, ToSession, Topology, Via,
};

pub(super) const HOME: Peer = Peer { node: 1, incarnation: 7 };
pub(super) const OTHER: Peer = Peer { node: 2, incarnation: 8 };
pub(super) const LINK: Via = Via(5);

pub(super) fn clustered() -> Lone {
    Lone::new(|settings| settings.is_clustered = true)
}

pub(super) fn partition_of(client: &str) -> Partition {
    Topology::new(PARTITIONS, 1).place(IdRef::new(client).unwrap()).partition
}

pub(super) fn at(offset: u64) -> Position {
    Position { leader_epoch: 1, offset }
}

impl Lone {
    pub(super) fn routed(mut self, route: Route) -> Self {
        self.post(Parcel::Routes { routes: vec![route; usize::from(PARTITIONS)].into() });
        self
    }

    pub(super) fn begun(&mut self, client: &str, term: u64, head: Position) {
        let partition = partition_of(client);
        self.tell(LogEvent::Begun { partition, term, head });
        let asked_ms = self.now.mono_ms;
        self.tell(LogEvent::Fresh { partitions: [partition].into(), asked_ms });
    }

    /// The home of this core's `session` says this in that term.
    fn says(&mut self, client: &str, session: SessionRef, term: u64, say: ToSession) {
        let client = ClientId::new(client).unwrap();
        self.post(Parcel::ToSession { client, session, term, say });
    }

    /// A record of this client's mailbox comes.
    fn record(&mut self, client: &str, offset: u64) {
        let (partition, envelope, at_ms) = (partition_of(client), envelope(client), self.now.unix_ms);
        self.tell(LogEvent::Record(Record { partition, offset, leader_epoch: 1, at_ms, envelope }));
    }
}

pub(super) fn envelope(to: &str) -> Envelope {
    let (kind, to) = (Kind::Message, IdRef::new(to).ok());
    Envelope::new(EnvelopeParts { kind, to, from: None, id: None, copied_to: b"", body: b"1" })
}

fn attached(ask: Ask, position: Position) -> ToSession {
    ToSession::Attached(Attached { ask, position, resumed: None, missed: 0, more: false, replay: false })
}

/// A session of another gateway that stands at this position.
pub(super) fn joining(client: &str, ask: u32, position: Position, credit: u32) -> Parcel {
    let session = HelloSession {
        client: ClientId::new(client).unwrap(),
        session: SessionRef { core: 3, slot: 9, generation: 2 },
        ask: Ask(ask),
        from: HelloFrom::Position(position),
        credit: Credit(credit),
        issued_at: None,
        by_token: false,
        since_ms: 0,
    };
    Parcel::Join { via: LINK, session: Box::new(session) }
}

/// What a home has said to the session of `joining`.
fn said(dispatches: Vec<Dispatch>) -> Vec<(u64, ToSession)> {
    let say = |dispatch| match dispatch {
        Dispatch::ToSession { via: LINK, term, say, .. } => Some((term, say)),
        _ => None,
    };
    dispatches.into_iter().filter_map(say).collect()
}

/// A session of alice, live at `at(10)` in term 3 of a home on another node.
fn live_away() -> (Lone, SessionRef) {
    let mut lone = clustered().routed(Route::Away(HOME));
    let slot = lone.open("alice", StartFrom::New);
    let [Dispatch::ToHome { home: HOME, session, say: ToHome::Attach { ask, .. }, .. }] =
        lone.dispatches()[..]
    else {
        panic!("its home is asked")
    };
    lone.says("alice", session, 3, attached(ask, at(10)));
    assert!(matches!(lone.pushes(slot)[..], [Push::Welcome(_)]));
    (lone, session)
}

#[test]
fn who_comes_before_anybody_is_known_is_welcomed_when_the_home_is() {
    let mut lone = clustered();
    let slot = lone.open("alice", StartFrom::New);
    assert_eq!(lone.outputs(), [], "nobody owns anything yet");
    let mut lone = lone.routed(Route::Here);
    assert_eq!(lone.outputs(), [], "we are its home, and do not serve the partition yet");
    lone.begun("alice", 1, at(10));
    assert!(matches!(&lone.pushes(slot)[..], [Push::Welcome(welcome)] if welcome.cursor == at(10)));
}

#[test]
fn a_moved_session_is_detached_joined_and_moved_by_its_new_home_alone() {
    let (lone, session) = live_away();
    let mut lone = lone.routed(Route::Away(OTHER));
    let [
        Dispatch::ToHome { home: HOME, say: ToHome::Detach, .. },
        Dispatch::Join { home: OTHER, session: ref joined },
    ] = lone.dispatches()[..]
    else {
        panic!("the old home is told, then the new one asked")
    };
    assert_eq!((joined.session, joined.from), (session, HelloFrom::Position(at(10))));
    let ask = joined.ask;
    let heads = |term, offset| {
        let head = Head { partition: partition_of("alice"), term, position: at(offset) };
        Parcel::Mark { heads: [head].into() }
    };
    lone.post(heads(3, 20));
    lone.shard.on_ping(session.slot, lone.now, &mut lone.out);
    assert_eq!(lone.pushes(session.slot), [Push::Pong { cursor: Some(at(10)) }], "it is not live");
    lone.says("alice", session, 9, ToSession::Live { ask: Ask(ask.0 - 1), position: at(30) });
    assert_eq!(lone.pushes(session.slot), [], "the old home's answer came late");
    lone.says("alice", session, 3, ToSession::Live { ask, position: at(12) });
    assert_eq!(lone.pushes(session.slot), [Push::Live { cursor: at(12) }]);
    lone.post(heads(2, 40));
    lone.shard.on_ping(session.slot, lone.now, &mut lone.out);
    let moved = [Push::Pong { cursor: Some(at(20)) }];
    assert_eq!(lone.pushes(session.slot), moved, "by its own term's mark, not by that of another");
}

#[test]
fn who_goes_before_it_could_join_its_new_home_is_forgotten_by_the_old_one() {
    let (mut lone, _) = live_away();
    // So many move at once that this one has to wait for its turn.
    for n in 0..JOINS_PER_TICK {
        lone.open(&format!("client-{n}"), StartFrom::New);
    }
    let last = lone.open("alice", StartFrom::New);
    lone.dispatches();
    let mut lone = lone.routed(Route::Away(OTHER));
    lone.dispatches();
    lone.close(last);
    let dispatches = lone.dispatches();
    let told = |to| {
        let tells = |dispatch: &&Dispatch| {
            matches!(dispatch, Dispatch::ToHome { home, session, say: ToHome::Detach, .. }
                if *home == to && session.slot == last)
        };
        dispatches.iter().filter(tells).count()
    };
    assert_eq!((told(HOME), told(OTHER)), (1, 1));
}

#[test]
fn a_greeting_brings_all_sessions_of_that_home_and_no_others() {
    let (mut lone, session) = live_away();
    lone.post(Parcel::Greet { home: OTHER });
    assert_eq!(lone.dispatches(), []);
    lone.post(Parcel::Greet { home: HOME });
    let [Dispatch::Join { home: HOME, session: ref joined }] = lone.dispatches()[..] else {
        panic!("it joins")
    };
    assert_eq!((joined.session, joined.ask), (session, Ask(2)));
}

#[test]
fn a_question_to_another_node_is_asked_again_until_it_is_answered() {
    let mut lone = clustered().routed(Route::Away(HOME));
    lone.open("alice", StartFrom::New);
    assert_eq!(lone.dispatches().len(), 1);
    let mut asks = Vec::new();
    for _ in 0..3 {
        lone.pass(ASK_AGAIN_MS);
        lone.tick();
        let joins = lone.dispatches().into_iter().filter_map(|dispatch| match dispatch {
            Dispatch::Join { session, .. } => Some(session),
            _ => None,
        });
        asks.extend(joins.map(|joined| (joined.ask.0, matches!(joined.from, HelloFrom::Start(_)))));
    }
    assert_eq!(asks, [(1, true), (1, true), (1, true)], "the same question: whoever is at it goes on");
}

#[test]
fn a_session_is_served_from_the_moment_its_partition_is() {
    let mut lone = clustered().routed(Route::Here);
    lone.post(joining("alice", 4, at(10), 5_000));
    assert_eq!(lone.dispatches(), [], "the partition is not served yet");
    lone.begun("alice", 6, at(10));
    let live = (6, ToSession::Live { ask: Ask(4), position: at(10) });
    assert_eq!(said(lone.dispatches()), [live]);
    lone.record("alice", 10);
    let [Dispatch::Deliver { via: LINK, ref sessions, delivered: Delivered { prev, position, .. } }] =
        lone.dispatches()[..]
    else {
        panic!("it is delivered")
    };
    assert_eq!((sessions.len(), prev, position), (1, at(10), at(11)));

    lone.tell(LogEvent::Ended(partition_of("alice")));
    lone.begun("alice", 7, at(15));
    let reads = lone.reads();
    assert_eq!(reads.len(), 1, "a new term judges it again: it may have missed something");
    lone.nothing(&reads[0]);
    let said = said(lone.dispatches());
    assert_eq!(said.last(), Some(&(7, ToSession::Live { ask: Ask(4), position: at(15) })));
}

#[test]
fn who_was_live_and_got_nothing_for_long_has_missed_nothing_before_the_term_that_ends() {
    let mut lone = clustered().routed(Route::Here);
    lone.begun("alice", 6, at(10));
    lone.post(joining("alice", 4, at(10), 5_000));
    lone.dispatches();
    lone.tell(LogEvent::Head(partition_of("alice"), at(900)));
    lone.tell(LogEvent::Ended(partition_of("alice")));
    lone.begun("alice", 7, at(902));
    assert_eq!(
        lone.reads()[0].from,
        ReadFrom::After(at(900)),
        "not from its last message, which may have expired"
    );
}

#[test]
fn who_is_told_late_that_a_term_is_over_goes_on_from_where_that_had_come() {
    let (mut lone, session) = live_away();
    let mark = |term, offset| {
        let head = Head { partition: partition_of("alice"), term, position: at(offset) };
        Parcel::Mark { heads: [head].into() }
    };
    lone.post(mark(3, 900));
    lone.post(mark(4, 950));
    lone.says("alice", session, 4, ToSession::Stop { ask: Ask(1) });
    let [Dispatch::ToHome { say: ToHome::Resume { position, .. }, .. }] = lone.dispatches()[..] else {
        panic!("it asks for what it may have missed in between")
    };
    assert_eq!(position, at(900), "not from its last message, and not from where nobody has served it");
}

#[test]
fn a_page_asked_for_in_an_earlier_term_says_nothing() {
    let mut lone = clustered().routed(Route::Here);
    lone.begun("alice", 6, at(20));
    lone.post(joining("alice", 4, at(10), 5_000));
    let reads = lone.reads();
    lone.begun("alice", 7, at(20));
    lone.nothing(&reads[0]);
    assert_eq!(said(lone.dispatches()), [], "it is asked again in this term");
}

#[test]
fn who_stands_beyond_the_tail_is_waited_for_and_then_sent_to_ask_anew() {
    let mut lone = clustered().routed(Route::Here);
    lone.begun("alice", 6, at(10));
    lone.post(joining("alice", 4, at(12), 5_000));
    assert_eq!(said(lone.dispatches()), []);
    let wait = |lone: &mut Lone, ms| {
        lone.pass(ms);
        let asked_ms = lone.now.mono_ms;
        lone.tell(LogEvent::Fresh { partitions: [partition_of("alice")].into(), asked_ms });
        said(lone.dispatches())
    };
    assert_eq!(wait(&mut lone, AHEAD_MS - 1), []);
    let gone = ToSession::Dismissed(Dismissal::Discontinued);
    assert_eq!(wait(&mut lone, 1), [(6, gone.clone())]);

    let mut lone = clustered().routed(Route::Here);
    lone.begun("alice", 6, at(10));
    for ask in [4, 5] {
        lone.post(joining("alice", ask, at(12), 5_000));
        assert_eq!(wait(&mut lone, ASK_AGAIN_MS - 1_000), []);
    }
    assert_eq!(wait(&mut lone, 1_000), [(6, gone.clone())], "its patience is that of its first question");

    let mut lone = clustered().routed(Route::Here);
    lone.begun("alice", 6, at(10));
    lone.post(joining("alice", 4, at(11), 5_000));
    assert_eq!(lone.dispatches(), []);
    lone.record("alice", 10);
    assert_eq!(wait(&mut lone, 200), [(6, ToSession::Live { ask: Ask(4), position: at(11) })]);

    let mut lone = clustered().routed(Route::Here);
    let head = Position { leader_epoch: 2, offset: 10 };
    lone.begun("alice", 6, head);
    lone.post(joining("alice", 4, at(12), 5_000));
    assert_eq!(said(lone.dispatches()), [(6, gone)], "the leader that it names has lost what it was given");
}

#[test]
fn what_waited_for_a_process_that_stood_still_is_as_old_as_it_is() {
    let mut lone = clustered().routed(Route::Here);
    lone.begun("alice", 6, at(10));
    let asked_ms = lone.now.mono_ms;
    lone.pass(9_000);
    // What comes first when it goes on was said before it stood still.
    lone.tell(LogEvent::Fresh { partitions: [partition_of("alice")].into(), asked_ms });
    let alice = lone.open("alice", StartFrom::New);
    assert_eq!(lone.pushes(alice), [], "nobody knows where the log ends now");
    let asked_ms = lone.now.mono_ms;
    lone.tell(LogEvent::Fresh { partitions: [partition_of("alice")].into(), asked_ms });
    assert!(matches!(&lone.pushes(alice)[..], [Push::Welcome(_)]));
}

#[test]
fn who_was_given_what_the_log_has_lost_is_sent_to_ask_anew() {
    let (mut lone, session) = live_away();
    let delivered = |leader_epoch, offset| Delivered {
        envelope: envelope("alice"),
        at_ms: 1,
        prev: at(9),
        position: Position { leader_epoch, offset },
    };
    let deliver = |delivered| Parcel::Deliver { sessions: vec![session], delivered };
    lone.post(deliver(delivered(1, 10)));
    assert_eq!(lone.outputs(), [], "it has this one");
    lone.post(deliver(delivered(2, 10)));
    let outputs = lone.outputs();
    assert!(outputs.contains(&Output::Close { slot: session.slot, code: CloseCode::Restart }), "{outputs:?}");
}

#[test]
fn a_link_that_is_over_takes_its_sessions_along() {
    let mut lone = clustered().routed(Route::Here);
    lone.begun("alice", 6, at(10));
    lone.post(Parcel::Meet { via: LINK, gateway: OTHER });
    lone.post(joining("alice", 4, at(10), 5_000));
    let sessions = lone.shard.sessions_of("alice");
    let session = SessionRef { core: 3, slot: 9, generation: 2 };
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].gateway, sessions[0].session), (Some(OTHER), session));
    lone.outputs();
    lone.post(Parcel::Forget { via: LINK });
    assert_eq!(lone.shard.sessions_of("alice"), []);
    lone.record("alice", 10);
    assert_eq!(lone.dispatches(), []);
}

#[test]
fn nothing_that_another_node_says_out_of_turn_ends_this_one() {
    let (mut lone, session) = live_away();
    let wrong = [
        attached(Ask(1), at(99)),
        ToSession::Stop { ask: Ask(9) },
        ToSession::Replay { ask: Ask(9), envelopes: Vec::new(), through: at(99) },
    ];
    for say in wrong {
        lone.says("alice", session, 3, say);
    }
    let nobody = SessionRef { slot: 77, ..session };
    lone.says("alice", nobody, 3, attached(Ask(1), at(99)));
    let partition = Partition(PARTITIONS + 3);
    lone.post(Parcel::Mark { heads: [Head { partition, term: 3, position: at(5) }].into() });
    assert_eq!(lone.outputs(), []);
    lone.says("alice", session, 3, ToSession::Dismissed(Dismissal::Discontinued));
    let closes: Vec<_> = lone.outputs();
    assert!(closes.contains(&Output::Close { slot: session.slot, code: CloseCode::Restart }), "{closes:?}");
}
