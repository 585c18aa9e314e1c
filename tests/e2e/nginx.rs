//! With the real nginx in front, by `tuning/nginx.conf`.
//!
//! Runs only with `COREPOST_TEST=all`, for it needs nginx. One of its three nodes is there, the others are not.

use crate::balancer_support::{balancer, free_addresses, tuned};
use crate::pulls::{PULL, hoard};
use crate::support::{API_KEY, Api, Got, Knock, Place, Server, Session, eventually, frame, token};
use corepost::limits::{PING_INTERVAL_MS, PONG_TIMEOUT_MS};
use corepost::wire::websocket::Opcode;
use serde_json::json;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Nginx {
    child: Child,
    front: SocketAddr,
}

impl Nginx {
    /// In front of `server`, in the folder of `place`, with these further changes to its file.
    fn start(place: &Place, server: &Server, changes: &[(&str, String)]) -> Self {
        let [front, nowhere, nowhere_either] = free_addresses();
        let mut all = vec![
            ("listen 127.0.0.1:8100", format!("listen {front}")),
            ("pid /run/nginx.pid", format!("pid {}", place.path("nginx.pid").display())),
        ];
        all.extend_from_slice(changes);
        let mut config = tuned("nginx.conf", &all);
        for (port, node) in [(8180, server.addr), (8181, nowhere), (8182, nowhere_either)] {
            let written = format!("server 127.0.0.1:{port} ");
            assert_eq!(config.matches(&written).count(), 2, "each node takes WebSockets and the HTTP API");
            config = config.replace(&written, &format!("server {node} "));
        }
        let config = place.write("nginx.conf", config);
        let log = std::fs::File::create(place.path("nginx-stderr")).unwrap();
        let mut command = Command::new(balancer("nginx", "nginx-light"));
        command.args(["-e", "stderr", "-g", "daemon off;", "-c"]).arg(config).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let nginx = Self { child, front };
        eventually("nginx listens", || TcpStream::connect(front).is_ok());
        nginx
    }
}

impl Drop for Nginx {
    /// Its workers end with it only if it is told by a signal that it hears.
    fn drop(&mut self) {
        let _ = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.child.id())).status();
        let _ = self.child.wait();
    }
}

/// Whether nginx is asked for.
fn is_asked_for() -> bool {
    let asked = std::env::var("COREPOST_TEST").as_deref() == Ok("all");
    if !asked {
        eprintln!("not run: set COREPOST_TEST=all to put nginx in front");
    }
    asked
}

fn knock(client: &str) -> Knock {
    Knock::new(&format!("token={}", token(client)))
}

/// A client that says nothing of its own accord for so long.
fn answer_pings(session: &mut Session, silence: Duration) {
    let (begun, mut pings) = (Instant::now(), 0);
    while begun.elapsed() < silence {
        match session.peer.next() {
            Got::Ping(payload) => session.peer.raw(&frame(Opcode::Pong, &payload)),
            other => panic!("a ping, not {other:?}"),
        }
        pings += 1;
    }
    assert!(pings > 1, "a node pings again and again");
}

#[test]
fn clients_behind_nginx_chat_and_use_the_http_api() {
    if !is_asked_for() {
        return;
    }
    let place = Place::keyed("nginx").with("log-level", "debug");
    let server = place.start();
    let nginx = Nginx::start(&place, &server, &[]);
    let enter = |client: &str| knock(client).enter(nginx.front).unwrap();
    let (mut alice, mut bob) = (enter("alice"), enter("bob"));
    alice.deliver("bob", "1", "hi from behind nginx");
    assert_eq!(bob.bodies(1), ["hi from behind nginx"]);
    bob.deliver("alice", "2", "x".repeat(50_000));
    assert_eq!(alice.bodies(1), ["x".repeat(50_000)]);
    let mut api = Api::connect(nginx.front).with_key(API_KEY);
    let message = json!({"from": "carol", "to": "bob", "id": "3", "body": "by HTTP"});
    assert_eq!(api.publish(&message).status, 200);
    assert_eq!(bob.bodies(1), ["by HTTP"]);
    assert_eq!(api.get("/v1/clients/alice").status, 200);
    // As large as a node takes, and more than that.
    assert_eq!(api.ask("POST", "/v1/messages", &vec![b'x'; 2 << 20]).unwrap().status, 400);
    assert_eq!(api.ask("POST", "/v1/messages", &vec![b'x'; 9 << 20]).unwrap().status, 413);
    assert!(alice.is_quiet() && bob.is_quiet());
    // For a node they all are nginx.
    assert!(server.log().contains("from=127.0.0.1:"), "{}", server.log());
}

