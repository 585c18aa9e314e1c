//! The machine's stories, each as a user would tell it.

use super::*;
use crate::limits::{OUTBOX_LETTERS, SEND_TRIES};
use crate::model::{ClientId, Heard, HeardError, HeardFailed, HeardMessage, HeardWelcome, Now};

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, unix_ms: 0 }
}

fn drain(client: &mut Client) -> Vec<Output> {
    client.invariants();
    std::iter::from_fn(|| client.output()).collect()
}

fn welcome(cursor: &str, resumed: Option<bool>) -> Heard<'_> {
    Heard::Welcome(HeardWelcome {
        client: "bob",
        session: "s1",
        node: 0,
        cursor,
        resumed,
        reason: (resumed == Some(false)).then_some("expired"),
        missed: 0,
        more: false,
        message_bytes: None,
        ping_interval_ms: Some(25_000),
        limits: b"{}",
    })
}

fn message<'a>(prev: &'a str, cursor: &'a str) -> Heard<'a> {
    Heard::Message(HeardMessage {
        from: None,
        id: None,
        to: None,
        at_ms: 1,
        prev,
        cursor,
        body: cursor.as_bytes(),
    })
}

fn error<'a>(id: &'a str, code: &'a str, retry_after_ms: Option<u64>) -> Heard<'a> {
    Heard::Error(HeardError { id: Some(id), code, message: "no", retry_after_ms, failed: vec![] })
}

fn letter(id: &str) -> Letter {
    let id = ClientId::new(id).unwrap();
    Letter::new(id.as_ref(), vec![ClientId::new("eve").unwrap()], b"1").unwrap()
}

fn sent(outputs: &[Output]) -> Vec<String> {
    let id = |output: &Output| match output {
        Output::Transmit(Frame::Send(letter)) => Some(letter.id().as_str().to_owned()),
        _ => None,
    };
    outputs.iter().filter_map(id).collect()
}

/// A client that was just upgraded.
fn opened(options: Options, now: Now) -> Client {
    let mut client = Client::new(options);
    client.tick(now);
    assert_eq!(drain(&mut client), [Output::Connect]);
    client.opened(now);
    client
}

/// A client that is welcome at cursor `c1`, at time 0.
fn at_c1() -> Client {
    let mut client = opened(Options::default(), at(0));
    assert_eq!(client.heard(&welcome("c1", None), at(0)), None);
    assert_eq!(drain(&mut client), []);
    client
}

/// Lets time pass until the machine asks for a connection, and opens it.
fn reconnect(client: &mut Client) -> (Now, Vec<Output>) {
    let now = at(client.next_tick_ms().unwrap());
    client.tick(now);
    assert_eq!(drain(client), [Output::Connect]);
    client.opened(now);
    (now, drain(client))
}

#[test]
fn a_message_is_given_once_and_the_cursor_follows() {
    let mut client = at_c1();
    assert!(
        matches!(client.heard(&message("c1", "c2"), at(1)), Some(Delivery::Message(m)) if m.cursor == "c2")
    );
    assert_eq!(client.heard(&message("c1", "c2"), at(2)), None, "the same again");
    assert_eq!(client.heard(&Heard::Cursor { cursor: "c5" }, at(3)), None);
    assert_eq!(client.heard(&Heard::Pong { cursor: Some("c4") }, at(3)), None, "never back");
    assert!(client.heard(&message("c3", "c6"), at(4)).is_some(), "nothing lies between c3 and c6");
    assert_eq!((client.cursor(), client.query()), (Some("c6"), "&cursor=c6".to_owned()));
    assert_eq!(client.stats(), Stats { delivered: 2, duplicates: 1, welcomes: 1, losses: 0, holes: 0 });
    assert_eq!(drain(&mut client), []);
}

#[test]
fn a_hole_is_reported_and_left() {
    let mut client = at_c1();
    assert_eq!(client.heard(&message("c2", "c3"), at(1)), None, "what does not join is not given");
    let outputs = drain(&mut client);
    assert_eq!(outputs[0], Output::Hole { held: "c1".into(), prev: "c2".into() });
    assert_eq!(outputs[1], Output::Disconnect(Parting::Hole));
    assert!(matches!(outputs[2], Output::Waiting { ending: None, .. }));
    reconnect(&mut client);
    assert_eq!(client.query(), "&cursor=c1", "resumed from where the hole begins");
}

