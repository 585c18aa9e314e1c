//! What is asked about a client for the HTTP API: its home here, on another node, or nowhere; and what others ask of us.

use super::cluster_stories::{HOME, LINK, OTHER, at, clustered, envelope, joining, partition_of};
use super::rig::Lone;
use super::{Answer, NoHome, Output, Request};
use crate::counters::{Dropped, Refusal};
use crate::limits::{
    PULL_BYTES, QUESTION_MS, QUESTION_PAGE_BYTES, QUESTIONS, QUESTIONS_HEARD, QUESTIONS_OF_HOME,
};
use crate::log::{LogEvent, Page, Read, Record, Revocation, Unreadable};
use crate::model::{
    Asker, ClientId, Dismissal, Dispatch, ErrorCode, Findings, Parcel, Peer, Pulled, Question, Route,
    SessionInfo, SessionRef, Start, StartFrom, ToSession, Unresumed,
};

const FROM_START: Question =
    Question::Pull { start: Start { cursor: None, from: StartFrom::Start }, limit: 9 };

fn alice() -> ClientId {
    ClientId::new("alice").unwrap()
}

fn asker(number: u64) -> Asker {
    Asker { core: 7, number }
}

impl Lone {
    fn asks(&mut self, number: u32, question: Question) {
        let request = Request { number, element: 0 };
        self.shard.inquire(request, &alice(), question, self.now, &mut self.out);
    }

    /// Another node asks about alice.
    fn is_asked(&mut self, number: u64, question: Question) {
        self.post(Parcel::Ask { from: OTHER, asker: asker(number), client: alice(), question });
    }

    fn told(&mut self, home: Peer, number: u64, findings: Findings) {
        self.post(Parcel::Told { home, number, findings: Box::new(findings) });
    }

    fn answers(&mut self) -> Vec<(u32, Answer)> {
        let answer = |output| match output {
            Output::Answer(request, answer) => Some((request.number, answer)),
            _ => None,
        };
        self.outputs().into_iter().filter_map(answer).collect()
    }

    fn page(&mut self, read: &Read, offsets: std::ops::Range<u64>) {
        let (partition, at_ms) = (partition_of("alice"), self.now.unix_ms);
        let record =
            |offset| Record { partition, offset, leader_epoch: 1, at_ms, envelope: envelope("alice") };
        let (counted, through) = (9, at(offsets.end));
        let records = offsets.map(record).collect();
        let page = Page { start: at(0), records, through, counted, more: false };
        self.tell(LogEvent::Page(read.ticket, Ok(page)));
    }
}

fn asked(dispatches: Vec<Dispatch>) -> Vec<(Peer, u64, Question)> {
    let ask = |dispatch| match dispatch {
        Dispatch::Ask { home, number, question, .. } => Some((home, number, question)),
        _ => None,
    };
    dispatches.into_iter().filter_map(ask).collect()
}

fn found(dispatches: Vec<Dispatch>) -> Vec<(Peer, u64, Findings)> {
    let tell = |dispatch| match dispatch {
        Dispatch::Tell { to, asker, findings } if asker.core == 7 => Some((to, asker.number, findings)),
        _ => None,
    };
    dispatches.into_iter().filter_map(tell).collect()
}

#[test]
fn a_node_alone_answers_itself() {
    let mut lone = Lone::new(|_| {});
    lone.open("alice", StartFrom::New);
    lone.outputs();
    lone.asks(3, Question::Sessions);
    let [(3, Answer::Sessions { home: None, ref sessions })] = lone.answers()[..] else { panic!("here") };
    assert_eq!((sessions.len(), sessions[0].gateway, sessions[0].live), (1, None, true));
    lone.asks(4, Question::Disconnect);
    let outputs = lone.outputs();
    assert!(outputs.iter().any(|output| matches!(output, Output::Close { .. })), "{outputs:?}");
    let answer = |output: &&Output| matches!(output, Output::Answer(_, Answer::Done { .. }));
    assert_eq!(outputs.iter().filter(answer).count(), 1);
}

