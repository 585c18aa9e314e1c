//! The end of a server: every session is told its own moment, everything acknowledged is durable, the exit is 0.

use crate::support::{
    Api, Got, Heard, Knock, Peer, Place, Session, eventually, send, token, upgrade_request,
};
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn each_session_is_told_its_own_moment_and_closed_then() {
    for cores in [1, 2] {
        let window = Duration::from_secs(4);
        let place = Place::new("drain").with("cores", cores).with("drain-window", "4s");
        let mut server = place.start();
        let mut sessions: Vec<Session> =
            (0..24).map(|n| Session::open(server.addr, &format!("client=c{n}"))).collect();
        let begun = Instant::now();
        server.signal("TERM");
        let mut moments = Vec::new();
        for session in &mut sessions {
            let drain = session.frame();
            assert_eq!(drain["type"], "drain", "{drain}");
            assert!(drain["cursor"].is_string(), "{drain}");
            let after = Duration::from_millis(drain["reconnect_after_ms"].as_u64().unwrap());
            assert!(after <= window, "{after:?}");
            moments.push(after);
        }
        // All were told at once, long before the first half had to go.
        let told = begun.elapsed();
        assert!(told < window + Duration::from_secs(5), "{told:?}");
        let mut distinct = moments.clone();
        distinct.sort();
        distinct.dedup();
        assert!(distinct.len() >= 12, "a crowd at once: {distinct:?}");
        assert_eq!(Api::connect(server.admin).get("/readyz").status, 503);
        assert_eq!(Api::connect(server.admin).get("/livez").status, 200);
        // Nobody new: refused by the kernel, or with a 503.
        if TcpStream::connect(server.addr).is_ok()
            && let Err(answer) = Knock::new("client=new").send(server.addr)
        {
            assert!(!answer.contains(" 101 "), "{answer}");
        } else {
            assert!(Knock::new("client=new").enter(server.addr).is_err(), "a new session in a drain");
        }
        // Whoever is still there is served: what is acknowledged is durable.
        let (last, after) = sessions.iter_mut().zip(&moments).max_by_key(|(_, after)| **after).unwrap();
        assert!(*after > window / 2, "the moments are spread over the window");
        last.say(&send("bob", "in the drain", 1));
        let mut acknowledged = false;
        loop {
            match last.hear() {
                Heard::Frame(frame) => acknowledged |= frame["type"] == "ack",
                Heard::Close(code) => break assert_eq!(code, Some(1012)),
                Heard::End => panic!("no close"),
            }
        }
        let (gone, expected) = (begun.elapsed(), *after);
        assert!(gone + Duration::from_millis(200) >= expected, "{gone:?} is before its moment {expected:?}");
        let last_client = last.welcome["session"].clone();
        for session in &mut sessions {
            if session.welcome["session"] != last_client {
                assert_eq!(session.close_code(), 1012);
            }
        }
        assert_eq!(server.exit_code(), 0, "{}", server.log());
        assert!(begun.elapsed() < window + Duration::from_secs(10), "{:?}", begun.elapsed());
        assert_eq!(server.rest_of_stdout(), [] as [String; 0], "one line was all it had to say");
        drop(server);
        let server = place.start();
        let kept = Session::open(server.addr, "client=bob&from=start").replay().len();
        assert!(kept >= usize::from(acknowledged));
    }
}

/// Reads a whole head. False: it is no upgrade, or none came.
fn is_let_in(peer: &mut Peer) -> bool {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if peer.stream.read_exact(&mut byte).is_err() {
            return false;
        }
        head.push(byte[0]);
    }
    head.starts_with(b"HTTP/1.1 101 ")
}

