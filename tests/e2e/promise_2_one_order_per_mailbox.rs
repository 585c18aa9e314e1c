//! Promise 2: one order per mailbox, for every device, early, late, fast or slow; and what one sender sends to one
//! recipient is appended and acknowledged in the order sent.

use crate::support::{Place, Session, send};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::thread;

const EACH: usize = 150;

#[test]
fn every_device_sees_the_same_order() {
    for cores in [1, 2] {
        let place = Place::new("promise-2").with("cores", cores);
        let server = place.start();
        let addr = server.addr;
        let mut devices: Vec<_> = (0..3).map(|_| Session::open(addr, "client=bob")).collect();
        // Senders at home on different cores, all at once, pipelining; one of them over HTTP.
        let mut senders: Vec<_> = (0..4).map(|n| thread::spawn(move || pipeline(addr, n))).collect();
        let mut api = server.api();
        senders.push(thread::spawn(move || {
            for batch in 0..EACH / 10 {
                let element = |k: usize| {
                    let n = batch * 10 + k;
                    json!({"from": "http", "to": "bob", "id": n.to_string(), "body": {"from": "http", "n": n}})
                };
                let reply = api.publish(&(0..10).map(element).collect());
                assert_eq!(reply.status, 200, "{reply:?}");
            }
        }));
        let total = EACH * senders.len();
        let orders: Vec<Vec<Value>> = devices.iter_mut().map(|device| device.bodies(total)).collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let late = Session::open(addr, "client=bob&from=start").replay();
        assert_eq!(late.len(), total);
        for order in &orders {
            assert!(*order == late, "two devices disagree");
        }
        let mut next: HashMap<&str, u64> = HashMap::new();
        for body in &late {
            let expected = next.entry(body["from"].as_str().unwrap()).or_default();
            assert_eq!(body["n"], *expected, "of {}", body["from"]);
            *expected += 1;
        }
        assert!(devices.iter_mut().all(Session::is_quiet), "each at most once");
    }
}

fn pipeline(addr: std::net::SocketAddr, sender: usize) {
    let name = format!("sender-{sender}");
    let mut session = Session::open(addr, &format!("client={name}"));
    for n in 0..EACH {
        session.say(&send("bob", &n.to_string(), json!({"from": name, "n": n})));
    }
    for n in 0..EACH {
        assert_eq!(session.frame_of("ack")["id"], n.to_string(), "acks come in the order sent");
    }
}

#[test]
fn append_time_never_goes_back_in_a_mailbox() {
    let place = Place::new("promise-2-at");
    let server = place.start();
    let mut bob = Session::open(server.addr, "client=bob");
    let mut alice = Session::open(server.addr, "client=alice");
    let (mut last, mut acked) = (0, Vec::new());
    for n in 0..100 {
        acked.push(alice.deliver("bob", &n.to_string(), n)["at"].as_u64().unwrap());
    }
    for ack in acked {
        let at = bob.frame_of("message")["at"].as_u64().unwrap();
        assert!(at >= last && at == ack, "{at} after {last}, acknowledged as {ack}");
        last = at;
    }
}