#[test]
fn the_home_of_a_client_elsewhere_is_asked_once_and_its_word_is_the_answer() {
    let mut lone = clustered().routed(Route::Away(HOME));
    let questions = [Question::Sessions, FROM_START, Question::Disconnect];
    (1..).zip(questions).for_each(|(number, question)| lone.asks(number, question));
    assert_eq!(
        asked(lone.dispatches()),
        [(HOME, 1, questions[0]), (HOME, 2, questions[1]), (HOME, 3, questions[2])]
    );

    let session = SessionRef { core: 3, slot: 9, generation: 2 };
    let info = SessionInfo { gateway: None, session, live: true, cursor_lag: 0, since_ms: 5 };
    let page = Pulled { resumed: None, envelopes: vec![], cursor: at(4), more: false };
    lone.told(HOME, 3, Findings::Disconnected);
    lone.told(HOME, 1, Findings::Sessions(vec![info]));
    lone.told(HOME, 2, Findings::Pulled(page.clone()));
    let answers = [
        (3, Answer::Done { at_ms: 0 }),
        (1, Answer::Sessions { home: Some(HOME), sessions: vec![info] }),
        (2, Answer::Pulled(page)),
    ];
    assert_eq!(lone.answers(), answers);
    lone.told(HOME, 2, Findings::Disconnected);
    assert_eq!((lone.answers(), lone.dropped_late()), (vec![], 1), "each has one answer");
}

#[test]
fn nobody_but_the_home_that_was_asked_answers() {
    let mut lone = clustered().routed(Route::Away(HOME));
    lone.asks(5, Question::Disconnect);
    lone.told(OTHER, 1, Findings::Disconnected);
    lone.told(HOME, 2, Findings::Disconnected);
    assert!(lone.answers().is_empty() && lone.dropped_late() == 2);
    lone.told(HOME, 1, Findings::Unavailable);
    assert_eq!(lone.answers(), [(5, Answer::NoHome(NoHome::Unavailable))]);
}

#[test]
fn a_question_ends_with_its_time_and_makes_room() {
    let mut lone = clustered().routed(Route::Away(HOME));
    let (of_home, all) = (QUESTIONS_OF_HOME as u32, QUESTIONS as u32);
    (0..of_home).for_each(|number| lone.asks(number, Question::Sessions));
    assert_eq!(asked(lone.dispatches()).len(), QUESTIONS_OF_HOME);
    lone.asks(99, Question::Sessions);
    assert_eq!(lone.answers(), [(99, Answer::NoHome(NoHome::Crowded))]);
    // What one home leaves others can be asked with.
    let mut lone = lone.routed(Route::Away(OTHER));
    (of_home..all).for_each(|number| lone.asks(number, Question::Sessions));
    assert_eq!(asked(lone.dispatches()).len(), QUESTIONS - QUESTIONS_OF_HOME);
    lone.asks(99, Question::Sessions);
    assert_eq!(lone.answers(), [(99, Answer::NoHome(NoHome::Crowded))]);
    lone.pass(QUESTION_MS - 1);
    lone.tick();
    assert_eq!(lone.answers(), []);
    lone.pass(1);
    lone.tick();
    let silent: Vec<_> = (0..all).map(|number| (number, Answer::NoHome(NoHome::Silent))).collect();
    assert_eq!(lone.answers(), silent);
    lone.told(HOME, 1, Findings::Disconnected);
    assert!(lone.answers().is_empty() && lone.dropped_late() == 1);
    lone.asks(100, Question::Sessions);
    assert_eq!(asked(lone.dispatches()).len(), 1);
}

#[test]
fn where_nobody_is_the_home_that_is_the_answer() {
    let mut lone = clustered();
    lone.asks(1, Question::Sessions);
    assert_eq!(lone.answers(), [(1, Answer::NoHome(NoHome::Nowhere))]);
}