#[test]
fn a_loss_is_said_and_a_new_start_made() {
    let options = Options { cursor: Some("c9".into()), from: Some("start".into()), ..Options::default() };
    let mut client = opened(options, at(0));
    assert_eq!(client.query(), "&cursor=c9&from=start");
    client.heard(&welcome("c2", Some(false)), at(1));
    assert_eq!(drain(&mut client), [Output::Lost { reason: "expired".into() }]);
    assert_eq!(client.cursor(), Some("c2"), "the server's start counts, though it is before what was held");
    assert!(client.heard(&message("c2", "c3"), at(2)).is_some());
}

#[test]
fn a_recovery_that_is_none_is_not_believed() {
    let presented = || Options { cursor: Some("c2".into()), ..Options::default() };
    let mut client = opened(presented(), at(0));
    client.heard(&welcome("c5", Some(true)), at(1));
    assert_eq!(drain(&mut client)[0], Output::Hole { held: "c2".into(), prev: "c5".into() });
    let mut client = opened(presented(), at(0));
    client.heard(&welcome("c5", None), at(1));
    assert_eq!(drain(&mut client), [Output::Lost { reason: "unsaid".into() }]);
    let mut client = opened(presented(), at(0));
    client.heard(&message("c2", "c3"), at(1));
    assert_eq!(drain(&mut client)[0], Output::Disconnect(Parting::Nonsense), "a message before the welcome");
    let mut client = opened(presented(), at(0));
    client.heard(&welcome("C!", None), at(1));
    assert_eq!(drain(&mut client)[0], Output::Disconnect(Parting::Nonsense), "no cursor of ours");
}

#[test]
fn what_was_not_acknowledged_goes_again_with_the_same_id() {
    let mut client = at_c1();
    for id in ["m1", "m2", "m3"] {
        client.send(letter(id), at(1)).unwrap();
    }
    assert_eq!(client.send(letter("m2"), at(1)), Err(Unsent::SameId));
    assert_eq!(sent(&drain(&mut client)), ["m1", "m2", "m3"]);
    client.heard(&Heard::Ack { id: "m2", at_ms: 7 }, at(2));
    client.heard(&Heard::Ack { id: "m2", at_ms: 7 }, at(2));
    let acknowledged = drain(&mut client);
    assert!(
        matches!(&acknowledged[..], [Output::Acknowledged { letter, at_ms: 7 }] if letter.id().as_str() == "m2")
    );
    client.closed(Ending::Broken, at(3));
    drain(&mut client);
    client.send(letter("m4"), at(3)).unwrap();
    assert_eq!(drain(&mut client), [], "nothing goes without a connection");
    let (now, outputs) = reconnect(&mut client);
    assert_eq!(sent(&outputs), ["m1", "m3", "m4"], "in the order sent, before the welcome too");
    for id in ["m1", "m3", "m4"] {
        client.heard(&Heard::Ack { id, at_ms: 8 }, now);
    }
    assert_eq!((drain(&mut client).len(), client.unanswered()), (3, 0));
}

#[test]
fn a_server_at_its_limit_holds_everything_back_and_order_survives() {
    let mut client = at_c1();
    client.send(letter("m1"), at(0)).unwrap();
    client.send(letter("m2"), at(0)).unwrap();
    drain(&mut client);
    client.heard(&error("m1", "rate_limited", Some(1_000)), at(0));
    client.heard(&error("m2", "rate_limited", Some(400)), at(0));
    client.send(letter("m3"), at(1)).unwrap();
    client.tick(at(999));
    assert_eq!(drain(&mut client), []);
    client.tick(at(1_250));
    assert_eq!(sent(&drain(&mut client)), ["m1", "m2", "m3"]);
}

