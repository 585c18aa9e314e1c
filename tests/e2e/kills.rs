//! The server is killed twenty times under load. Afterwards nothing acknowledged is missing, every device of a client
//! has seen the same in the same order and each message once, and every return with a cursor was a resume.

use crate::support::{Heard, Place, Session, send};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const KILLS: usize = 20;
const RECIPIENTS: usize = 4;
const DEVICES: usize = 3;
/// Sends of one sender that are not answered: what a kill may catch half-way.
const WINDOW: usize = 32;

/// Where the server is now, for everybody.
#[derive(Clone, Default)]
struct Whereabouts(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    addr: Option<SocketAddr>,
    /// Nothing new is sent: what is under way comes to its end.
    enough: bool,
    /// The story has failed; everybody goes home.
    over: bool,
    /// How many messages each recipient must have, once that is known.
    totals: Vec<usize>,
}

impl Whereabouts {
    fn now(&self) -> State {
        self.0.lock().unwrap().clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }
}

/// However the story ends, its threads do.
struct Ending(Whereabouts);

impl Drop for Ending {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.change(|state| state.over = true);
        }
    }
}

fn recipient(n: usize) -> String {
    format!("recipient-{n}")
}

/// The message number `n` of this sender: its recipient and its body.
fn message(sender: &str, n: usize) -> (String, Value) {
    (recipient(n % RECIPIENTS), json!({"from": sender, "n": n}))
}