/// Tokens are checked so many a turn: whoever waits for that as a drain begins is no session yet, and is told no moment.
#[test]
fn who_is_on_the_way_in_as_a_drain_begins_is_sent_away_and_not_cut() {
    for cores in [1, 2] {
        let window = Duration::from_secs(1);
        let place = Place::keyed("drain-arrivals").with("cores", cores).with("drain-window", "1s");
        let mut server = place.start();
        let mut peers: Vec<Peer> =
            (0..600).map(|_| Peer::over(TcpStream::connect(server.addr).unwrap())).collect();
        eventually("all have arrived", || server.descriptors() > peers.len());
        let requests: Vec<String> = (0..peers.len())
            .map(|n| upgrade_request(&format!("/v1/ws?token={}", token(&format!("c{n}")))))
            .collect();
        peers.iter_mut().zip(&requests).for_each(|(peer, request)| peer.raw(request.as_bytes()));
        let begun = Instant::now();
        server.signal("TERM");
        let mut cut = 0;
        for peer in peers.iter_mut().filter_map(|peer| is_let_in(peer).then_some(peer)) {
            loop {
                match peer.next() {
                    Got::Close(code) => break assert_eq!(code, Some(1012)),
                    Got::End => break cut += 1,
                    _ => {}
                }
            }
        }
        assert_eq!(cut, 0, "sessions of 600 that were cut without a word");
        assert_eq!(server.exit_code(), 0, "{}", server.log());
        assert!(begun.elapsed() < window + Duration::from_secs(8), "{:?}", begun.elapsed());
    }
}

#[test]
fn without_sessions_the_end_is_immediate() {
    for signal in ["TERM", "INT"] {
        let place = Place::new("drain-empty").with("drain-window", "1h");
        let mut server = place.start();
        let mut alice = Session::open(server.addr, "client=alice");
        alice.deliver("bob", "1", 1);
        drop(alice);
        // A kept connection without a request is nobody to wait for.
        let mut idle = server.api();
        assert_eq!(idle.get("/v1/clients/bob").status, 200);
        eventually("alice has gone", || server.metrics().sum("corepost_sessions", "") == 0.0);
        let begun = Instant::now();
        server.signal(signal);
        assert_eq!(server.exit_code(), 0, "{}", server.log());
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

#[test]
fn when_the_last_session_goes_by_itself_the_window_is_not_waited_for() {
    let place = Place::new("drain-early").with("drain-window", "1h");
    let mut server = place.start();
    let mut sessions: Vec<Session> =
        (0..3).map(|n| Session::open(server.addr, &format!("client=c{n}"))).collect();
    server.signal("TERM");
    sessions.iter_mut().for_each(|session| assert_eq!(session.frame()["type"], "drain"));
    drop(sessions);
    assert_eq!(server.exit_code(), 0, "{}", server.log());
}

#[test]
fn a_second_signal_does_not_wait() {
    let place = Place::new("drain-twice").with("drain-window", "1h").with("cores", 1);
    let mut server = place.start();
    let mut sessions: Vec<Session> = (0..2).map(|_| Session::open(server.addr, "client=stays")).collect();
    server.signal("TERM");
    sessions.iter_mut().for_each(|session| assert_eq!(session.frame()["type"], "drain"));
    server.signal("HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.ended().is_none(), "one of them may stay for half an hour, whatever SIGHUP says");
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0, "{}", server.log());
    sessions.iter_mut().for_each(|session| {
        // The first had its moment at once, perhaps; the other was cut.
        while let Heard::Frame(_) = session.hear() {}
    });
}

#[test]
fn a_drain_loses_nothing_under_load() {
    let place = Place::new("drain-load").with("drain-window", "1s");
    let mut server = place.start();
    let addr = server.addr;
    let senders: Vec<_> = (0..4)
        .map(|n| {
            let mut session = Session::open(addr, &format!("client=sender-{n}"));
            std::thread::spawn(move || {
                let (mut sent, mut acked) = (0, Vec::new());
                loop {
                    if sent < acked.len() + 20
                        && session.try_say(&send("bob", &format!("{n}-{sent}"), format!("{n}-{sent}")))
                    {
                        sent += 1;
                        continue;
                    }
                    match session.hear() {
                        Heard::Frame(frame) if frame["type"] == "ack" => acked.push(frame["id"].clone()),
                        Heard::Frame(_) => {}
                        Heard::Close(code) => {
                            assert_eq!(code, Some(1012));
                            return acked;
                        }
                        Heard::End => panic!("no close"),
                    }
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    let acked: Vec<_> = senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
    assert_eq!(server.exit_code(), 0, "{}", server.log());
    let server = place.start();
    let there = Session::open(server.addr, "client=bob&from=start").replay();
    let missing: Vec<_> = acked.iter().filter(|id| !there.contains(id)).collect();
    assert!(!acked.is_empty() && missing.is_empty(), "{missing:?} of {}", acked.len());
}
