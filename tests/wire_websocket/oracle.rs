//! Agreement with sockudo-ws, whose codec shares nothing with ours but the masking.

use crate::streams::{Random, cuts, stream};
use crate::{Seen, run};
use bytes::BytesMut;
use corepost::model::CloseCode;
use corepost::wire::websocket::Rules;
use sockudo_ws::Error;
use sockudo_ws::protocol::{Message, Protocol, Role};

const LIMIT: usize = 70_000;
const RULES: Rules =
    Rules { keep: LIMIT, skim: LIMIT, check_utf8: true, text_only: false, from_server: false };

fn oracle(stream: &[u8], pieces: &[usize]) -> Vec<Seen> {
    let mut protocol = Protocol::new(Role::Server, LIMIT, LIMIT);
    let (mut buffer, mut messages, mut seen) = (BytesMut::new(), vec![], vec![]);
    let mut rest = stream;
    for &piece in pieces {
        let (now, later) = rest.split_at(piece);
        rest = later;
        buffer.extend_from_slice(now);
        let result = protocol.process_into(&mut buffer, &mut messages);
        for message in messages.drain(..) {
            seen.push(match message {
                Message::Text(data) => Seen::Text(data.to_vec()),
                Message::Binary(data) => Seen::Binary(data.to_vec()),
                Message::Ping(data) => Seen::Ping(data.to_vec()),
                Message::Pong(data) => Seen::Pong(data.to_vec()),
                Message::Close(close) => {
                    seen.push(match close {
                        Some(close) => Seen::Close(Some(close.code), close.reason.as_bytes().to_vec()),
                        None => Seen::Close(None, vec![]),
                    });
                    return seen;
                }
            });
        }
        if let Err(error) = result {
            seen.push(Seen::Failed(match error {
                Error::InvalidUtf8 => CloseCode::BadUtf8,
                Error::FrameTooLarge | Error::MessageTooLarge => CloseCode::TooBig,
                _ => CloseCode::Protocol,
            }));
            return seen;
        }
    }
    seen
}

/// `COREPOST_STREAMS=200000` for more.
#[test]
fn agrees_with_another_codec_whatever_the_cuts() {
    let streams = std::env::var("COREPOST_STREAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut messages, mut failures, mut closes) = (0, 0, 0);
    for number in 0..streams {
        // Most streams are short: what large frames add is seen in a few of them.
        let largest = if number % 16 == 0 { 65_545 } else { 400 };
        let stream = stream(&mut random, largest);
        let pieces = cuts(&mut random, stream.len());
        let whole = run(&stream, &[stream.len()], &RULES);
        let head = &stream[..stream.len().min(80)];
        assert_eq!(run(&stream, &pieces, &RULES), whole, "stream {number} {head:02x?} cut {pieces:?}");
        assert_eq!(whole, oracle(&stream, &pieces), "stream {number} {head:02x?} cut {pieces:?}");
        for seen in whole {
            match seen {
                Seen::Text(_) | Seen::Binary(_) => messages += 1,
                Seen::Failed(_) => failures += 1,
                Seen::Close(..) => closes += 1,
                _ => {}
            }
        }
    }
    // The generator still makes all kinds.
    let kinds = format!("{messages} messages, {failures} failures, {closes} closes of {streams} streams");
    assert!(messages > streams / 4 && failures > streams / 10 && closes > streams / 100, "{kinds}");
}
