//! Sockets by the thousand: idle, coming and going, closing all at once.

use crate::support::{Peer, Server, Unharmed, upgrade, within};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How many sockets this process may have, of which the server's own limit is another process's.
#[allow(unsafe_code)]
fn room() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write only the struct they are given.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    (limit.rlim_cur as usize).saturating_sub(500)
}

/// Sessions that have been welcomed and then say nothing.
fn idle(server: &Server, many: usize) -> Vec<TcpStream> {
    let addr = server.addr;
    let part = move |first: usize, many: usize| {
        let mut streams = Vec::with_capacity(many);
        for start in (first..first + many).step_by(250) {
            let fresh = start..(start + 250).min(first + many);
            let mut fresh: Vec<TcpStream> = fresh
                .map(|n| {
                    let mut stream = TcpStream::connect(addr).unwrap();
                    let target = format!("/v1/ws?client=idle-client-{n:05}");
                    stream.write_all(upgrade(&target, "").as_bytes()).unwrap();
                    stream
                })
                .collect();
            for stream in &mut fresh {
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let (mut got, mut buffer) = (Vec::new(), [0; 2_048]);
                while !got.windows(9).any(|window| window == b"\"welcome\"") {
                    match stream.read(&mut buffer) {
                        Ok(read @ 1..) => got.extend_from_slice(&buffer[..read]),
                        other => panic!("{other:?} after {}", String::from_utf8_lossy(&got)),
                    }
                }
            }
            streams.append(&mut fresh);
        }
        streams
    };
    let half = many / 2;
    let other = thread::spawn(move || part(half, many - half));
    let mut streams = part(0, half);
    streams.append(&mut other.join().unwrap());
    streams
}

#[test]
fn nineteen_thousand_idle_sockets_are_served_and_close_at_once() {
    let many = room().min(19_000);
    if many < 19_000 {
        eprintln!("only {many} sockets, for the limit of open files is low; ulimit -n 20000");
    }
    let mut server = Server::with(&["--ping-interval", "30m"]);
    let began = Instant::now();
    let streams = idle(&server, many);
    eprintln!("{many} sessions in {:?}", began.elapsed());
    assert_eq!(server.metrics().sum("corepost_sessions", &[]), many as f64);
    server.pair("among-many");
    let grown = server.rss().saturating_sub(server.base);
    eprintln!("{} bytes each", grown / many);
    // The bar for an optimised program is 1,024 bytes; this is a bound for any.
    server.unharmed_by("19,000 idle sockets", Unharmed { grown: many * 4_096 + (32 << 20), heavy: true });
    // Most vanish at once, those at the front stay; nobody else notices.
    let mut streams = streams.into_iter();
    let mut left: Vec<TcpStream> = streams.by_ref().take(500).collect();
    drop(streams);
    server.pair("while-they-go");
    within(20, "they are gone", || server.metrics().sum("corepost_sessions", &[]) == 500.0);
    for stream in &mut left {
        stream.write_all(b"\x89\x80\0\0\0\0").unwrap();
        let mut pong = [0; 2];
        stream.read_exact(&mut pong).unwrap();
        assert_eq!(pong, [0x8a, 0]);
    }
    drop(left);
    server.empty();
    server.unharmed_by("a mass close", Unharmed { grown: many * 2_048 + (48 << 20), heavy: true });
}

/// Every stage at which a peer may go: before it has said anything, in its head, in its upgrade, in a frame.
#[test]
fn a_storm_of_peers_that_come_and_go_leaves_nothing() {
    let mut server = Server::start();
    let whole = upgrade("/v1/ws?client=storm", "");
    let frame = b"\x81\xfe\x10\x00\0\0\0\0{\"type\"";
    let threads: Vec<_> = (0..4)
        .map(|me| {
            let (addr, whole) = (server.addr, whole.clone());
            thread::spawn(move || {
                for n in 0..1_000 {
                    let mut stream = TcpStream::connect(addr).unwrap();
                    match (n + me) % 8 {
                        0 => {}
                        1 => drop(stream.write_all(&whole.as_bytes()[..20])),
                        2 => drop(stream.write_all(whole.as_bytes())),
                        3 => {
                            let _ = stream.write_all(whole.as_bytes());
                            let _ = stream.write_all(frame);
                        }
                        4 => {
                            let _ = stream.write_all(&[whole.as_bytes(), frame].concat());
                            let _ = stream.shutdown(Shutdown::Write);
                        }
                        5 => {
                            let _ = stream.write_all(whole.as_bytes());
                            let _ = stream.read(&mut [0; 64]);
                        }
                        6 => drop(stream.write_all(
                            b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n[",
                        )),
                        _ => drop(stream.shutdown(Shutdown::Both)),
                    }
                }
            })
        })
        .collect();
    while !threads.iter().all(|thread| thread.is_finished()) {
        server.pair_in_flood();
        thread::sleep(Duration::from_millis(20));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    server.empty();
    within(10, "their descriptors are closed", || server.files() < 100);
    server.unharmed("4,000 peers that came and went");
}

/// All devices of one client leave and come back, again and again, while messages come for it.
#[test]
fn devices_that_flap_get_everything_once_in_order() {
    let mut server = Server::start();
    let mut sender = server.session("sender");
    let mut cursors: Vec<Option<String>> = vec![None; 20];
    let mut heard = [0; 20];
    for round in 0..10 {
        let mut devices: Vec<Peer> = cursors
            .iter()
            .map(|cursor| {
                let start =
                    cursor.as_ref().map_or("from=start".to_owned(), |cursor| format!("cursor={cursor}"));
                Peer::connect(server.addr, &format!("/v1/ws?client=flapper&{start}"))
            })
            .collect();
        for n in 0..20 {
            sender.say(&json!({"type": "send", "id": format!("{round}-{n}"), "to": "flapper", "body": round * 20 + n}));
        }
        (0..20).for_each(|_| drop(sender.hear_of("ack")));
        for (at, device) in devices.iter_mut().enumerate() {
            // Some read all, some only a part of it before they go.
            let upto = if (at + round) % 3 == 0 { round * 20 + 7 } else { round * 20 + 20 };
            while heard[at] < upto {
                let message = device.hear_of("message");
                assert_eq!(message["body"], heard[at], "of device {at} in round {round}");
                heard[at] += 1;
                cursors[at] = Some(message["cursor"].as_str().unwrap().to_owned());
            }
        }
    }
    drop(sender);
    server.empty();
    server.unharmed("flapping devices");
}