#[test]
fn another_node_is_told_of_sessions_here_and_of_those_it_and_others_hold() {
    let mut lone = clustered().routed(Route::Here);
    lone.begun("alice", 6, at(10));
    let slot = lone.open("alice", StartFrom::New);
    lone.post(Parcel::Meet { via: LINK, gateway: HOME });
    lone.post(joining("alice", 4, at(10), 5_000));
    lone.outputs();
    lone.is_asked(1, Question::Sessions);
    let found_now = found(lone.dispatches());
    let [(OTHER, 1, Findings::Sessions(sessions))] = &found_now[..] else { panic!("{found_now:?}") };
    assert_eq!(sessions.iter().map(|it| it.gateway).collect::<Vec<_>>(), [None, Some(HOME)]);
    assert_eq!((sessions[0].session.slot, sessions[1].session.slot), (slot, 9));

    lone.is_asked(2, Question::Disconnect);
    let outputs = lone.outputs();
    assert!(outputs.iter().any(|output| matches!(output, Output::Close { .. })), "{outputs:?}");
    let is_told = |it: &Dispatch| matches!(it, Dispatch::ToSession { via: LINK, .. });
    let told = |output: &&Output| matches!(output, Output::Dispatch(it) if is_told(it));
    assert_eq!(outputs.iter().filter(told).count(), 1);
    let last =
        Output::dispatch(Dispatch::Tell { to: OTHER, asker: asker(2), findings: Findings::Disconnected });
    assert!(outputs.contains(&last));
}

#[test]
fn another_node_gets_a_page_that_fits_a_record_and_our_own_a_larger_one() {
    let mut lone = clustered().routed(Route::Here);
    lone.is_asked(1, FROM_START);
    assert_eq!(found(lone.dispatches()), [(OTHER, 1, Findings::Unavailable)], "it is not served yet");
    lone.begun("alice", 6, at(10));
    lone.is_asked(2, FROM_START);
    lone.asks(3, FROM_START);
    let reads = lone.reads();
    let bytes: Vec<usize> = reads.iter().map(|read| read.page_bytes as usize).collect();
    assert_eq!(bytes, [QUESTION_PAGE_BYTES, PULL_BYTES]);
    lone.page(&reads[0], 0..2);
    let found = found(lone.dispatches());
    let [(OTHER, 2, Findings::Pulled(page))] = &found[..] else { panic!("{found:?}") };
    assert_eq!((page.envelopes[1].position, page.cursor, page.more), (at(2), at(2), true));
    lone.page(&reads[1], 0..2);
    assert!(matches!(lone.answers()[..], [(3, Answer::Pulled(_))]));
}

#[test]
fn pages_for_others_are_bounded_and_one_that_begins_again_counts_once() {
    let mut lone = clustered().routed(Route::Here);
    lone.begun("alice", 6, at(10));
    (0..=QUESTIONS_HEARD as u64).for_each(|number| lone.is_asked(number, FROM_START));
    let outputs = lone.outputs();
    let reads: Vec<Read> = outputs
        .iter()
        .filter_map(|it| if let Output::Read(read) = it { Some(read.clone()) } else { None })
        .collect();
    assert_eq!(reads.len(), QUESTIONS_HEARD);
    let is_last =
        |it: &Dispatch| matches!(it, Dispatch::Tell { asker, .. } if asker.number == QUESTIONS_HEARD as u64);
    assert!(outputs.iter().any(|it| matches!(it, Output::Dispatch(it) if is_last(it))));
    assert_eq!(lone.shard.counters().refusals[Refusal::Unavailable as usize], 1);
    let expired = Err(Unreadable::Unresumed(Unresumed::Expired));
    lone.tell(LogEvent::Page(reads[0].ticket, expired));
    let again = lone.reads();
    assert_eq!(again.len(), 1);
    lone.page(&again[0], 0..1);
    assert_eq!(found(lone.dispatches()).len(), 1);
    lone.is_asked(77, FROM_START);
    assert_eq!(lone.reads().len(), 1);
}

