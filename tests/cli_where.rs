//! `corepost where`: an operator looks for a client at a real node.
#![cfg(feature = "serve")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    reason = "a test, which tells its story with a part of the support"
)]

#[path = "e2e/support/mod.rs"]
mod support;

use std::process::Output;
use support::{Place, Session, corepost, eventually, token};

fn look(arguments: &[&str]) -> Output {
    corepost().arg("where").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_client_is_found_with_each_of_its_sessions() {
    let place = Place::keyed("where");
    let server = place.start();
    let (url, keys) = (format!("http://{}", server.addr), place.path("api.keys").display().to_string());
    let at =
        |client: &str, more: &[&str]| look(&[&[client, "--url", &url, "--api-keys", &keys], more].concat());
    let nobody = at("bob smith", &[]);
    assert_eq!(nobody.status.code(), Some(0), "{}", text(&nobody));
    assert_eq!(text(&nobody), "bob smith: at home on node 0; nobody is connected\n");

    let query = format!("token={}", token("bob smith"));
    let sessions = [(), ()].map(|()| Session::open(server.addr, &query));
    eventually("both are found", || text(&at("bob smith", &[])).contains("; 2 sessions\n"));
    let found = text(&at("bob smith", &[]));
    for session in &sessions {
        let name = session.welcome["session"].as_str().unwrap();
        let line =
            found.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {found}"));
        assert!(line.contains("live"), "{found}");
    }
    let json: serde_json::Value = serde_json::from_slice(&at("bob smith", &["--json"]).stdout).unwrap();
    assert_eq!(json["sessions"].as_array().unwrap().len(), 2);

    let locked = look(&["bob", "--url", &url]);
    assert_eq!(locked.status.code(), Some(2));
    assert!(text(&locked).contains("--api-keys FILE"), "{}", text(&locked));
    let no_keys = look(&["bob", "--url", &url, "--api-keys", "/nowhere"]);
    assert!(no_keys.status.code() == Some(2) && text(&no_keys).contains("/nowhere"), "{}", text(&no_keys));
    server.stop();
    let gone = at("bob", &[]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone).contains("is `corepost serve` running there?"), "{}", text(&gone));
}
