//! Peers that take more than their share.

use crate::support::{Got, Peer, drivers, node, total};
use corepost::limits::OUTBOUND_BYTES;
use std::io::{ErrorKind, Write};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_peer_that_stops_reading_is_not_read_either() {
    for driver in drivers() {
        let node = node(1, driver);
        let mut greedy = Peer::connect(node.addr, "/v1/echo");
        let mut other = Peer::connect(node.addr, "/v1/echo");
        let mut message = Vec::new();
        corepost::wire::websocket::write_masked(
            corepost::wire::websocket::Opcode::Binary,
            &[7; 2_000],
            [0; 4],
            &mut message,
        );
        greedy.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let (mut sent, mut part) = (0, 0);
        // It says all it can without listening, until the kernel takes no more.
        let blocked = loop {
            match greedy.stream.write(&message[part..]) {
                Ok(n) => part += n,
                Err(error) => break error,
            }
            if part == message.len() {
                (sent, part) = (sent + 1, 0);
            }
            assert!(sent < 1_000_000, "nobody ever said stop");
        };
        assert!(matches!(blocked.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{blocked}");
        // What the node has taken in and not given back is all that it can hold. (Its figures are a second old.)
        thread::sleep(Duration::from_millis(1_200));
        let (read, written) = (total(&node, |f| f.bytes_read), total(&node, |f| f.bytes_written));
        let grown = read.saturating_sub(written) as usize;
        assert!(grown < 2 * OUTBOUND_BYTES, "{grown} bytes held after {sent} messages on {}", node.driver);
        let began = Instant::now();
        other.text(b"and me?");
        assert_eq!(other.next(), Got::Text(b"and me?".to_vec()));
        assert!(began.elapsed() < Duration::from_millis(200));
        // When it listens again it gets everything, in order.
        let mut rest = greedy.stream.try_clone().unwrap();
        let tail = message[part..].to_vec();
        let writer = thread::spawn(move || rest.write_all(&tail).unwrap());
        for n in 0..=sent {
            assert!(greedy.next() == Got::Binary(vec![7; 2_000]), "message {n} of {sent}");
        }
        writer.join().unwrap();
        drop(greedy);
        // How long that was is told, and that most others found room.
        thread::sleep(Duration::from_millis(1_200));
        let writes = node.figures()[0].writes_us();
        let in_a_second = writes.cumulative().filter(|(us, _)| *us <= 1_000_000).last().unwrap().1;
        assert!(in_a_second < writes.count() && in_a_second > 0, "{writes:?}");
        // Generous, for other tests run beside this one: a turn is measured by the clock on the wall.
        let longest = node.figures()[0].longest_turn;
        assert!(longest < Duration::from_millis(500), "a turn of {longest:?}");
    }
}
