//! Cursors that are none, are somebody else's, or of another log: always a `welcome`, never a status and never a gap
//! that is not told.

use crate::support::{Dice, Peer, Server, http};
use serde_json::json;

/// Sends `n` messages to that client and returns its cursors after each.
fn fill(server: &Server, client: &str, n: usize) -> Vec<String> {
    let mut reader = server.session(client);
    let mut sender = server.session("sender");
    for number in 0..n {
        sender
            .say(&json!({"type": "send", "id": format!("{client}-{number}"), "to": client, "body": number}));
    }
    (0..n).map(|_| reader.hear_of("message")["cursor"].as_str().unwrap().to_owned()).collect()
}

fn resume(server: &Server, client: &str, cursor: &str) -> (Peer, serde_json::Value) {
    let mut peer = Peer::connect(server.addr, &format!("/v1/ws?client={client}&cursor={cursor}"));
    let welcome = peer.hear();
    assert_eq!(welcome["type"], "welcome", "{cursor}");
    (peer, welcome)
}

#[test]
fn a_cursor_that_is_none_is_told_so_in_the_welcome() {
    let mut server = Server::start();
    let bobs = fill(&server, "bob", 3);
    let carols = fill(&server, "carol", 3);
    let cursor = &bobs[1];
    let mut wrong: Vec<(String, &str)> = vec![
        (String::new(), "invalid"),
        ("0".into(), "invalid"),
        ("z".repeat(64), "invalid"),
        ("z".repeat(65), "invalid"),
        ("z".repeat(6_000), "invalid"),
        ("%00".into(), "invalid"),
        ("%ff%fe".into(), "invalid"),
        ("%zz".into(), "invalid"),
        ("-1".into(), "invalid"),
        ("%F0%9F%92%A3".into(), "invalid"),
        ("'%20OR%201=1--".into(), "invalid"),
        ("0".repeat(cursor.len()), "invalid"),
        ("z".repeat(cursor.len()), "invalid"),
        (carols[1].clone(), "invalid"),
        (cursor.to_uppercase(), "invalid"),
        (format!("{cursor}0"), "invalid"),
        (format!("0{cursor}"), "invalid"),
        (format!("%20{cursor}"), "invalid"),
        (format!("{cursor}%0a"), "invalid"),
    ];
    wrong.extend((1..cursor.len()).map(|len| (cursor[..len].to_owned(), "invalid")));
    // Each character another one: the check must see every single one.
    for at in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        wrong.push((String::from_utf8(bytes).unwrap(), "invalid"));
    }
    let mut dice = Dice::new(5);
    for _ in 0..200 {
        let digits = |_| b"0123456789abcdefghijklmnopqrstuvwxyz"[dice.below(36) as usize] as char;
        wrong.push(((0..cursor.len()).map(digits).collect(), "invalid"));
    }
    let before = server.metrics().refusals("unresumed");
    for (text, reason) in &wrong {
        let (_, welcome) = resume(&server, "bob", text);
        assert_eq!((&welcome["resumed"], &welcome["reason"]), (&json!(false), &json!(reason)), "{text}");
        let (status, page) =
            http(server.addr, "GET", &format!("/v1/clients/bob/messages?cursor={text}"), "", b"");
        assert_eq!(
            (status, &page["resumed"], &page["reason"]),
            (200, &json!(false), &json!(reason)),
            "{text}"
        );
    }
    assert!(server.metrics().refusals("unresumed") - before >= wrong.len() as f64);
    // The right one still works.
    let (mut peer, welcome) = resume(&server, "bob", cursor);
    assert_eq!((&welcome["resumed"], &welcome["missed"]), (&json!(true), &json!(1)));
    assert_eq!(peer.hear_of("message")["body"], 2);
    drop(peer);
    server.unharmed("wrong cursors");
}

/// Forged with everything an attacker can know: the check is no secret, so a forger moves within the own mailbox.
#[test]
fn a_forged_cursor_moves_only_within_its_own_mailbox() {
    use corepost::model::{ClientId, Cursor, Position};
    let mut server = Server::start();
    let bobs = fill(&server, "bob", 3);
    drop(fill(&server, "carol", 3));
    let bob = ClientId::new("bob").unwrap();
    let known = Cursor::parse(bobs[2].as_bytes(), bob.as_ref()).unwrap();
    let at = known.at;
    let forge = |log_epoch, at| Cursor { log_epoch, at }.text(bob.as_ref()).as_str().to_owned();
    let there = |leader_epoch, offset| forge(known.log_epoch, Position { leader_epoch, offset });
    for (cursor, reasons) in [
        (forge(known.log_epoch ^ 1, at), &["epoch"][..]),
        (forge(0, at), &["epoch"]),
        (forge(u64::MAX, at), &["epoch"]),
        (there(at.leader_epoch, at.offset + 1_000_000), &["future"]),
        (there(at.leader_epoch, u64::MAX), &["future"]),
        (there(u32::MAX, u64::MAX), &["future", "truncated"]),
        (there(u32::MAX, 0), &["future", "truncated"]),
        (there(u32::MAX, at.offset), &["future", "truncated"]),
        (there(at.leader_epoch + 1, at.offset), &["future", "truncated"]),
    ] {
        let (_, welcome) = resume(&server, "bob", &cursor);
        let reason = welcome["reason"].as_str().unwrap_or_default();
        assert!(welcome["resumed"] == false && reasons.contains(&reason), "{cursor}: {welcome}");
        assert!(server.is_alive(), "the process ended after {cursor}");
        let (status, page) =
            http(server.addr, "GET", &format!("/v1/clients/bob/messages?cursor={cursor}"), "", b"");
        assert_eq!((status, &page["resumed"]), (200, &json!(false)), "{cursor}: {page}");
    }
    let (mut peer, welcome) = resume(&server, "bob", &forge(known.log_epoch, Position::START));
    assert_eq!((&welcome["resumed"], &welcome["missed"]), (&json!(true), &json!(3)));
    for n in 0..3 {
        let message = peer.hear_of("message");
        assert_eq!((&message["from"], &message["body"]), (&json!("sender"), &json!(n)));
    }
    drop(peer);
    server.unharmed("forged cursors");
}
