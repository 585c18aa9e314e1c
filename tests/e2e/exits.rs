//! How the program ends when it cannot begin, as scripts and supervisors see it.

use crate::support::Place;
use std::net::TcpListener;
use std::process::Output;

fn said(output: &Output) -> String {
    assert!(output.stdout.is_empty(), "standard output is for the ready line: {output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn exit(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn a_port_in_use_is_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    for flag in ["listen", "admin"] {
        let output = Place::new("exits-port").with(flag, addr).fail();
        assert_eq!(exit(&output), Some(1), "--{flag}");
        assert!(said(&output).contains(&addr.to_string()), "{}", said(&output));
    }
    // Also when it is one of ours, which shares its port among its cores.
    let first = Place::new("exits-first").start();
    let output = Place::new("exits-second").with("listen", first.addr).fail();
    assert_eq!(exit(&output), Some(1));
    assert!(said(&output).contains("in use"), "{}", said(&output));
    assert!(crate::support::Knock::new("client=a").enter(first.addr).is_ok(), "the first goes on");
}

#[test]
fn a_bad_configuration_is_2_and_all_of_it_is_told() {
    let place = Place::new("exits-config")
        .with("listen", "everywhere")
        .with("cores", 0)
        .with("retention", "7")
        .with("durability", "maybe")
        .with("jwt-key", "/nonexistent/jwt.key");
    let output = place.fail();
    assert_eq!(exit(&output), Some(2));
    let text = said(&output);
    for part in ["--listen", "--cores", "--retention", "--durability", "--jwt-key", "everywhere", "7d"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let open = Place::new("exits-open").with("listen", "0.0.0.0:0").fail();
    assert_eq!(exit(&open), Some(2));
    assert!(said(&open).contains("--jwt-key"), "{}", said(&open));
    let unknown = Place::new("exits-flag").with("no-such-flag", 1).fail();
    assert_eq!(exit(&unknown), Some(2));
    let config = Place::new("exits-file");
    let file = config.write("corepost.toml", "retension = \"7d\"\nping_interval = \"soon\"\n");
    let output = config.with("config", file.display()).fail();
    assert_eq!(exit(&output), Some(2));
    assert!(
        said(&output).contains("corepost.toml:1") && said(&output).contains("corepost.toml:2"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_data_directory_in_use_or_of_a_newer_format_is_3() {
    let place = Place::new("exits-data");
    let server = place.start();
    let output = place.fail();
    assert_eq!(exit(&output), Some(3));
    assert!(said(&output).contains("in use"), "{}", said(&output));
    assert!(crate::support::Knock::new("client=a").enter(server.addr).is_ok(), "the first goes on");
    // The lock dies with its process, however that ends.
    server.kill();
    place.start().stop();
    std::fs::write(place.path("data/format"), "corepost-log 99\n").unwrap();
    let output = place.fail();
    assert_eq!(exit(&output), Some(3));
    assert!(said(&output).contains("99"), "{}", said(&output));
    let damaged = Place::new("exits-damaged");
    std::fs::create_dir_all(damaged.path("data")).unwrap();
    damaged.write("data/letters.txt", "somebody else's");
    assert_eq!(exit(&damaged.fail()), Some(1), "not ours to touch");
    assert!(damaged.path("data/letters.txt").exists());
}

#[test]
fn settings_come_from_file_and_environment_as_well() {
    let place = Place::new("exits-layers");
    let file = place
        .write("corepost.toml", "message_bytes = \"1KiB\"\nretention = \"1d\"\nping_interval = \"7s\"\n");
    let place = place.with("config", file.display()).with("ping-interval", "9s");
    let mut command = place.serve();
    command.env("COREPOST_RETENTION", "2d").env("COREPOST_PING_INTERVAL", "8s");
    let server = place.run(command);
    let session = crate::support::Session::open(server.addr, "client=a");
    let limits = &session.welcome["limits"];
    assert_eq!(limits["message_bytes"], 1_024, "the file's");
    assert_eq!(limits["retention_ms"], 2 * 86_400_000_u64, "the environment's");
    assert_eq!(limits["ping_interval_ms"], 9_000, "the flag's");
}

#[test]
fn the_log_is_json_where_asked_for_and_has_no_body_and_no_token() {
    let place = Place::keyed("exits-log").with("log-format", "json").with("log-level", "trace");
    let mut server = place.start();
    let token = crate::support::token("alice");
    let mut alice = crate::support::Session::open(server.addr, &format!("token={token}"));
    alice.deliver("bob", "1", "a-body-of-the-stories");
    alice.say(&serde_json::json!({"type": "auth", "token": token}));
    assert!(alice.is_quiet());
    assert_eq!(
        server.api().with_key(crate::support::API_KEY).get("/v1/clients/bob/messages?from=-1").status,
        200
    );
    drop(alice);
    server.signal("TERM");
    assert_eq!(server.exit_code(), 0);
    let log = server.log();
    assert!(log.lines().count() > 1, "it says something: {log}");
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line.is_object()), "{line}");
    }
    for secret in ["a-body-of-the-stories", token.as_str(), crate::support::API_KEY] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
