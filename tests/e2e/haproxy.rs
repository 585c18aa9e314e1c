//! With the real HAProxy in front, by `tuning/haproxy.cfg`.
//!
//! Runs only with `COREPOST_TEST=all`, for it needs HAProxy. One of its three nodes is there, the others
//! are not. Its clients come from several addresses of this machine: HAProxy itself relays them there, bound to those
//! addresses, before its front sees them.

use crate::balancer_support::{balancer, free_addresses, tuned};
use crate::support::{
    API_KEY, Api, Knock, PATIENCE, Place, Server, Session, eventually, eventually_in, token,
};
use std::fmt::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Addresses that clients come from.
const CLIENTS: [&str; 3] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];

struct Haproxy {
    child: Child,
    stderr: PathBuf,
    /// For each of [`CLIENTS`], where one connects to come from there.
    doors: [SocketAddr; CLIENTS.len()],
}

impl Haproxy {
    /// In front of `server`, in the folder of `place`.
    fn start(place: &Place, server: &Server) -> Self {
        let mut free = free_addresses::<{ CLIENTS.len() + 3 }>().into_iter();
        let mut next = || free.next().unwrap();
        let (front, doors) = (next(), std::array::from_fn(|_| next()));
        let mut config = tuned(
            "haproxy.cfg",
            &[
                ("bind 127.0.0.1:8100", format!("bind {front}")),
                ("127.0.0.1:8180 port 9190", format!("{} port {}", server.addr, server.admin.port())),
                ("127.0.0.1:8181 port 9191", nobody(next())),
                ("127.0.0.1:8182 port 9192", nobody(next())),
                // So that a check that fails shows within this test.
                ("inter 1s", "inter 100ms fall 1".to_owned()),
            ],
        );
        for (client, door) in CLIENTS.iter().zip(&doors) {
            write!(
                config,
                "\nlisten from-{client}\n    bind {door}\n    server front {front} source {client}\n"
            )
            .unwrap();
        }
        let (config, stderr) = (place.write("haproxy.cfg", config), place.path("haproxy-stderr"));
        let log = std::fs::File::create(&stderr).unwrap();
        let mut command = Command::new(balancer("haproxy", "haproxy"));
        command.args(["-db", "-f"]).arg(config).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let haproxy = Self { child, stderr, doors };
        eventually("HAProxy listens", || haproxy.doors.iter().all(|door| TcpStream::connect(door).is_ok()));
        eventually("it sees who is not there", || haproxy.lost("node1") && haproxy.lost("node2"));
        haproxy
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    /// Whether it has found this server not to be ready.
    fn lost(&self, node: &str) -> bool {
        self.log().contains(&format!("{node} is DOWN"))
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("HAProxy said:\n{}", self.log());
        }
    }
}

/// A server that is not there, nor its admin listener.
fn nobody(addr: SocketAddr) -> String {
    format!("{addr} port {}", addr.port())
}

#[test]
fn clients_behind_haproxy_chat_and_are_counted_by_their_own_addresses() {
    if std::env::var("COREPOST_TEST").as_deref() != Ok("all") {
        eprintln!("not run: set COREPOST_TEST=all to put HAProxy in front");
        return;
    }
    let place = Place::keyed("haproxy")
        .with("proxy-from", "127.0.0.2")
        .with("max-connections-per-ip", 2)
        .with("log-level", "debug");
    let server = place.start();
    let haproxy = Haproxy::start(&place, &server);
    let [first, second, third] = haproxy.doors;
    // What asked whether HAProxy listens has gone.
    let knock = |client: &str| Knock::new(&format!("token={}", token(client)));
    let enter = |client: &str, door| {
        let mut session = None;
        eventually("there is room", || knock(client).enter(door).map(|it| session = Some(it)).is_ok());
        session.unwrap()
    };
    let (mut alice, mut bob) = (enter("alice", first), enter("bob", second));
    let ack = alice.deliver("bob", "1", "hi from behind HAProxy");
    assert!(ack["at"].is_u64(), "{ack}");
    assert_eq!(bob.bodies(1), ["hi from behind HAProxy"]);
    bob.deliver("alice", "2", "x".repeat(50_000));
    assert_eq!(alice.bodies(1), ["x".repeat(50_000)]);
    // Two of an address are let in, whoever else comes from where HAProxy is.
    let _again = enter("alice", first);
    for _ in 0..3 {
        assert_eq!(knock("alice").refused(first), 429);
    }
    let refused = server.metrics().sum("corepost_refusals_total", "reason=\"too_many_per_address\"");
    assert!(refused >= 3.0, "{refused}");
    let _others = [enter("bob", second), enter("carol", third), enter("carol", third)];
    assert_eq!(knock("carol").refused(third), 429);
    assert!(alice.is_quiet() && bob.is_quiet());
    drop(bob);
    eventually("the place is free again", || {
        let mut api = Api::over(TcpStream::connect(second).unwrap()).with_key(API_KEY);
        api.get("/v1/clients/alice").status == 200
    });
    let log = server.log();
    assert!(CLIENTS.iter().all(|client| log.contains(&format!("from={client}:"))), "{log}");
    assert_eq!(server.metrics().sum("corepost_refusals_total", "reason=\"proxy_header\""), 0.0, "{log}");
    // The check asks for readiness, and would show it if that were not there.
    assert!(!haproxy.lost("node0"), "{}", haproxy.log());
    server.kill();
    eventually_in("HAProxy sees that the node is gone", PATIENCE, || haproxy.lost("node0"));
    drop::<Session>(alice);
}
