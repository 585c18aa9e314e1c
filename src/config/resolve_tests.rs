//! Good configurations and bad ones, as people would write them.

use super::*;
use crate::config::Mistake;
use crate::limits;

fn given(flags: &[(&'static str, &str)]) -> Given {
    let mut given = Given::default();
    for (key, text) in flags {
        given.flags.entry(key).or_default().push((*text).to_owned());
    }
    given
}

fn mistakes(flags: &[(&'static str, &str)]) -> Vec<String> {
    resolve(&given(flags)).err().unwrap_or_default().0.iter().map(Mistake::to_string).collect()
}

fn key(name: &str) -> String {
    format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn nothing_written_is_development_mode_with_the_defaults_of_the_limits() {
    let Effective { config, notes, .. } = resolve(&Given::default()).unwrap();
    assert!(config.access.is_development() && notes[0].starts_with("development mode"));
    assert_eq!((config.listen.to_string().as_str(), config.admin.port()), ("127.0.0.1:8080", 9090));
    assert!((1..=limits::CORES).contains(&usize::from(config.cores())));
    assert_eq!((config.retention_ms, config.retention_bytes), (7 * DAY, 10 << 30));
    assert_eq!(config.mailbox_messages, limits::MAILBOX_ENVELOPES);
    assert_eq!(config.mailbox_bytes, limits::MAILBOX_BYTES);
    assert_eq!(config.recent_bytes, limits::RECENT_BYTES);
    assert_eq!(config.handshake_ms, limits::HANDSHAKE_MS);
    assert_eq!(config.ping_interval_ms, limits::PING_INTERVAL_MS);
    assert_eq!(config.pong_timeout_ms, limits::PONG_TIMEOUT_MS);
    assert_eq!(config.cursor_refresh_ms, limits::CURSOR_REFRESH_MS);
    assert_eq!(config.sessions_per_client, limits::SESSIONS_PER_CLIENT);
    assert_eq!(config.message_bytes, limits::MESSAGE_BYTES);
    assert_eq!(config.outbound_bytes, limits::OUTBOUND_BYTES);
    assert_eq!((config.max_connections, config.connect_rate), (None, None));
    assert_eq!(config.send_rates, SendRates::default());
}

#[test]
fn keys_end_development_mode_and_open_the_listener() {
    let (jwt_key, jwks) = (key("p256.pub.pem"), key("jwks.json"));
    let flags = given(&[("listen", "0.0.0.0:80"), ("jwt_key", &jwt_key), ("jwks", &jwks)]);
    let Effective { config, notes, .. } = resolve(&flags).unwrap();
    assert!(!config.access.is_development());
    assert_eq!(config.access.keys.unwrap().describe(), r#"ES256, RS256 "r1", ES256 "e1", EdDSA "d1""#);
    assert_eq!(notes, ["no --api-keys: the HTTP API is closed"]);
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place_and_its_mending() {
    let wrong = key("rsa.pem");
    let told = mistakes(&[
        ("retention", "7"),
        ("durability", "maybe"),
        ("jwt_key", &wrong),
        ("jwks", "/nowhere"),
        ("cores", "0"),
        ("allow_origin", "app.example.org"),
        ("bytes_per_second", "2GiB"),
    ]);
    assert_eq!(told.len(), 7, "{told:#?}");
    for (place, words) in [
        ("flag --retention: ", "has no unit; write 7s, 7m, 7h or 7d"),
        ("flag --durability: ", "write one of fsync, process"),
        ("flag --jwt-key: ", "is a private key"),
        ("flag --jwks: /nowhere cannot be read", "No such file"),
        ("flag --cores: ", "write 1 to 256"),
        ("flag --allow-origin: ", "https://app.example.org"),
        ("flag --bytes-per-second: ", "out of bounds"),
    ] {
        assert!(
            told.iter().any(|line| line.starts_with(place) && line.contains(words)),
            "{place}: {told:#?}"
        );
    }
}

#[test]
fn without_keys_nobody_else_may_reach_it() {
    let told = mistakes(&[("listen", "0.0.0.0:8080")]);
    assert!(told[0].contains("--jwt-key") && told[0].contains("127.0.0.1:8080"), "{told:?}");
    // A key that is configured and broken does not become development mode.
    let told = mistakes(&[("listen", "0.0.0.0:8080"), ("jwt_key", "/nowhere")]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(mistakes(&[("listen", "[::1]:0"), ("admin", "[::1]:0")]), Vec::<String>::new());
}

#[test]
fn proxies_are_listed_and_every_wrong_entry_is_told() {
    let jwt_key = key("p256.pub.pem");
    let with = |networks: &[&str]| {
        let mut given = given(&[("jwt_key", &jwt_key)]);
        given.flags.insert("proxy_from", networks.iter().map(|text| (*text).to_owned()).collect());
        resolve(&given)
    };
    let good = with(&["10.0.0.0/8", "2001:db8::7"]).unwrap();
    assert!(good.config.proxies.contain("10.9.9.9".parse().unwrap()));
    assert!(good.to_string().contains(r#"proxy_from = ["10.0.0.0/8", "2001:db8::7"]"#), "{good}");
    assert!(!good.notes.iter().any(|note| note.contains("--proxy-from")), "{:?}", good.notes);
    let everybody = with(&["0.0.0.0/0"]).unwrap().notes;
    assert!(everybody.iter().any(|note| note.contains("--proxy-from")), "{everybody:?}");
    let told = with(&["10.0.0.1/8", "10.0.0.0/8", "haproxy"]).unwrap_err().0;
    assert_eq!(
        told.iter().map(Mistake::to_string).collect::<Vec<_>>(),
        [
            "flag --proxy-from: \"10.0.0.1/8\" is an address inside a network; write 10.0.0.0/8 for all of it, or \
             leave /8 out for this one",
            "flag --proxy-from: \"haproxy\" is no network; write it as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32",
        ]
    );
}

#[test]
fn a_proxy_needs_keys_for_it_lets_other_machines_in() {
    let told = mistakes(&[("proxy_from", "127.0.0.1")]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("flag --proxy-from: ") && told[0].contains("--api-keys"), "{told:?}");
    // Broken keys are keys: the one mistake is told, not what would follow from it.
    assert_eq!(mistakes(&[("proxy_from", "127.0.0.1"), ("jwt_key", "/nowhere")]).len(), 1);
}

#[test]
fn what_must_hold_between_settings_is_judged() {
    assert!(mistakes(&[("admin", "127.0.0.1:8080")])[0].contains("--listen"));
    let told = mistakes(&[("message_bytes", "1MiB")]);
    assert!(told[0].contains("default of --outbound-bytes") && told[0].contains("2112KiB"), "{told:?}");
    assert!(mistakes(&[("mailbox_bytes", "2KiB")])[0].contains("at least 64KiB"));
    assert!(mistakes(&[("messages_per_second", "0")])[0].contains("write 1 to"));
}

#[test]
fn cores_take_the_cpus_in_turn() {
    let host = crate::host::read_host(std::path::Path::new("/"));
    let first = host.ours.iter().next().unwrap();
    let effective = resolve(&given(&[("cores", "3"), ("cpus", &first.to_string())])).unwrap();
    assert_eq!(effective.config.placement.cores, [first; 3]);
    assert!(effective.notes.iter().any(|note| note.contains("share")));
    let told = mistakes(&[("cpus", "8000"), ("store_cpus", "8001"), ("irq_cpus", "x")]);
    assert!(told.len() == 3 && told[0].starts_with("flag --irq-cpus: "), "{told:?}");
    assert!(told[1..].iter().all(|line| line.contains("not online")), "{told:?}");
}

#[test]
fn auto_leaves_cpus_to_the_plan() {
    let path = std::env::temp_dir().join(format!("corepost-auto-{}.toml", std::process::id()));
    std::fs::write(&path, "cpus = '8000'\nstore_cpus = '8001'").unwrap();
    let auto = ["cpus", "backplane_cpus", "store_cpus", "irq_cpus"].map(|setting| (setting, "auto"));
    let flags = [&auto[..], &[("config", path.to_str().unwrap())]].concat();
    let placement = |flags: &[(&'static str, &str)]| resolve(&given(flags)).unwrap().config.placement;
    let (mut asked, mut silent) = (placement(&flags), placement(&[]));
    // Where interrupts are now may change meanwhile.
    (asked.interrupts, silent.interrupts) = (Vec::new(), Vec::new());
    assert_eq!(asked, silent, "the flags take back what the file says");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn what_is_shown_is_a_file_that_means_the_same() {
    let shown = resolve(&given(&[("retention", "3d"), ("allow_origin", "null")])).unwrap();
    let text = shown.to_string();
    assert!(
        text.lines().any(|line| line.starts_with("retention = \"3d\"") && line.ends_with("# flag")),
        "{text}"
    );
    let path = std::env::temp_dir().join(format!("corepost-shown-{}.toml", std::process::id()));
    std::fs::write(&path, &text).unwrap();
    let again = resolve(&given(&[("config", path.to_str().unwrap())])).unwrap();
    assert_eq!(again.config.retention_ms, shown.config.retention_ms);
    assert_eq!(again.config.access.origins, shown.config.access.origins);
}

#[test]
fn what_a_running_node_cannot_take_over_is_told() {
    let path = std::env::temp_dir().join(format!("corepost-later-{}.toml", std::process::id()));
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        resolve(&given(&[("config", path.to_str().unwrap())])).unwrap()
    };
    let before = read("drain_window = '5s'\nping_interval = '20s'");
    assert_eq!(before.dormant(&read("drain_window = '7s'\nping_interval = '20s'\nlog_level = 'debug'")), []);
    let settings =
        |text: &str| -> Vec<_> { before.dormant(&read(text)).iter().map(|it| it.setting).collect() };
    assert_eq!(settings("retention = '1d'"), ["retention", "ping_interval"]);
    let key = key("p256.pub.pem");
    assert_eq!(settings(&format!("ping_interval = '20s'\njwt_key = '{key}'")), ["jwt_key"]);
    std::fs::remove_file(&path).unwrap();
}