/// A session of this client, when there is a server to have it with.
fn connect(whereabouts: &Whereabouts, query: &str) -> Option<Session> {
    loop {
        let state = whereabouts.now();
        if state.over {
            return None;
        }
        if let Some(addr) = state.addr
            && let Ok(session) = crate::support::Knock::new(query).enter(addr)
        {
            return Some(session);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends over a WebSocket and again until acknowledged: how many were.
fn sender(whereabouts: &Whereabouts, name: &str) -> usize {
    let (mut next, mut acked) = (0, 0);
    'connections: while let Some(mut session) = connect(whereabouts, &format!("client={name}")) {
        // What was not acknowledged is sent again, with the same id.
        let mut waiting: VecDeque<usize> = VecDeque::new();
        let mut again = acked;
        loop {
            let state = whereabouts.now();
            if state.over || (state.enough && acked == next) {
                return acked;
            }
            while waiting.len() < WINDOW && (again < next || !state.enough) {
                let (to, body) = message(name, again);
                if !session.try_say(&send(&to, &again.to_string(), body)) {
                    continue 'connections;
                }
                waiting.push_back(again);
                again += 1;
                next = next.max(again);
            }
            match session.hear() {
                Heard::Frame(frame) => {
                    assert_eq!(frame["type"], "ack", "{frame}");
                    let first = waiting.pop_front().expect("an ack for something");
                    assert_eq!(frame["id"], first.to_string(), "acks in the order sent");
                    acked += 1;
                }
                _ => continue 'connections,
            }
        }
    }
    acked
}

/// The same over HTTP, in arrays.
fn publisher(whereabouts: &Whereabouts, name: &str) -> usize {
    let mut acked = 0;
    loop {
        let state = whereabouts.now();
        if state.over || state.enough {
            return acked;
        }
        let batch: Value = (acked..acked + 10)
            .map(|n| {
                let (to, body) = message(name, n);
                json!({"from": name, "to": to, "id": n.to_string(), "body": body})
            })
            .collect();
        // Until it is acknowledged, whoever has to be asked.
        while !published(whereabouts, &batch) {
            if whereabouts.now().over {
                return acked;
            }
            thread::sleep(Duration::from_millis(10));
        }
        acked += 10;
    }
}

fn published(whereabouts: &Whereabouts, batch: &Value) -> bool {
    let Some(addr) = whereabouts.now().addr else { return false };
    let Ok(stream) = std::net::TcpStream::connect(addr) else { return false };
    let mut api = crate::support::Api::over(stream);
    match api.ask("POST", "/v1/messages", batch.to_string().as_bytes()) {
        Ok(reply) => {
            assert_eq!(reply.status, 200, "{reply:?}");
            true
        }
        Err(_) => false,
    }
}

/// One device: everything it is ever given, over all its connections.
fn device(whereabouts: &Whereabouts, number: usize, lazy: bool) -> Vec<Value> {
    let (client, mut given) = (recipient(number), Vec::new());
    let mut query = format!("client={client}&from=start");
    while let Some(mut session) = connect(whereabouts, &query) {
        if query.contains("cursor=") {
            assert_eq!(session.welcome["resumed"], true, "{}", session.welcome);
        }
        loop {
            match session.hear() {
                Heard::Frame(mut frame) if frame["type"] == "message" => given.push(frame["body"].take()),
                Heard::Frame(_) => {}
                _ => break,
            }
            // And the bell, which is the last.
            if whereabouts.now().totals.get(number).is_some_and(|total| given.len() > *total) {
                assert!(session.is_quiet(), "more than was ever sent");
                return given;
            }
            // A lazy one goes away of its own accord now and then.
            if lazy && given.len() % 97 == 96 {
                break;
            }
        }
        query = format!("client={client}&cursor={}", session.cursor);
    }
    given
}

type Told = (String, JoinHandle<usize>);

#[test]
fn twenty_kills_under_load_lose_nothing_and_repeat_nothing() {
    let began = Instant::now();
    let place = Place::new("kills").with("log-level", "warn");
    let data = place.path("data").display().to_string();
    let alone = Place::new("kills-alone").with("log-level", "warn").with("data", data).with("cores", 1);
    let whereabouts = Whereabouts::default();
    let _ending = Ending(whereabouts.clone());
    let run = |name: &str, how: fn(&Whereabouts, &str) -> usize| -> Told {
        let (name, there) = (name.to_owned(), whereabouts.clone());
        (name.clone(), thread::spawn(move || how(&there, &name)))
    };
    let senders =
        [run("alice", sender), run("carol", sender), run("app", publisher), run("batch", publisher)];
    let devices: Vec<Vec<JoinHandle<Vec<Value>>>> = (0..RECIPIENTS)
        .map(|n| {
            let one = |which: usize| {
                let there = whereabouts.clone();
                thread::spawn(move || device(&there, n, which == 2))
            };
            (0..DEVICES).map(one).collect()
        })
        .collect();

    let mut server = place.start();
    for kill in 0..KILLS {
        whereabouts.change(|state| state.addr = Some(server.addr));
        // Now early, now late: in the first replay as well as in the steady state.
        thread::sleep(Duration::from_millis(50 + 37 * (kill as u64 * 7 % 11)));
        whereabouts.change(|state| state.addr = None);
        server.kill();
        // Now and then with another number of cores.
        server = if kill % 5 == 4 { alone.start() } else { place.start() };
    }
    whereabouts.change(|state| (state.addr, state.enough) = (Some(server.addr), true));
    let sent: Vec<(String, usize)> =
        senders.into_iter().map(|(name, thread)| (name, thread.join().unwrap())).collect();
    for n in 0..RECIPIENTS {
        let of = |&(_, count): &(String, usize)| (0..count).filter(|n_of| n_of % RECIPIENTS == n).count();
        whereabouts.change(|state| state.totals.push(sent.iter().map(of).sum()));
    }
    // A device that has everything already hears of it by this.
    let mut api = server.api();
    for n in 0..RECIPIENTS {
        let bell =
            json!({"from": "bell", "to": recipient(n), "id": "bell", "body": {"from": "bell", "n": 0}});
        assert_eq!(api.publish(&bell).status, 200);
    }
    for (n, devices) in devices.into_iter().enumerate() {
        let given: Vec<_> = devices.into_iter().map(|device| device.join().unwrap()).collect();
        assert!(given.iter().all(|other| *other == given[0]), "the devices of {n} disagree");
        complete(n, &given[0], &sent);
    }
    let total: usize = sent.iter().map(|(_, count)| count).sum();
    println!("{KILLS} kills, {total} messages acknowledged, {:?}", began.elapsed());
}

/// Everything that was acknowledged is there, once, each sender's in order.
fn complete(recipient: usize, given: &[Value], sent: &[(String, usize)]) {
    for (name, count) in sent {
        let expected: Vec<u64> =
            (0..*count as u64).filter(|n| *n as usize % RECIPIENTS == recipient).collect();
        let from = given.iter().filter(|body| body["from"] == **name);
        let got: Vec<u64> = from.map(|body| body["n"].as_u64().unwrap()).collect();
        assert_eq!(got, expected, "of {name} to recipient {recipient}");
    }
}
