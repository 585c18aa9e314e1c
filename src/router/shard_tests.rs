//! What one shard alone answers for.

use super::*;
use crate::counters::Refusal;
use crate::log::Revocation;
use crate::model::{StartFrom, Topology};
use crate::router::rig::Lone;
use crate::router::{Answer, Request};

#[test]
fn a_list_of_a_thousand_costs_one_body() {
    let mut lone = Lone::new(|_| {});
    let alice = lone.open("alice", StartFrom::New);
    drop(lone.outputs());
    let names: Vec<String> = (0..1_000).map(|n| format!("client-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let body = vec![b'7'; 50_000];
    assert_eq!(lone.send(alice, &names, &body), Flow::Go);
    let in_flight = lone.shard.append_bytes_in_flight();
    let appends = lone.appends();
    let told: Vec<&str> = appends.iter().map(|append| append.envelope.to().as_str()).collect();
    assert_eq!(told, names, "each recipient its own, in order");
    let at = appends[0].envelope.body().as_ptr();
    assert!(appends.iter().all(|append| append.envelope.body().as_ptr() == at), "one body for all");
    assert!(in_flight >= 1_000 * body.len(), "what the log will write is what counts: {in_flight}");

    appends.into_iter().for_each(|append| lone.durable(append));
    assert!(matches!(lone.pushes(alice)[..], [Push::Ack { .. }]));
    assert_eq!(lone.shard.append_bytes_in_flight(), 0);
}

/// Whom the shard lets try again.
fn called(lone: &mut Lone) -> Vec<u32> {
    let slot = |output| if let Output::Unpark { slot } = output { Some(slot) } else { None };
    lone.outputs().into_iter().filter_map(slot).collect()
}

#[test]
fn who_found_no_room_is_called_in_order_when_there_is_some_and_not_before() {
    let mut lone = Lone::new(|settings| settings.bounds.appends_in_flight = 4);
    let slots: Vec<u32> = (0..10).map(|n| lone.open(&format!("client-{n}"), StartFrom::New)).collect();
    drop(lone.outputs());
    let flows: Vec<Flow> = slots.iter().map(|&slot| lone.send(slot, &["bob"], b"1")).collect();
    assert_eq!(flows, [vec![Flow::Go; 4], vec![Flow::Park; 6]].concat());
    let mut appends = lone.appends().into_iter();
    for _ in 0..3 {
        lone.tick();
        assert!(called(&mut lone).is_empty(), "a tick without room calls nobody");
    }
    lone.durable(appends.next().unwrap());
    lone.durable(appends.next().unwrap());
    assert_eq!(called(&mut lone), slots[4..6], "two places, the first two in line");
    assert_eq!(lone.send(slots[0], &["bob"], b"1"), Flow::Park, "who comes now comes last");
    assert_eq!(lone.send(slots[8], &["bob"], b"1"), Flow::Park, "and who was not called waits on");
    assert_eq!(lone.send(slots[5], &["bob"], b"1"), Flow::Go);
    // One of those called has gone, another waits no more: their places are the next ones'.
    lone.close(slots[6]);
    lone.close(slots[4]);
    lone.tick();
    assert_eq!(called(&mut lone), [slots[7]]);
    // Who was called and does not come holds up the others for a tick at most.
    lone.tick();
    assert_eq!(called(&mut lone), [slots[8]]);
}

#[test]
fn a_long_list_gets_its_turn_and_nobody_passes_it() {
    let mut lone = Lone::new(|settings| settings.bounds.appends_in_flight = 4);
    let slots: Vec<u32> = (0..3).map(|n| lone.open(&format!("client-{n}"), StartFrom::New)).collect();
    drop(lone.outputs());
    assert_eq!(lone.send(slots[0], &["bob"], b"1"), Flow::Go);
    let [append] = &lone.appends()[..] else { panic!("one append") };
    assert_eq!(lone.send(slots[1], &["a", "b", "c", "d"], b"1"), Flow::Park);
    assert_eq!(lone.send(slots[2], &["bob"], b"1"), Flow::Park, "there is room, but not before the list");
    lone.durable(append.clone());
    assert_eq!(called(&mut lone), [slots[1]]);
    assert_eq!(lone.send(slots[2], &["bob"], b"1"), Flow::Park);
    assert_eq!(lone.send(slots[1], &["a", "b", "c", "d"], b"1"), Flow::Go);
}

#[test]
fn who_waits_for_another_cores_inbox_is_called_when_that_has_room() {
    let topology = Topology::new(4, 2);
    let mut lone = Lone::new(|settings| settings.topology = topology);
    let at = |core| move |name: &String| topology.place(IdRef::new(name).unwrap()).core == core;
    let names = || (0..).map(|n| format!("client-{n}"));
    let there = names().find(at(1)).unwrap();
    let slots: Vec<u32> =
        names().filter(at(0)).take(3).map(|name| lone.open(&name, StartFrom::New)).collect();
    drop(lone.outputs());
    lone.out.set_room(1, 0);
    for &slot in &slots {
        assert_eq!(lone.whisper(slot, &there), Flow::Park);
    }
    lone.tick();
    assert!(called(&mut lone).is_empty());
    lone.out.set_room(1, 2);
    lone.tick();
    assert_eq!(called(&mut lone), slots[..2], "as many as there is room for");
    assert_eq!(lone.whisper(slots[0], &there), Flow::Go);
}

#[test]
fn a_list_that_will_never_fit_is_refused_at_once_and_holds_up_nobody() {
    let mut lone = Lone::new(|settings| settings.bounds.append_bytes_in_flight = 10_000);
    let alice = lone.open("alice", StartFrom::New);
    drop(lone.outputs());
    let body = vec![b'7'; 4_000];
    assert_eq!(lone.send(alice, &["a", "b"], &body), Flow::Go, "it just fits");
    assert_eq!(lone.appends().len(), 2);
    assert_eq!(lone.send(alice, &["a", "b", "c"], &body), Flow::Go);
    let [Push::Error(error)] = &lone.pushes(alice)[..] else { panic!("it is answered") };
    assert_eq!((error.code, error.id.as_ref().map(ClientId::as_str)), (ErrorCode::TooLarge, Some("m-1")));
    assert_eq!(lone.shard.counters().refusals[Refusal::TooLarge as usize], 1);
    assert_eq!(lone.send(alice, &["a"], b"1"), Flow::Go, "the session goes on");
}

/// What the shard refuses of a whole request of the HTTP API is counted where its reply is written, and only there.
#[test]
fn a_refused_request_is_not_counted_before_its_reply_is() {
    // Of many cores each remembers few.
    let mut lone = Lone::new(|settings| settings.topology = Topology::new(4, 256));
    let client = |n: usize| ClientId::new(&format!("client-{n}")).unwrap();
    let most = crate::limits::REVOCATIONS / 256;
    for n in 0..most {
        lone.tell(LogEvent::Revoked(Revocation { client: client(n), issued_until_s: 1 }));
    }
    let request = |element| Request { number: 1, element };
    let unavailable = |output: &Output| {
        matches!(output, Output::Answer(_, Answer::Refused { code: ErrorCode::Unavailable, .. }))
    };
    lone.shard.revoke(request(0), &client(most), lone.now, &mut lone.out);
    let outputs = lone.outputs();
    assert!(outputs.len() == 1 && unavailable(&outputs[0]), "one more is not remembered: {outputs:?}");
    lone.shard.revoke(request(1), &client(0), lone.now, &mut lone.out);
    let [Output::Revoke(ticket, _)] = lone.outputs()[..] else {
        panic!("one that is known is asked of the log")
    };
    let refused = crate::log::Refused { ticket, code: ErrorCode::Unavailable, retry_after_ms: 1_000 };
    lone.tell(LogEvent::Refused(refused));
    let outputs = lone.outputs();
    assert!(outputs.len() == 1 && unavailable(&outputs[0]), "the log refuses: {outputs:?}");
    assert_eq!(lone.shard.counters().refusals, [0; Refusal::ALL.len()]);
}

/// `CARGO_PROFILE_RELEASE_LTO=off cargo test --release --no-default-features --lib -- --ignored --nocapture list_of`
#[test]
#[ignore = "prints a figure"]
fn how_long_a_list_of_a_thousand_takes() {
    let names: Vec<String> = (0..1_000).map(|n| format!("client-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for bytes in [100, 50_000] {
        let mut times: Vec<_> = (0..20)
            .map(|_| {
                let mut lone = Lone::new(|_| {});
                let alice = lone.open("alice", StartFrom::New);
                let body = vec![b'7'; bytes];
                let began = std::time::Instant::now();
                assert_eq!(lone.send(alice, &names, &body), Flow::Go);
                (began.elapsed(), drop(lone.appends()))
            })
            .collect();
        times.sort();
        println!("1,000 recipients, {bytes} bytes: {:?} median, {:?} worst", times[10].0, times[19].0);
    }
}
