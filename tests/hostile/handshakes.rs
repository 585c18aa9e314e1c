//! Request heads as no client should send them, each with the status it must get.

use crate::support::{Dice, Peer, Server, ask, upgrade};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A request, and the statuses of the answers to it, in order. None: the connection may just end.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    answers: &'static [u16],
}

fn case(name: &'static str, request: impl Into<Vec<u8>>, answers: &'static [u16]) -> Case {
    Case { name, request: request.into(), answers }
}

/// A good upgrade of somebody, with one text replaced.
fn but(from: &str, to: &str) -> String {
    let good = upgrade("/v1/ws?client=eve", "");
    assert!(good.contains(from), "{from}");
    good.replacen(from, to, 1)
}

fn with(more: &str) -> String {
    upgrade("/v1/ws?client=eve", more)
}

fn to(target: &str) -> String {
    upgrade(target, "")
}

const POST: &str = "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n";

fn upgrades() -> Vec<Case> {
    let repeated = |times| "X-Many: x\r\n".repeat(times);
    vec![
        case("as it should be", with(""), &[101]),
        case("no Host", but("Host: localhost\r\n", ""), &[400]),
        case("no Upgrade", but("Upgrade: websocket\r\n", ""), &[426]),
        case("another Upgrade", but("Upgrade: websocket", "Upgrade: h2c"), &[400]),
        case("no Connection", but("Connection: Upgrade\r\n", ""), &[400]),
        case("Connection: close", but("Connection: Upgrade", "Connection: close"), &[400]),
        case("no version", but("Sec-WebSocket-Version: 13\r\n", ""), &[426]),
        case("version 8", but("Version: 13", "Version: 8"), &[426]),
        case("version huge", but("Version: 13", "Version: 99999999999999999999"), &[426]),
        case("version twice", with("Sec-WebSocket-Version: 13\r\n"), &[400]),
        case("no key", but("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), &[400]),
        case("key twice", with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), &[400]),
        case("key too short", but("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), &[400]),
        case("key too long", but("dGhlIHNhbXBsZSBub25jZQ==", &"dGhl".repeat(100)), &[400]),
        case("key no base64", but("dGhlIHNhbXBsZSBub25jZQ==", "????????????????????????"), &[400]),
        case("key empty", but("dGhlIHNhbXBsZSBub25jZQ==", ""), &[400]),
        case("HTTP/1.0", but("HTTP/1.1", "HTTP/1.0"), &[400]),
        case("HTTP/0.9", "GET /v1/ws?client=eve\r\n\r\n", &[400]),
        case("HTTP/2.0", but("HTTP/1.1", "HTTP/2.0"), &[400]),
        case("HTTP/9.9", but("HTTP/1.1", "HTTP/9.9"), &[400]),
        case("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400]),
        case("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
        case("POST", but("GET", "POST"), &[405]),
        case("a method of 4,000 letters", but("GET", &"G".repeat(4_000)), &[405]),
        case("a method with a NUL", but("GET", "G\0T"), &[400]),
        case("LF only", with("").replace("\r\n", "\n") + "\r\n\r\n", &[400]),
        case("CR only", with("").replace("\r\n", "\r") + "\r\n\r\n", &[400]),
        case("NUL in a value", with("X: a\0b\r\n"), &[400]),
        case("NUL in a name", with("X\0: a\r\n"), &[400]),
        case("a folded header", with("X: a\r\n b\r\n"), &[400]),
        case("a space before the colon", with("X : a\r\n"), &[400]),
        case("no colon", with("nonsense\r\n"), &[400]),
        case("an empty name", with(": a\r\n"), &[400]),
        case("bytes above ASCII in a value", with("X: \u{fe0f}\u{1f4a3}\r\n"), &[101]),
        case("bytes above ASCII in a name", with("X\u{1f4a3}: a\r\n"), &[400]),
        case("97 headers", with(&repeated(97)), &[431]),
        case("800 headers", with(&repeated(600)), &[431]),
        case("a name of 65 KiB", with(&format!("{}: a\r\n", "n".repeat(65 << 10))), &[431]),
        case("a value of 9 KiB", with(&format!("X: {}\r\n", "v".repeat(9 << 10))), &[431]),
        case("a head without end", vec![b'A'; 100_000], &[431]),
        case("empty lines without end", b"\r\n".repeat(50_000), &[]),
        case("a URI of 7 KiB", to(&format!("/v1/ws?client=eve&x={}", "x".repeat(7_000))), &[101]),
        case("a URI of 60 KiB", to(&format!("/v1/ws?client={}", "x".repeat(60_000))), &[431]),
        case("a client of 129 bytes", to(&format!("/v1/ws?client={}", "x".repeat(129))), &[400]),
        case("no client", to("/v1/ws"), &[400]),
        case("an empty client", to("/v1/ws?client="), &[400]),
        case("client twice", to("/v1/ws?client=a&client=b"), &[400]),
        case("a quote in the client", to("/v1/ws?client=%22"), &[400]),
        case("a backslash in the client", to("/v1/ws?client=%5c"), &[400]),
        case("NUL in the client", to("/v1/ws?client=%00"), &[400]),
        case("a line end in the client", to("/v1/ws?client=a%0d%0aX:%20y"), &[400]),
        case("DEL in the client", to("/v1/ws?client=%7f"), &[400]),
        case("C1 control in the client", to("/v1/ws?client=%c2%85"), &[400]),
        case("half a percent escape", to("/v1/ws?client=%4"), &[400]),
        case("no percent escape", to("/v1/ws?client=%zz"), &[400]),
        case("bytes that are no UTF-8", to("/v1/ws?client=%ff%fe"), &[400]),
        case("an encoded surrogate", to("/v1/ws?client=%ed%a0%80"), &[400]),
        case("an overlong slash", to("/v1/ws?client=%c0%af"), &[400]),
        case("from nonsense", to("/v1/ws?client=eve&from=yesterday"), &[400]),
        case("from far too many", to("/v1/ws?client=eve&from=-10001"), &[400]),
        case("from beyond 64 bits", to("/v1/ws?client=eve&from=99999999999999999999"), &[400]),
        case("from the end of time", to("/v1/ws?client=eve&from=18446744073709551615"), &[400]),
        case("absolute form", to("http://localhost/v1/ws?client=eve"), &[101]),
        case("absolute form, broken", to("http://[::1/v1/ws?client=eve"), &[400]),
        case("absolute form, no host", to("http:///v1/ws?client=eve"), &[400]),
        case("a fragment", to("/v1/ws?client=eve#x"), &[101]),
        case("an escaped path", to("/v1/%77s?client=eve"), &[404]),
        case("dots", to("/v1/../v1/ws?client=eve"), &[404]),
        case("asterisk", to("*"), &[404]),
        case("CONNECT", but("GET /v1/ws?client=eve", "CONNECT localhost:443"), &[404]),
        case("no slash", to("v1/ws?client=eve"), &[400]),
        case("an empty target", "GET  HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
        case("a body announced", with("Content-Length: 5\r\n"), &[400]),
        case("a chunked body announced", with("Transfer-Encoding: chunked\r\n"), &[400]),
        case("a foreign Origin", with("Origin: https://evil.example\r\n"), &[403]),
        case("Origin null", with("Origin: null\r\n"), &[403]),
        case("Origin twice", with("Origin: http://localhost\r\nOrigin: http://localhost\r\n"), &[400]),
        case("by a proxy", with("X-Forwarded-For: 1.2.3.4\r\n"), &[403]),
        case("by another proxy", with("Via: 1.1 x\r\n"), &[403]),
        case("an unknown subprotocol", with("Sec-WebSocket-Protocol: chat\r\n"), &[101]),
        case(
            "a subprotocol of 6 KiB",
            with(&format!("Sec-WebSocket-Protocol: {}\r\n", "x,".repeat(3_000))),
            &[101, 400],
        ),
        case(
            "extensions",
            with("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"),
            &[101],
        ),
        case("two tokens", upgrade("/v1/ws?client=eve&token=a", "Authorization: Bearer b\r\n"), &[400]),
        case("pipelined after a refusal", [to("/v1/nowhere"), to("/v1/nowhere")].concat(), &[404, 404]),
    ]
}

/// Bodies that two readers could see differently.
fn smuggling() -> Vec<Case> {
    let post = |headers: &str, body: &str| format!("{POST}{headers}\r\n{body}");
    let hidden = "GET /v1/clients/hidden HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let good = "{\"from\":\"a\",\"to\":\"b\",\"id\":\"1\",\"body\":1}";
    let chunk_bomb = "1;x\r\n[\r\n".repeat(20_000);
    let extension = format!("1;{}\r\n[\r\n", "x".repeat(100_000));
    let trailers = format!("0\r\n{}\r\n", "X: y\r\n".repeat(20_000));
    let chunked = "Transfer-Encoding: chunked\r\n";
    vec![
        case(
            "CL and TE",
            post(&format!("Content-Length: 4\r\n{chunked}"), &format!("0\r\n\r\n{hidden}")),
            &[400],
        ),
        case(
            "TE and CL",
            post(&format!("{chunked}Content-Length: 4\r\n"), &format!("0\r\n\r\n{hidden}")),
            &[400],
        ),
        case(
            "two lengths",
            post("Content-Length: 2\r\nContent-Length: 100\r\n", &format!("[]{hidden}")),
            &[400],
        ),
        case("a list of lengths", post("Content-Length: 2, 100\r\n", &format!("[]{hidden}")), &[400]),
        case("a length with a sign", post("Content-Length: +2\r\n", &format!("[]{hidden}")), &[400]),
        case("a negative length", post("Content-Length: -1\r\n", hidden), &[400]),
        case("a length in hexadecimal", post("Content-Length: 0x10\r\n", hidden), &[400]),
        case("a length beyond 64 bits", post("Content-Length: 99999999999999999999999\r\n", hidden), &[400]),
        case("a length of 16 EiB", post("Content-Length: 18446744073709551615\r\n", hidden), &[400]),
        case("a length over the bound", post("Content-Length: 8388609\r\n", hidden), &[413]),
        case("TE of two words", post("Transfer-Encoding: gzip, chunked\r\n", hidden), &[400]),
        case("TE twice", post(&format!("{chunked}{chunked}"), &format!("0\r\n\r\n{hidden}")), &[400]),
        case("TE obfuscated", post("Transfer-Encoding: \x0bchunked\r\n", hidden), &[400]),
        case("TE: identity", post("Transfer-Encoding: identity\r\n", hidden), &[400]),
        case("a chunk size too long", post(chunked, "fffffffff\r\n"), &[400]),
        case("a chunk of 4 GiB", post(chunked, "ffffffff\r\n"), &[413]),
        case("a chunk size with a sign", post(chunked, "+1\r\n[\r\n"), &[400]),
        case("a chunk size with 0x", post(chunked, "0x1\r\n[\r\n"), &[400]),
        case("a chunk without CRLF", post(chunked, "1\r\n[]\r\n0\r\n\r\n"), &[400]),
        case("chunks ended by LF", post(chunked, "1\n[\n0\n\n"), &[400]),
        case("20,000 chunks with extensions", post(chunked, &chunk_bomb), &[400]),
        case("an extension of 100 kB", post(chunked, &extension), &[400]),
        case("20,000 trailers", post(chunked, &trailers), &[400]),
        case("a body that is cut", post("Content-Length: 100\r\n", "[1"), &[]),
        case("an expectation that is none", post("Expect: nonsense\r\nContent-Length: 2\r\n", "[]"), &[417]),
        case("gzip", post("Content-Encoding: gzip\r\nContent-Length: 2\r\n", "[]"), &[415]),
        case(
            "pipelined requests are answered in order",
            [&post(&format!("Content-Length: {}\r\n", good.len()), good), hidden].concat(),
            &[200, 200],
        ),
        case(
            "a 404 with a body that looks like a request",
            format!(
                "POST /v1/nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{hidden}",
                hidden.len()
            ),
            &[404],
        ),
    ]
}

/// The statuses of all answers in it.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    let answers =
        text.match_indices("HTTP/1.1 ").filter(|(at, _)| *at == 0 || text[..*at].ends_with(['\n', '}']));
    answers.filter_map(|(at, _)| text[at + 9..].get(..3)?.parse().ok()).collect()
}

/// Sends each case to the server, three ways: at once, in two pieces, and with our side closed behind it.
fn run(server: &mut Server, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let answer = if case.answers.first() == Some(&101) {
            // It stays open; the head is enough.
            let mut peer = Peer::new(server.addr);
            peer.raw(&case.request);
            peer.head().into_bytes()
        } else {
            ask(server.addr, &case.request, true)
        };
        let got = statuses(&answer);
        let open = case.answers == [101, 400] && got.len() == 1 && case.answers.contains(&got[0]);
        if !open
            && got != case.answers
            && !(case.answers.is_empty() && got.iter().all(|s| (400..500).contains(s)))
        {
            wrong.push(format!(
                "{}: {got:?} instead of {:?}: {}",
                case.name,
                case.answers,
                String::from_utf8_lossy(&answer)
            ));
        }
        assert!(server.is_alive(), "the process ended after {}", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_strange_upgrade_gets_its_status() {
    for driver in ["auto", "epoll"] {
        let mut server = Server::with(&["--driver", driver]);
        let before = server.metrics();
        run(&mut server, &upgrades());
        server.unharmed("strange upgrades");
        let after = server.metrics();
        for reason in ["bad_request", "head_too_large", "foreign_origin"] {
            assert!(after.refusals(reason) > before.refusals(reason), "{reason} was not counted");
        }
    }
}

#[test]
fn no_body_hides_a_request() {
    for driver in ["auto", "epoll"] {
        let mut server = Server::with(&["--driver", driver]);
        run(&mut server, &smuggling());
        server.unharmed("smuggled requests");
    }
}

/// One byte of a good head changed, cut, doubled: never a panic, always an answer or an end.
#[test]
fn a_good_head_with_a_wrong_byte_is_answered() {
    let mut server = Server::start();
    let mut dice = Dice::new(3);
    for round in 0..600 {
        let mut request = if round % 2 == 0 {
            with("Origin: http://localhost\r\nSec-WebSocket-Protocol: corepost.v1\r\n").into_bytes()
        } else {
            format!("{POST}Content-Length: 2\r\nConnection: close\r\n\r\n[]").into_bytes()
        };
        for _ in 0..=dice.below(3) {
            let at = dice.below(request.len() as u64) as usize;
            match dice.below(4) {
                0 => request[at] = dice.below(256) as u8,
                1 => drop(request.drain(at..(at + 3).min(request.len()))),
                2 => request.insert(at, request[at]),
                _ => request.insert(at, b"\0\r\n:%;, \x80"[dice.below(9) as usize]),
            }
        }
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
        stream.write_all(&request).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = [0; 16];
        let read = stream.read(&mut answer).unwrap_or(0);
        assert!(read == 0 || answer.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(&request));
    }
    server.unharmed("600 heads with a wrong byte");
}
