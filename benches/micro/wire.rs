//! The wire layer: receiver, JSON both ways, records.

use super::cases::Cases;
use corepost::model::{Envelope, EnvelopeParts, IdRef, Kind, Position, Push};
use corepost::wire::json::{Face, Hearing, Parser};
use corepost::wire::record;
use corepost::wire::websocket::{Opcode, PartialBudget, Receiver, Rules, write_masked};
use corepost::wire::write_push;
use std::hint::black_box;

/// A send whose text is of this many bytes.
fn send(bytes: usize) -> Vec<u8> {
    let empty = r#"{"type":"send","id":"m-00000001","to":"user-000001","body":{"text":""}}"#;
    let text = "x".repeat(bytes.saturating_sub(empty.len()));
    empty.replace("\"\"", &format!("\"{text}\"")).into_bytes()
}

fn receive(cases: &mut Cases, name: &str, payload: &[u8], rules: &Rules) {
    const FRAMES: usize = 16;
    let mut wire = vec![];
    (0..FRAMES).for_each(|_| write_masked(Opcode::Text, payload, [1, 2, 3, 4], &mut wire));
    let (mut receiver, mut budget) = (Receiver::default(), PartialBudget::default());
    let mut buffer = wire.clone();
    // What is unmasked is masked by the next call: the bytes differ, the work does not.
    let headers: Vec<usize> = (0..FRAMES).map(|n| n * wire.len() / FRAMES).collect();
    let header_bytes = wire.len() / FRAMES - payload.len();
    cases.case(name, FRAMES, || {
        for &at in &headers {
            buffer[at..at + header_bytes].copy_from_slice(&wire[at..at + header_bytes]);
        }
        let mut input = &mut buffer[..];
        while let Ok(Some(event)) = receiver.next(&mut input, rules, &mut budget, 0) {
            black_box(&event);
        }
    });
}

pub fn all(cases: &mut Cases) {
    let ascii = Rules { check_utf8: true, ..Rules::CLIENT };
    for bytes in [128, 1_024, 16_384] {
        receive(cases, &format!("receive {bytes} B"), &send(bytes), &Rules::CLIENT);
    }
    receive(cases, "receive 128 B, UTF-8 checked", &send(128), &ascii);
    let mut parser = Parser::new();
    for bytes in [128, 1_024, 16_384] {
        let frame = send(bytes);
        cases.case(&format!("command {bytes} B"), 1, || {
            black_box(parser.command(black_box(&frame)).is_ok());
        });
    }
    let list: Vec<String> = (0..1_000).map(|n| format!("\"user-{n:06}\"")).collect();
    let frame = format!(r#"{{"type":"send","id":"m-1","to":[{}],"body":1}}"#, list.join(","));
    cases.case("command to 1,000, per recipient", 1_000, || {
        black_box(parser.command(black_box(frame.as_bytes())).is_ok());
    });
    pushes(cases);
}

fn pushes(cases: &mut Cases) {
    let id = |text| IdRef::new(text).expect("an ID");
    let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(117));
    let envelope = Envelope::new(EnvelopeParts {
        kind: Kind::Message,
        to: Some(id("user-000001")),
        from: Some(id("user-000002")),
        id: Some(id("m-00000001")),
        copied_to: b"",
        body: body.as_bytes(),
    });
    let at = |offset| Position { leader_epoch: 1, offset };
    let face = Face { log_epoch: 7, client: id("user-000001"), node: 0, incarnation: 1, limits_json: "{}" };
    let message =
        Push::Message { envelope: envelope.clone(), at_ms: 1_760_000_000_000, prev: at(1), cursor: at(2) };
    let ephemeral = Push::Ephemeral { envelope: envelope.clone() };
    let ack = Push::Ack { of: envelope.clone(), at_ms: 1_760_000_000_000 };
    let mut out = Vec::with_capacity(1_024);
    for (name, push) in [("message", &message), ("ephemeral", &ephemeral), ("ack", &ack)] {
        cases.case(&format!("push {name}, 128 B body"), 1, || {
            out.clear();
            write_push(black_box(push), &face, &mut out);
            black_box(&out);
        });
    }
    let mut json = vec![];
    corepost::wire::json::encode(&message, &face, &mut json);
    let mut hearing = Hearing::new();
    cases.case("hear a message, 128 B body", 1, || {
        black_box(hearing.hear(black_box(&json)).is_ok());
    });
    let mut row = vec![];
    cases.case("record to row, 128 B body", 1, || {
        row.clear();
        record::encode(black_box(&envelope), &mut row);
    });
    cases.case("row to envelope, 128 B body", 1, || {
        black_box(record::decode("user-000001", black_box(&row)).is_ok());
    });
    let headers: Vec<(&str, &[u8])> = record::parts_of(&envelope).0.collect();
    cases.case("record to envelope, 128 B body", 1, || {
        let headers = black_box(&headers).iter().copied();
        black_box(record::envelope_of(Some(b"user-000001"), headers, Some(body.as_bytes())).is_ok());
    });
}
