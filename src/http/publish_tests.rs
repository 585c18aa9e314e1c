//! Publishes and what they are answered.

use super::*;
use crate::limits::{MESSAGE_BYTES, PUBLISH_TURN_BYTES, RECIPIENTS};
use crate::model::IdRef;

const GOOD: &str = r#"{"from":"a","to":"b","id":"m-1","body":{"x": 1}}"#;

/// Takes a body apart, in steps of a few bytes.
fn read(body: Vec<u8>, parser: &mut Parser) -> Result<(Publish, PublishAnswer), Reply> {
    let mut reading = Reading::new(body);
    loop {
        if let Some(read) = reading.step(parser, &mut { 50 })? {
            return Ok(read);
        }
    }
}

/// Publishes `body`; `fate` says what becomes of an element that is published. The numbers of those, and the reply.
fn publish(body: &str, fate: impl Fn(u32) -> Outcome) -> Result<(Vec<u32>, Reply), Reply> {
    let mut parser = Parser::new();
    let (mut publish, mut answer) = read(body.as_bytes().to_vec(), &mut parser)?;
    let mut sent = Vec::new();
    while let Some((number, element)) = publish.next() {
        if let Some(publication) = answer.note(number, parser.publication(element)) {
            let command = command_of(&publication);
            assert_eq!(command.id.map(IdRef::as_str), Some(publication.id.as_str()));
            assert!(!command.copy && !command.ephemeral);
            sent.push(number);
        }
    }
    // Answers come in any order.
    for &number in sent.iter().rev() {
        assert!(!answer.is_complete());
        answer.settle(number, fate(number));
    }
    assert!(answer.is_complete());
    Ok((sent, answer.reply()))
}

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).unwrap()
}

const DURABLE: Outcome = Outcome::Durable { at_ms: 7 };
const AWAY: Outcome = Outcome::Refused { code: ErrorCode::Unavailable, retry_after_ms: Some(200) };
const FULL: Outcome = Outcome::Refused { code: ErrorCode::MailboxFull, retry_after_ms: Some(1_500) };

