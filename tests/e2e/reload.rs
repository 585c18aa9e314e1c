//! SIGHUP: what can change under a running node does, and all else is said.

use crate::support::{Place, eventually, http};

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
