//! Under systemd: the process says when clients may come, that it lives, and that it ends.

use crate::support::{PATIENCE, Place};
use std::os::unix::net::UnixDatagram;

#[test]
fn a_supervisor_is_told_of_the_start_the_life_and_the_end() {
    let place = Place::new("supervised");
    let path = place.path("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 64];
    let mut hear = || {
        let length = systemd.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let mut serve = place.serve();
    serve.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let server = place.run(serve);
    let mut heard = vec![hear(), hear(), hear()];
    server.stop();
    while heard.last().is_some_and(|word| word != "STOPPING=1") {
        heard.push(hear());
    }
    assert!(heard.contains(&"READY=1".to_owned()), "{heard:?}");
    assert!(heard.iter().filter(|word| *word == "WATCHDOG=1").count() >= 2, "{heard:?}");
}