#[test]
fn the_status_sums_up_what_became_of_the_elements() {
    let one = |outcome| publish(GOOD, move |_| outcome).unwrap().1;
    assert_eq!(
        (one(DURABLE).status.as_u16(), text(&one(DURABLE))),
        (200, r#"{"results":[{"id":"m-1","at":7}]}"#)
    );
    assert_eq!((one(AWAY).status.as_u16(), one(AWAY).retry_after_ms), (503, Some(200)));
    let three = format!("[{GOOD},{GOOD},{GOOD}]");
    let all = |fates: [Outcome; 3]| publish(&three, move |n| fates[n as usize]).unwrap().1;
    assert_eq!(all([DURABLE; 3]).status, 200);
    let mixed = all([AWAY, DURABLE, FULL]);
    assert_eq!((mixed.status.as_u16(), mixed.retry_after_ms), (207, None));
    let json: serde_json::Value = serde_json::from_slice(&mixed.body).unwrap();
    assert_eq!(json["results"][0]["error"]["code"], "unavailable");
    assert_eq!(json["results"][1]["at"], 7, "results stand in the order of the request");
    assert_eq!(json["results"][2]["error"]["retry_after_ms"], 1_500);
    let none = all([AWAY, FULL, AWAY]);
    assert_eq!((none.status.as_u16(), none.retry_after_ms), (503, Some(1_500)), "the longest wait");
}

#[test]
fn a_mistake_is_its_elements_own_unless_it_stands_alone() {
    let mistake = r#"{"from":"a","to":"b","body":1}"#;
    let (sent, reply) = publish(mistake, |_| DURABLE).unwrap();
    assert_eq!((sent.len(), reply.status.as_u16()), (0, 400));
    assert!(text(&reply).starts_with(r#"{"error":{"code":"bad_request","message":""#), "{}", text(&reply));
    for (body, numbers) in [
        (format!("[{mistake},{GOOD}]"), vec![1]),
        // Trying again would not help: not 503.
        (format!("[{mistake}]"), vec![]),
        (format!("[1,null,\"x\",{GOOD}]"), vec![3]),
    ] {
        let (sent, reply) = publish(&body, |_| DURABLE).unwrap();
        assert_eq!((sent, reply.status.as_u16()), (numbers, 207), "{body}");
        serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap();
    }
    let (_, reply) = publish(&format!("[{mistake},{GOOD}]"), |_| AWAY).unwrap();
    assert_eq!(reply.status, 207, "one of them may be sent again, the other may not");
}

#[test]
fn an_element_over_the_limit_is_too_large_and_keeps_its_name() {
    let large = format!(r#"{{"from":"a","to":"b","id":"big","body":"{}"}}"#, "x".repeat(MESSAGE_BYTES));
    let (sent, reply) = publish(&format!("[{large},{GOOD}]"), |_| DURABLE).unwrap();
    assert_eq!((sent, reply.status.as_u16()), (vec![1], 207));
    assert!(
        text(&reply).starts_with(r#"{"results":[{"id":"big","error":{"code":"too_large""#),
        "{}",
        text(&reply)
    );
}

#[test]
fn what_is_no_publish_is_refused_whole() {
    let many = format!("[{}]", vec![GOOD; RECIPIENTS + 1].join(","));
    let lists = r#"{"from":"a","to":["b","c"],"id":"m","body":1}"#;
    let many_lists = format!("[{}]", vec![lists; RECIPIENTS / 2 + 1].join(","));
    for (body, code) in [
        ("", "bad_request"),
        ("hello", "bad_request"),
        ("[]", "bad_request"),
        ("\"x\"", "bad_request"),
        ("{} {}", "bad_request"),
        ("[{},]", "bad_request"),
        ("[", "bad_request"),
        (&many, "too_many_recipients"),
        (&many_lists, "too_many_recipients"),
    ] {
        let reply = publish(body, |_| DURABLE).unwrap_err();
        assert_eq!(reply.status, 400, "{body:.40}");
        assert!(text(&reply).contains(&format!(r#""code":"{code}""#)), "{body:.40}: {}", text(&reply));
    }
    let (sent, reply) =
        publish(&format!("[{}]", vec![lists; RECIPIENTS / 2].join(",")), |_| DURABLE).unwrap();
    assert_eq!((sent.len(), reply.status.as_u16()), (500, 200), "exactly as many as may be");
}

/// A publish of so many bytes: `elements` of them, each to `recipients`, with bodies of that kind.
fn publish_of(elements: usize, recipients: usize, body: &str) -> Vec<u8> {
    let to: Vec<String> = (0..recipients).map(|n| format!("\"client-{n:09}\"")).collect();
    let to = to.join(",");
    let element = |n| format!(r#"{{"from":"app","id":"m-{n}","to":[{to}],"body":{body}}}"#);
    format!("[{}]", (0..elements).map(element).collect::<Vec<_>>().join(",")).into_bytes()
}

/// `cargo test --release --lib -- --ignored --nocapture how_long_a_publish`
#[test]
#[ignore = "prints figures"]
fn how_long_a_publish_takes_to_read() {
    use std::time::{Duration, Instant};
    let text = format!("\"{}\"", "x".repeat(7_900));
    let numbers = format!("[{}1]", "1,".repeat(3_950));
    let nested = format!("[{}1]", "[[1]],".repeat(1_316));
    let escapes = format!("\"{}\"", "\\n".repeat(3_950));
    let floats = format!("[{}1]", "1.25e-7,".repeat(987));
    for (name, elements, recipients, body) in [
        ("1,000 of 8 kB, text", 1_000, 1, &text),
        ("1,000 of 8 kB, small numbers", 1_000, 1, &numbers),
        ("1,000 of 8 kB, nested", 1_000, 1, &nested),
        ("1,000 of 8 kB, escapes", 1_000, 1, &escapes),
        ("1,000 of 8 kB, floats", 1_000, 1, &floats),
        ("1 to 1,000", 1, 1_000, &text),
    ] {
        let body = publish_of(elements, recipients, body);
        let bytes = body.len();
        let mut parser = Parser::new();
        let mut times: Vec<_> = (0..15)
            .map(|_| {
                let (mut reading, mut longest, mut read) = (Reading::new(body.clone()), Duration::ZERO, None);
                let began = Instant::now();
                let mut step = |step: &mut dyn FnMut(&mut Parser, &mut usize) -> bool| {
                    let (began, mut left) = (Instant::now(), PUBLISH_TURN_BYTES);
                    let done = step(&mut parser, &mut left);
                    longest = longest.max(began.elapsed());
                    done
                };
                while !step(&mut |parser, left| {
                    read = reading.step(parser, left).unwrap();
                    read.is_some()
                }) {}
                let (mut publish, mut answer) = read.unwrap();
                while !step(&mut |parser, left| {
                    while *left > 0 {
                        let Some((number, element)) = publish.next() else { return true };
                        *left = left.saturating_sub(element.len());
                        assert!(answer.note(number, parser.publication(element)).is_some());
                    }
                    false
                }) {}
                (longest, began.elapsed())
            })
            .collect();
        times.sort();
        println!(
            "{name}, {bytes} bytes: longest step {:?}, {:?} in all, median of 15",
            times[7].0, times[7].1
        );
    }
}
