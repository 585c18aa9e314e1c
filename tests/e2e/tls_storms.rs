//! Handshakes of TLS by the hundred at one moment: who is there already is served meanwhile, and nothing is computed for whose
//! time is over.

use crate::support::{PATIENCE, Secured, Server, client, connect, eventually, trusting, upgrade_request};
use corepost::limits::HANDSHAKES_PER_TURN;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A hundred turns of a core, by what it does of handshakes in one.
const CROWD: usize = 800;

/// A crowd that has connected and said nothing.
fn crowd(server: &Server) -> Vec<TcpStream> {
    let come = |_| {
        let stream = TcpStream::connect(server.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    (0..CROWD).map(come).collect()
}

/// What a client says first.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut hello = Vec::new();
    client(config).write_tls(&mut hello).unwrap();
    hello
}

/// Somebody who is there, and is told what he says.
struct Echo(StreamOwned<ClientConnection, TcpStream>);

impl Echo {
    fn begin(server: &Server, config: &Arc<ClientConfig>) -> Self {
        let mut line = connect(server, config).unwrap();
        line.sock.set_nodelay(true).unwrap();
        line.write_all(upgrade_request("/v1/echo").as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            line.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        Self(line)
    }

    fn ask(&mut self) {
        self.0.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
        self.0.read_exact(&mut [0; 4]).unwrap();
    }

    /// Lets the server find what a crowd says at one moment.
    fn find_at_once(&mut self, server: &Server, crowd: &mut [TcpStream], say: &[u8]) {
        // Each answer takes a look at the sockets: after these all of the crowd is known.
        (0..100).for_each(|_| self.ask());
        server.signal("STOP");
        crowd.iter_mut().for_each(|stream| stream.write_all(say).unwrap());
        server.signal("CONT");
    }

    /// How often he is answered before the last of a crowd is that speaks at one moment.
    fn answers_beside(&mut self, server: &Server, mut crowd: Vec<TcpStream>, say: &[u8]) -> usize {
        self.find_at_once(server, &mut crowd, say);
        let served = thread::spawn(move || {
            for stream in &mut crowd {
                let mut first = [0];
                stream.read_exact(&mut first).unwrap();
                assert_eq!(first, [22], "a hello is answered by a hello");
            }
            (Instant::now(), crowd)
        });
        let mut answers = Vec::new();
        while !served.is_finished() {
            self.ask();
            answers.push(Instant::now());
        }
        let (end, _crowd) = served.join().unwrap();
        answers.iter().filter(|at| **at < end).count()
    }
}

/// Counted and not timed: how long a handshake takes depends on the machine, how often the core looks round does not.
#[test]
fn a_crowd_of_hellos_at_once_is_served_beside_who_is_there() {
    let place = Secured::new("tls-crowd").place.with("cores", 1).with("handshake-timeout", "60s");
    let config = trusting(&place.path("cert.pem"), &[&TLS13]);
    let server = place.start();
    let mut bob = Echo::begin(&server, &config);
    let answers = bob.answers_beside(&server, crowd(&server), &hello(&config));
    assert!(answers >= 10, "{answers} answers while {CROWD} handshakes were begun");
}

#[test]
fn a_byte_ahead_of_its_hello_helps_nobody_past_the_gate() {
    let place = Secured::new("tls-byte").place.with("cores", 1).with("handshake-timeout", "60s");
    let config = trusting(&place.path("cert.pem"), &[&TLS13]);
    let server = place.start();
    let (mut bob, mut crowd, hello) = (Echo::begin(&server, &config), crowd(&server), hello(&config));
    crowd.iter_mut().for_each(|stream| stream.write_all(&hello[..1]).unwrap());
    let answers = bob.answers_beside(&server, crowd, &hello[1..]);
    assert!(answers >= 10, "{answers} answers while {CROWD} handshakes were begun");
}

#[test]
fn a_hello_whose_turn_comes_too_late_is_not_computed() {
    let place = Secured::new("tls-late").place.with("cores", 1).with("handshake-timeout", "3s");
    let config = trusting(&place.path("cert.pem"), &[&TLS13]);
    let server = place.start();
    let (mut bob, mut crowd) = (Echo::begin(&server, &config), crowd(&server));
    bob.find_at_once(&server, &mut crowd, &hello(&config));
    crowd[0].read_exact(&mut [0]).unwrap();
    // The others wait for their turn, or are through on a very quick machine.
    server.signal("STOP");
    let is_served = |stream: &mut TcpStream| stream.read(&mut [0]).is_ok();
    crowd.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    crowd.retain_mut(|stream| !is_served(stream));
    crowd.iter().for_each(|stream| stream.set_nonblocking(false).unwrap());
    thread::sleep(Duration::from_secs(3));
    server.signal("CONT");
    let is_hello = |stream: &mut TcpStream| {
        let mut first = [0];
        stream.read(&mut first).is_ok_and(|bytes| bytes == 1 && first == [22])
    };
    let late = crowd.iter_mut().map(is_hello).filter(|is_hello| *is_hello).count();
    assert!(late <= HANDSHAKES_PER_TURN, "{late} of {} are served too late", crowd.len());
    let refusals = || server.metrics().sum("corepost_refusals_total", "reason=\"head_too_slow\"");
    eventually("they are counted", || refusals() >= (crowd.len() - late) as f64);
}
