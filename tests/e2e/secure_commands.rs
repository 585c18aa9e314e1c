//! `listen`, `send` and `where` to a server that speaks TLS.

use crate::support::{Api, Kept, Place, Secured, Server, corepost, eventually, finish};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program, which trusts the certificates of this file alone.
fn trusting(cert: &Path, arguments: &[&str]) -> Command {
    let mut command = corepost();
    command.env("SSL_CERT_FILE", cert).env("SSL_CERT_DIR", "/nowhere").args(arguments);
    command
}

/// The end of one that ends by itself.
fn told(mut command: Command) -> Output {
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn url(scheme: &str, host: &str, server: &Server) -> String {
    format!("{scheme}://{host}:{}", server.addr.port())
}

#[test]
fn who_trusts_the_issuer_listens_sends_and_asks() {
    let secured = Secured::new("commands-tls");
    let server = secured.place.start();
    let wss = url("wss", "localhost", &server);
    let heard = secured.place.path("heard");
    let mut listen = trusting(&secured.cert, &["listen", "--as", "bob", "--from", "start", "--url", &wss]);
    listen.stdout(fs::File::create(&heard).unwrap()).stderr(Stdio::null());
    let _bob = Kept(listen.spawn().unwrap());
    for n in 0..3 {
        let text = format!("sealed {n}, {}", "x".repeat(30_000));
        let sent =
            told(trusting(&secured.cert, &["send", "--as", "alice", "--to", "bob", "--url", &wss, &text]));
        assert!(sent.status.success(), "{sent:?}");
        assert!(String::from_utf8_lossy(&sent.stdout).starts_with("ack "), "{sent:?}");
    }
    eventually("bob hears it", || {
        let heard = fs::read_to_string(&heard).unwrap();
        (0..3).all(|n| heard.contains(&format!("sealed {n}, ")))
    });
    // Much at once, in the largest records: all of it is there.
    let (mut api, text) = (Api::connect(secured.plain(&server)), "y".repeat(50_000));
    let elements: Value = (0..100)
        .map(|n| json!({"from": "app", "to": "bob", "id": format!("much-{n}"), "body": text}))
        .collect();
    assert_eq!(api.publish(&elements).status, 200);
    eventually("bob hears all of it", || fs::read_to_string(&heard).unwrap().matches("much-").count() == 100);
    let https = url("https", "localhost", &server);
    let shown = told(trusting(&secured.cert, &["where", "bob", "--url", &https]));
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("bob: at home on node 0; one session"),
        "{shown:?}"
    );
}

#[test]
fn who_cannot_be_believed_or_understood_is_named_with_what_to_do() {
    let secured = Secured::new("commands-distrust");
    let (server, other) = (secured.place.start(), Secured::new("commands-other"));
    let place = Place::new("commands-plain");
    let plain = place.start();
    let why = |cert: &Path, url: &str| {
        let output = told(trusting(cert, &["where", "bob", "--url", url]));
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = why(&other.cert, &url("https", "localhost", &server));
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
    let said = why(&secured.cert, &url("https", "127.0.0.1", &server));
    assert!(said.contains("for another name"), "{said}");
    let said = why(&secured.cert, &url("https", "localhost", &plain));
    assert!(said.contains("is no TLS; is it a plain port"), "{said}");
    let said = why(&secured.cert, &url("http", "localhost", &server));
    assert!(said.contains("https://"), "{said}");
    let narrow = Secured::new("commands-crowded").place.with("max-connections-per-ip", 1);
    let crowded = narrow.start();
    let _first = TcpStream::connect(crowded.addr).unwrap();
    let said = why(&narrow.path("cert.pem"), &url("https", "localhost", &crowded));
    assert!(said.contains("it is crowded"), "{said}");
    let said = why(Path::new("/nowhere/ca.pem"), &url("https", "localhost", &server));
    assert!(said.contains("trusts no certificates"), "{said}");
}