#[test]
fn nginx_counts_the_connections_of_an_address_since_nodes_cannot() {
    if !is_asked_for() {
        return;
    }
    let place = Place::keyed("nginx-addresses");
    let server = place.start();
    let changes = [("limit_conn addresses 1000", "limit_conn addresses 2".to_owned())];
    let nginx = Nginx::start(&place, &server, &changes);
    let enter = |client: &str| knock(client).enter(nginx.front).unwrap();
    let sessions = [enter("alice"), enter("bob")];
    assert_eq!(knock("carol").refused(nginx.front), 429);
    drop(sessions);
    eventually("there is room again", || knock("carol").enter(nginx.front).is_ok());
}

#[test]
fn a_503_of_the_api_takes_no_node_out() {
    if !is_asked_for() {
        return;
    }
    let place = Place::keyed("nginx-503");
    let server = place.start();
    let deaf = hoard(&server);
    let nginx = Nginx::start(&place, &server, &[]);
    let mut api = Api::connect(nginx.front).with_key(API_KEY);
    // By the first ones nginx also learns who is not there. A 503 of its own, or a 502, has no code.
    for _ in 0..5 {
        let refused = api.get(PULL);
        assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    }
    knock("alice").enter(nginx.front).unwrap().deliver("carol", "1", "sessions come in all the same");
    assert_eq!(api.get("/v1/clients/alice").status, 200, "and what needs no room is answered");
    drop(deaf);
    eventually("the core takes requests again", || api.get(PULL).status == 200);
}

#[test]
fn a_full_node_takes_no_client_and_goes_on_with_the_api() {
    if !is_asked_for() {
        return;
    }
    let place = Place::keyed("nginx-full").with("max-connections", 2);
    let server = place.start();
    let nginx = Nginx::start(&place, &server, &[]);
    let mut api = Api::connect(nginx.front).with_key(API_KEY);
    assert_eq!(api.get("/v1/clients/alice").status, 200);
    let mut alice = knock("alice").enter(nginx.front).unwrap();
    // The node's own 503, or nginx's 502 once it has learnt that nobody takes clients.
    for _ in 0..5 {
        assert!(matches!(knock("bob").refused(nginx.front), 502 | 503));
    }
    let message = json!({"from": "carol", "to": "alice", "id": "1", "body": "by HTTP"});
    assert_eq!(api.publish(&message).status, 200);
    assert_eq!(alice.bodies(1), ["by HTTP"]);
}

#[test]
fn a_node_without_keys_refuses_who_comes_through_nginx() {
    if !is_asked_for() {
        return;
    }
    let place = Place::new("nginx-keyless");
    let server = place.start();
    let nginx = Nginx::start(&place, &server, &[]);
    assert_eq!(Knock::new("client=alice").refused(nginx.front), 403);
}

/// A minute of silence is too long for a test: nginx has four seconds here, and a node two for both of its own.
#[test]
fn pings_keep_a_silent_session_through_nginx() {
    if !is_asked_for() {
        return;
    }
    let place = Place::keyed("nginx-silence").with("ping-interval", "1s").with("pong-timeout", "1s");
    let server = place.start();
    let changes = ["proxy_read_timeout", "proxy_send_timeout"];
    let written = changes.map(|name| format!("{name} 1m"));
    let changes = [0, 1].map(|at| (written[at].as_str(), format!("{} 4s", changes[at])));
    let nginx = Nginx::start(&place, &server, &changes);
    let mut alice: Session = knock("alice").enter(nginx.front).unwrap();
    answer_pings(&mut alice, Duration::from_secs(9));
    alice.deliver("alice", "1", "still here");
}

/// The file's own timeouts are longer than a node waits for a sign of life, and so are HAProxy's.
#[test]
fn balancers_wait_longer_than_nodes_do() {
    let silence_ms = PING_INTERVAL_MS + PONG_TIMEOUT_MS;
    assert!(silence_ms < 60_000, "{silence_ms} ms");
    let (nginx, haproxy) = (tuned("nginx.conf", &[]), tuned("haproxy.cfg", &[]));
    for minute in ["proxy_read_timeout 1m;", "proxy_send_timeout 1m;"] {
        assert!(nginx.contains(minute), "{minute}");
    }
    for minute in ["timeout client 1m ", "timeout server 1m\n"] {
        assert!(haproxy.contains(minute), "{minute}");
    }
}
