//! The HTTP API of a cluster: any node answers for any client, whichever node is its home. Two real nodes on real Kafka.
#![cfg(feature = "serve")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    reason = "a test, which tells its story with a part of the support"
)]

mod kafka_support;
#[path = "e2e/support/mod.rs"]
mod support;

use kafka_support::{Cluster, errors, is_asked_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::{API_KEY, Api, Heard, Knock, Place, Server, Session, claims, eventually_in, now_s, token};

/// Two nodes, and the clients that this is about: one at home on each.
struct Two {
    places: [Place; 2],
    servers: [Server; 2],
    clients: [String; 2],
}

const SETTLED: Duration = Duration::from_secs(60);

impl Two {
    fn start(cluster: &Cluster) -> Self {
        let made =
            kafka_support::corepost(&["topics", "create", "--kafka", &cluster.brokers, "--replication", "1"]);
        assert!(made.status.success(), "{}", errors(&made));
        let places = [0, 1].map(|node| {
            let place = Place::keyed(&format!("api-{node}")).with("kafka", &cluster.brokers);
            place.with("replication", 1).with("node", node)
        });
        let servers = [&places[0], &places[1]].map(Place::start);
        let mut two = Self { places, servers, clients: [String::new(), String::new()] };
        let names: Vec<String> = (0..64).map(|n| format!("client-{n}")).collect();
        eventually_in("both nodes are homes, and agree on whose", SETTLED, || {
            let homes = |node| -> Vec<Value> {
                names.iter().map(|name| two.api(node).get(&format!("/v1/clients/{name}")).json()).collect()
            };
            let (by_0, by_1) = (homes(0), homes(1));
            two.clients = [0, 1].map(|home| {
                let at = by_0.iter().position(|it| it["home"] == home);
                at.map_or(String::new(), |at| names[at].clone())
            });
            by_0 == by_1 && two.clients.iter().all(|name| !name.is_empty())
        });
        let api = &mut two.api(0);
        for client in &two.clients {
            eventually_in("mailboxes are served", SETTLED, || {
                api.get(&format!("/v1/clients/{client}/messages?from=start")).status == 200
            });
        }
        two
    }

    fn api(&self, node: usize) -> Api {
        self.servers[node].api().with_key(API_KEY)
    }

    fn enter(&self, node: usize, client: &str) -> Session {
        let query = format!("token={}", token(client));
        Session::open(self.servers[node].addr, &query)
    }
}

#[test]
fn any_node_answers_for_the_clients_of_any_home() {
    if !is_asked_for() {
        return;
    }
    let cluster = Cluster::start("api", 1, "");
    let two = Two::start(&cluster);
    for client in &two.clients {
        both_name_all_sessions_and_either_sends_them_away(&two, client);
        both_give_the_same_mailbox(&two, client);
    }
    for (home, client) in two.clients.iter().enumerate() {
        what_either_node_revokes_the_home_obeys(&two, home, client);
    }
    for server in &two.servers {
        let written = server.metrics().sum("corepost_records_written_total", "topic=\"state\"");
        assert_eq!(written, 1.0, "each has written the revocation of the other's client");
    }
    a_home_that_stands_still_is_told_in_time(&two);
    let two = what_was_revoked_stays_so_when_all_nodes_start_anew(two);
    drop(two);
}

fn both_name_all_sessions_and_either_sends_them_away(two: &Two, client: &str) {
    let path = format!("/v1/clients/{client}");
    for from in [0, 1] {
        let mut sessions = [0, 1].map(|node| two.enter(node, client));
        let mut names = sessions.each_ref().map(|it| it.welcome["session"].as_str().unwrap().to_owned());
        names.sort();
        for node in [0, 1] {
            let told = two.api(node).get(&path).json();
            let mut found: Vec<&str> = told["sessions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["session"].as_str().unwrap())
                .collect();
            found.sort_unstable();
            assert_eq!(found, names, "node {node} says {told}");
            let nodes: Vec<u64> =
                told["sessions"].as_array().unwrap().iter().map(|it| it["node"].as_u64().unwrap()).collect();
            assert!(nodes.contains(&0) && nodes.contains(&1), "{told}");
        }
        assert_eq!(two.api(from).delete(&format!("{path}/sessions")).status, 204);
        for session in &mut sessions {
            assert_eq!(closed(session), 4403);
        }
        for node in [0, 1] {
            eventually_in("nobody is there any more", SETTLED, || {
                two.api(node).get(&path).json()["sessions"] == json!([])
            });
        }
    }
}

/// More than fits one answer of a home on another node.
fn both_give_the_same_mailbox(two: &Two, client: &str) {
    let message =
        |n: usize| json!({"from": "app", "to": client, "id": format!("m-{n}"), "body": "x".repeat(50_000)});
    let batch: Vec<Value> = (0..40).map(message).collect();
    let published = two.api(0).publish(&json!(batch));
    assert_eq!(published.status, 200, "{:?}", String::from_utf8_lossy(&published.body));
    let [by_0, by_1] = [0, 1].map(|node| {
        let mut found = Vec::new();
        let mut query = "from=start".to_owned();
        eventually_in("the whole mailbox", SETTLED, || {
            let page = two.api(node).get(&format!("/v1/clients/{client}/messages?limit=1000&{query}"));
            assert_eq!(page.status, 200, "{:?}", String::from_utf8_lossy(&page.body));
            let page = page.json();
            assert!(page["resumed"] != false, "{}", page["reason"]);
            found.extend(page["messages"].as_array().unwrap().iter().cloned());
            query = format!("cursor={}", page["cursor"].as_str().unwrap());
            found.len() >= 40
        });
        found
    });
    assert_eq!(by_0.len(), 40);
    assert_eq!(by_0, by_1);
}

/// Asked of the node that is not its home.
fn what_either_node_revokes_the_home_obeys(two: &Two, home: usize, client: &str) {
    let mut sessions = [0, 1].map(|node| two.enter(node, client));
    let old = token(client);
    let asked = two.api(1 - home).delete(&format!("/v1/clients/{client}/sessions?revoke=true"));
    assert_eq!(asked.status, 204, "{:?}", String::from_utf8_lossy(&asked.body));
    for session in &mut sessions {
        assert!(matches!(closed(session), 4401 | 4403));
    }
    for node in [0, 1] {
        eventually_in("the old token is refused", SETTLED, || refuses(two, node, &old));
    }
    let young = claims(&json!({"sub": client, "iat": now_s() + 2, "exp": now_s() + 3_600}));
    let lets_in = |node: usize| Knock::new(&format!("token={young}")).enter(two.servers[node].addr).is_ok();
    assert!(lets_in(0) && lets_in(1), "a younger token is good");
}

fn refuses(two: &Two, node: usize, token: &str) -> bool {
    match Knock::new(&format!("token={token}")).enter(two.servers[node].addr) {
        Ok(_) => false,
        Err(instead) => instead.contains("4401"),
    }
}

/// With nothing on their disks: Kafka alone remembers.
fn what_was_revoked_stays_so_when_all_nodes_start_anew(two: Two) -> Two {
    let Two { places, servers, clients } = two;
    servers.into_iter().for_each(Server::kill);
    for place in &places {
        let _ = std::fs::remove_dir_all(place.path("data"));
    }
    let servers = [&places[0], &places[1]].map(Place::start);
    let two = Two { places, servers, clients };
    for client in &two.clients {
        let old = claims(&json!({"sub": client, "iat": now_s() - 600, "exp": now_s() + 3_600}));
        for node in [0, 1] {
            // Who is let in even once was let in before its home knew.
            let answer = Knock::new(&format!("token={old}")).closed(two.servers[node].addr);
            assert_eq!(answer, 4401, "node {node}, {client}");
        }
    }
    two
}

fn a_home_that_stands_still_is_told_in_time(two: &Two) {
    two.servers[1].signal("STOP");
    let asked = Instant::now();
    let answer = two.api(0).get(&format!("/v1/clients/{}", two.clients[1]));
    two.servers[1].signal("CONT");
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("did not answer in time"));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

/// The code it is closed with, whatever comes before.
fn closed(session: &mut Session) -> u16 {
    loop {
        match session.hear() {
            Heard::Close(code) => return code.unwrap(),
            Heard::Frame(_) => {}
            Heard::End => panic!("it ended without a close"),
        }
    }
}
