//! Promise 6: a message is read by its recipient's home, once, however many cores and sessions there are.

use crate::support::{Place, Session, eventually};
use serde_json::json;

#[test]
fn a_record_is_read_once_whoever_else_is_connected() {
    for cores in [1, 2] {
        let place = Place::new("promise-6").with("cores", cores);
        let server = place.start();
        let crowd: Vec<_> = (0..40).map(|n| Session::open(server.addr, &format!("client=c{n}"))).collect();
        let mut bobs: Vec<_> = (0..5).map(|_| Session::open(server.addr, "client=bob")).collect();
        let mut alice = Session::open(server.addr, "client=alice");
        for n in 0..30 {
            alice.deliver("bob", &n.to_string(), n);
        }
        alice.say(&json!({"type": "send", "id": "list", "to": ["bob", "c1", "c2"], "copy": true, "body": 1}));
        assert_eq!(alice.answer("list")["type"], "ack");
        bobs.iter_mut().for_each(|bob| drop(bob.bodies(31)));
        // 30 and a list of three with a copy.
        eventually("all are counted", || {
            server.metrics().sum("corepost_records_written_total", r#"topic="mailbox""#) == 34.0
        });
        let metrics = server.metrics();
        assert_eq!(metrics.sum("corepost_records_read_total", r#"topic="mailbox""#), 34.0);
        let delivered = metrics.sum("corepost_messages_delivered_total", r#"class="durable""#);
        assert_eq!(delivered, 5.0 * 31.0 + 2.0 + 1.0, "to sessions of recipients and to nobody else");
        drop(crowd);
    }
}
