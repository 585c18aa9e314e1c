//! SIGHUP: what can change under a running node does, and all else is said.

use crate::support::{Place, eventually, http, signal, wait};
use std::fs::read_to_string;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

#[test]
fn what_can_change_under_a_running_node_does_and_all_else_is_said() {
    let place = Place::new("reloaded");
    let file = |text: &str| place.write("corepost.toml", text);
    let config = file("ping_interval = \"25s\"\nlog_level = \"info\"\n");
    let mut command = place.serve();
    command.arg("--config").arg(&config);
    let server = place.run(command);
    file("ping_interval = \"20s\"\nlog_level = \"debug\"\n");
    server.signal("HUP");
    eventually("it says what needs a start", || server.log().contains("it counts from the next start"));
    assert!(server.log().contains("ping_interval"), "{}", server.log());
    eventually("it says more", || {
        http(server.addr, b"GET /v1/nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        server.log().contains("a request came")
    });
    file("ping_interval = \"soon\"\n");
    server.signal("HUP");
    eventually("a mistake is named", || server.log().contains("all settings stay as they were"));
    server.stop();
}

#[test]
fn while_kafka_is_waited_for_it_ends_nothing() {
    // A Kafka that answers nobody.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new("reloaded-early").with("kafka", silent.local_addr().unwrap()).with("node", 0);
    let (mut server, log) = place.begin();
    eventually("it waits", || read_to_string(&log).unwrap().contains("waiting for Kafka"));
    signal(&server.0, "HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.0.try_wait().unwrap(), None, "{}", read_to_string(&log).unwrap());
    // There is nothing yet that would have to be ended in order.
    signal(&server.0, "TERM");
    assert_eq!(wait(&mut server.0).signal(), Some(15));
}