#[test]
fn a_full_mailbox_holds_back_its_own_letter_only_and_not_for_ever() {
    let mut client = at_c1();
    client.send(letter("full"), at(0)).unwrap();
    let mut now = at(0);
    for refusal in 1..SEND_TRIES {
        assert_eq!(sent(&drain(&mut client)), ["full"]);
        client.heard(&error("full", "mailbox_full", None), now);
        let other = format!("other-{refusal}");
        client.send(letter(&other), now).unwrap();
        assert_eq!(sent(&drain(&mut client)), std::slice::from_ref(&other));
        client.heard(&Heard::Ack { id: &other, at_ms: 1 }, now);
        drain(&mut client);
        now = at(client.next_tick_ms().unwrap());
        client.tick(now);
    }
    drain(&mut client);
    client.heard(&error("full", "mailbox_full", None), now);
    assert!(matches!(&drain(&mut client)[..], [Output::Failed { code, .. }] if &**code == "mailbox_full"));
    assert_eq!(client.unanswered(), 0);
}

#[test]
fn a_refusal_that_no_repetition_mends_is_reported() {
    let mut client = at_c1();
    client.send(letter("m1"), at(0)).unwrap();
    client.send(letter("m2"), at(0)).unwrap();
    drain(&mut client);
    client.heard(&error("m1", "forbidden", None), at(0));
    let failed =
        vec![HeardFailed { to: "eve", code: "mailbox_full" }, HeardFailed { to: "x", code: "internal" }];
    let (code, id) = ("mailbox_full", Some("m2"));
    client.heard(&Heard::Error(HeardError { id, code, message: "", retry_after_ms: None, failed }), at(0));
    let outputs = drain(&mut client);
    assert!(matches!(&outputs[0], Output::Failed { code, .. } if &**code == "forbidden"), "{outputs:?}");
    assert!(matches!(&outputs[1], Output::Failed { failed, .. } if failed.len() == 2), "{outputs:?}");
    client.heard(&error("nobody", "bad_request", None), at(0));
    assert!(matches!(&drain(&mut client)[..], [Output::Complaint { .. }]));
}

#[test]
fn the_outbox_is_bounded() {
    let mut client = at_c1();
    for n in 0..OUTBOX_LETTERS {
        assert!(client.has_room());
        client.send(letter(&n.to_string()), at(0)).unwrap();
    }
    assert_eq!(client.send(letter("one-more"), at(0)), Err(Unsent::Full));
    assert!(!client.has_room());
    let (id, body) = (ClientId::new("large").unwrap(), vec![b'1'; crate::limits::OUTBOX_BYTES]);
    let large = Letter::new(id.as_ref(), vec![id.clone()], &body).unwrap();
    assert_eq!(Client::new(Options::default()).send(large, at(0)), Err(Unsent::Full));
}