#[test]
fn who_is_not_the_home_says_so_at_once() {
    let mut lone = clustered().routed(Route::Away(HOME));
    lone.is_asked(1, Question::Disconnect);
    assert_eq!(found(lone.dispatches()), [(OTHER, 1, Findings::Unavailable)]);
}

#[test]
fn a_pull_of_our_own_client_that_is_not_served_is_refused_as_before() {
    let mut lone = clustered().routed(Route::Here);
    lone.asks(1, FROM_START);
    let answers = lone.answers();
    assert!(
        matches!(answers[..], [(1, Answer::Refused { code: ErrorCode::Unavailable, .. })]),
        "{answers:?}"
    );
}

#[test]
fn a_revocation_that_there_is_no_room_for_refuses_everybodys_tokens_as_old() {
    let clustered = |is_clustered| {
        let lone = Lone::new(|settings| {
            settings.is_clustered = is_clustered;
            settings.bounds.revocations = 1;
        });
        lone.routed(Route::Here)
    };
    let revoke = |lone: &mut Lone, client: &str, issued_until_s| {
        let client = ClientId::new(client).unwrap();
        lone.tell(LogEvent::Revoked(Revocation { client, issued_until_s }));
    };
    // With a token of that second.
    let is_refused = |lone: &mut Lone, client: &str, issued_s| {
        let Parcel::Join { via, mut session } = joining(client, 1, at(10), 5_000) else { unreachable!() };
        (session.by_token, session.issued_at) = (true, Some(issued_s));
        lone.post(Parcel::Join { via, session });
        let refused = |it: &Dispatch| {
            matches!(it, Dispatch::ToSession { say: ToSession::Dismissed(Dismissal::Revoked), .. })
        };
        lone.dispatches().iter().any(refused)
    };
    let mut lone = clustered(true);
    revoke(&mut lone, "alice", 100);
    assert!(is_refused(&mut lone, "alice", 100) && !is_refused(&mut lone, "bob", 100));
    revoke(&mut lone, "alice", 200);
    assert!(is_refused(&mut lone, "alice", 200) && !is_refused(&mut lone, "bob", 200), "it is known already");
    assert!(!is_refused(&mut lone, "carol", 150));
    revoke(&mut lone, "carol", 150);
    assert!(is_refused(&mut lone, "carol", 150) && is_refused(&mut lone, "bob", 150));
    assert!(!is_refused(&mut lone, "bob", 151) && is_refused(&mut lone, "alice", 200));
    assert_eq!(lone.shard.counters().refusals[Refusal::Unrevoked as usize], 1);
    let mut alone = clustered(false);
    revoke(&mut alone, "alice", 100);
    revoke(&mut alone, "carol", 150);
    assert!(!is_refused(&mut alone, "bob", 150), "the log of one node refuses what it has no room for");
}

/// A home that has had each partition once would otherwise come to its bound, and refuse everybody's tokens.
#[test]
fn revocations_of_a_partition_that_is_another_nodes_make_room() {
    let mut lone = Lone::new(|settings| {
        settings.is_clustered = true;
        settings.bounds.revocations = 1;
    });
    let revoked = |client: &str| {
        LogEvent::Revoked(Revocation { client: ClientId::new(client).unwrap(), issued_until_s: 100 })
    };
    let (alice, bob) = (partition_of("alice"), partition_of("bob"));
    assert_ne!(alice, bob);
    lone.tell(revoked("alice"));
    lone.tell(LogEvent::Unknown([bob].into()));
    lone.tell(revoked("bob"));
    assert_eq!(lone.shard.counters().refusals[Refusal::Unrevoked as usize], 1, "alice's is still known");
    lone.tell(LogEvent::Unknown([bob, alice].into()));
    lone.tell(revoked("bob"));
    assert_eq!(lone.shard.counters().refusals[Refusal::Unrevoked as usize], 1, "there is room");
}

impl Lone {
    fn dropped_late(&mut self) -> u64 {
        self.shard.counters().drops[Dropped::LateAnswer as usize]
    }
}