#[test]
fn an_expired_token_is_renewed_and_a_refused_one_not_for_ever() {
    let mut client = at_c1();
    client.renew("t1", at(1));
    assert_eq!(drain(&mut client), [Output::Transmit(Frame::Auth("t1".into()))], "in band when connected");
    client.closed(Ending::Closed(Some(4001)), at(2));
    assert_eq!(drain(&mut client), [Output::NeedToken]);
    assert_eq!(client.next_tick_ms(), None, "it waits for the application");
    let mut refusals = 0;
    loop {
        client.renew("t2", at(3));
        reconnect(&mut client);
        client.closed(Ending::Refused { status: 401, retry_after_ms: None }, at(4));
        match &drain(&mut client)[..] {
            [Output::NeedToken] => refusals += 1,
            [Output::GaveUp(GaveUp::Unauthorized)] => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refusals, crate::limits::TOKEN_TRIES - 1);
    assert!(client.is_over() && client.send(letter("m"), at(5)) == Err(Unsent::Over));
}

#[test]
fn final_codes_are_final() {
    for code in [4401, 4403, 4409] {
        let mut client = at_c1();
        client.closed(Ending::Closed(Some(code)), at(1));
        assert_eq!(drain(&mut client), [Output::GaveUp(GaveUp::Closed(code))]);
        client.tick(at(u64::MAX));
        assert_eq!(drain(&mut client), []);
    }
}

#[test]
fn a_draining_node_is_left_at_the_moment_it_gave() {
    let drain_frame = Heard::Drain { reconnect_after_ms: 1_830, cursor: Some("c7") };
    let mut client = at_c1();
    client.heard(&drain_frame, at(10));
    assert_eq!((client.next_tick_ms(), client.cursor()), (Some(1_840), Some("c7")));
    client.tick(at(1_840));
    let now = Output::Waiting { after_ms: 0, ending: None };
    assert_eq!(drain(&mut client), [Output::Disconnect(Parting::Drained), now]);
    // The same when the node was quicker: it closed before our own clock said so.
    let mut client = at_c1();
    client.heard(&drain_frame, at(10));
    let ending = Ending::Closed(Some(1012));
    client.closed(ending, at(1_839));
    assert_eq!(drain(&mut client), [Output::Waiting { after_ms: 1, ending: Some(ending) }]);
}

#[test]
fn a_dead_server_is_noticed_and_a_quiet_one_is_not_mistaken_for_it() {
    let mut client = at_c1();
    client.noticed(at(20_000));
    assert_eq!(client.next_tick_ms(), Some(50_000), "any byte is life");
    client.tick(at(50_000));
    assert_eq!(drain(&mut client), [Output::Transmit(Frame::Ping)]);
    client.heard(&Heard::Pong { cursor: Some("c1") }, at(50_100));
    client.tick(at(80_100));
    assert_eq!(drain(&mut client), [Output::Transmit(Frame::Ping)]);
    client.tick(at(90_099));
    assert_eq!(drain(&mut client), []);
    client.tick(at(90_100));
    assert_eq!(drain(&mut client)[0], Output::Disconnect(Parting::DeadPeer));
}

#[test]
fn who_never_answers_is_left() {
    let mut client = Client::new(Options::default());
    client.tick(at(0));
    drain(&mut client);
    let deadline = at(client.next_tick_ms().unwrap());
    client.tick(deadline);
    assert_eq!(drain(&mut client)[0], Output::Disconnect(Parting::TooSlow), "no upgrade");
    let (_, _) = reconnect(&mut client);
    client.noticed(at(deadline.mono_ms + 9_000));
    client.tick(at(client.next_tick_ms().unwrap()));
    assert_eq!(drain(&mut client)[0], Output::Disconnect(Parting::TooSlow), "no welcome, though it breathes");
}

#[test]
fn waits_grow_while_a_server_fails_and_are_forgiven_when_it_held() {
    let mut client = Client::new(Options { seed: 5, ..Options::default() });
    let mut longest = 0;
    for _ in 0..12 {
        let now = at(client.next_tick_ms().unwrap());
        client.tick(now);
        client.closed(Ending::Broken, now);
        longest = longest.max(client.next_tick_ms().unwrap() - now.mono_ms);
        drain(&mut client);
    }
    assert!(longest > 5_000, "{longest}");
    let (now, _) = reconnect(&mut client);
    client.heard(&welcome("c1", None), now);
    let later = at(now.mono_ms + 60_000);
    client.closed(Ending::Broken, later);
    assert!(client.next_tick_ms().unwrap() - later.mono_ms <= 500);
}

#[test]
fn ephemeral_messages_go_now_or_never_and_come_without_a_cursor() {
    let mut client = Client::new(Options::default());
    let eve = || vec![ClientId::new("eve").unwrap()];
    assert_eq!(client.send_ephemeral(eve(), b"1"), Err(Unsent::Away));
    let mut client = at_c1();
    client.send_ephemeral(eve(), b"1").unwrap();
    assert!(matches!(&drain(&mut client)[..], [Output::Transmit(Frame::Ephemeral { .. })]));
    let heard = Heard::Ephemeral { from: Some("eve"), body: b"2" };
    assert_eq!(client.heard(&heard, at(1)), Some(Delivery::Ephemeral { from: Some("eve"), body: b"2" }));
    assert_eq!(client.cursor(), Some("c1"));
}

#[test]
fn stop_leaves_for_good_and_fresh_ids_differ() {
    let mut client = at_c1();
    assert_ne!(client.fresh_id(), client.fresh_id());
    client.stop();
    let over = [Output::Disconnect(Parting::Stopped), Output::GaveUp(GaveUp::Stopped)];
    assert_eq!(drain(&mut client), over);
    client.stop();
    assert_eq!(drain(&mut client), []);
}
