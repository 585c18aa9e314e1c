//! The commands that need no server, as a shell sees them: what they print, where, and how they end.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;
use std::process::{Command, Output};

/// The real program with nothing of ours in its environment.
fn corepost(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corepost"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COREPOST_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn key(name: &str) -> String {
    format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn file(name: &str, content: impl AsRef<[u8]>) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn help_teaches_and_is_no_mistake() {
    let help = corepost(&["--help"], &[]);
    assert_eq!(code(&help), 0);
    for word in ["serve", "check", "token", "version", "Exit codes", "ws://127.0.0.1:8080/v1/ws?client=alice"]
    {
        assert!(out(&help).contains(word), "{word}");
    }
    let serve = out(&corepost(&["serve", "--help"], &[]));
    for words in
        ["--retention <TIME>", "[default: 7d]", "COREPOST_PING_INTERVAL", "openssl rand 32", "ready listen="]
    {
        assert!(serve.contains(words), "{words}");
    }
    let nothing = corepost(&[], &[]);
    assert_eq!((code(&nothing), out(&nothing).as_str()), (2, ""));
}

#[test]
fn version_is_the_packages() {
    for arguments in [["version"], ["--version"]] {
        let version = corepost(&arguments, &[]);
        assert_eq!((code(&version), out(&version)), (0, format!("corepost {}\n", env!("CARGO_PKG_VERSION"))));
    }
}

#[test]
fn check_shows_each_value_with_its_source() {
    let config = file("sources.toml", "retention = '1d'\ncores = 1\n");
    let check = corepost(
        &["check", "--config", &config, "--listen", "127.0.0.1:1"],
        &[("COREPOST_DURABILITY", "process"), ("COREPOST_SERVICE_HOST", "10.0.0.1")],
    );
    assert_eq!(code(&check), 0, "{}", err(&check));
    let shown = out(&check);
    let source = |key: &str| {
        let line =
            shown.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}: {shown}"));
        line.split(" # ").map(|part| part.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(source("listen"), ["listen = \"127.0.0.1:1\"", "flag"]);
    assert_eq!(source("durability"), ["durability = \"process\"", "environment"]);
    assert_eq!(source("retention ="), ["retention = \"1d\"".to_owned(), format!("{config}:1")]);
    assert_eq!(source("cores"), ["cores = \"1\"".to_owned(), format!("{config}:2")]);
    assert_eq!(source("admin"), ["admin = \"127.0.0.1:9090\"", "default"]);
    assert!(err(&check).contains("development mode"));
}

#[test]
fn a_list_is_written_alike_in_every_place() {
    let shown = r#"proxy_from = ["10.0.0.0/8", "192.0.2.7"]"#;
    let (config, key) = (file("list.toml", format!("{shown}\n")), key("p256.pub.pem"));
    let flags = ["--proxy-from", "10.0.0.0/8", "--proxy-from", "192.0.2.7"];
    for (arguments, environment) in [
        (&flags[..], None),
        (&["--config", &config], None),
        (&[], Some(("COREPOST_PROXY_FROM", "10.0.0.0/8, 192.0.2.7"))),
    ] {
        let arguments = [&["check", "--jwt-key", &key], arguments].concat();
        let check = corepost(&arguments, environment.as_slice());
        assert_eq!(code(&check), 0, "{}", err(&check));
        assert!(out(&check).contains(shown), "{}", out(&check));
    }
    let bare = corepost(&["check", "--proxy-from", "10.0.0.0/8"], &[]);
    assert_eq!(code(&bare), 2);
    assert!(err(&bare).contains("flag --proxy-from: ") && err(&bare).contains("--jwt-key"), "{}", err(&bare));
}

#[test]
fn check_tells_all_mistakes_at_once_and_serve_the_same() {
    let config = file("wrong.toml", "retension = '1d'\nping_interval = 25\n");
    let arguments = ["--config", &config, "--listen", "0.0.0.0:0", "--durability", "never"];
    for command in ["check", "serve"] {
        let mut all = vec![command];
        all.extend(arguments);
        let output = corepost(&all, &[("COREPOST_RETENTION_SIZ", "1"), ("COREPOST_MESSAGE_BYTES", "1 TiB")]);
        assert_eq!((code(&output), out(&output).as_str()), (2, ""));
        let told = err(&output);
        assert!(told.starts_with("6 mistakes"), "{told}");
        for words in [
            format!("{config}:1 retension: there is no such setting; did you mean `retention`?"),
            format!("{config}:2 ping_interval: \"25\" has no unit; write 25s"),
            "environment COREPOST_RETENTION_SIZ: there is no such setting; did you mean COREPOST_RETENTION_SIZE?".into(),
            "environment COREPOST_MESSAGE_BYTES: \"1 TiB\" is out of bounds; write 128 to 8MiB".into(),
            "flag --durability: \"never\" is unknown; write one of fsync, process".into(),
            "flag --listen: 0.0.0.0:0 can be reached from other machines".into(),
        ] {
            assert!(told.contains(&words), "{words}\n{told}");
        }
    }
}

#[test]
fn check_reads_the_files_of_keys_and_shows_no_secret() {
    let secret = file("secret", "correct horse battery staple, all of it");
    let keys = file("api-keys", "# one\n0123456789abcdef\n");
    let good = corepost(&["check", "--listen", "0.0.0.0:80", "--jwt-key", &secret, "--api-keys", &keys], &[]);
    assert_eq!((code(&good), err(&good).as_str()), (0, ""));
    assert!(!out(&good).contains("horse") && !out(&good).contains("0123456789abcdef"));
    let bad =
        corepost(&["check", "--jwt-key", &file("short", "short"), "--api-keys", &file("none", "")], &[]);
    assert_eq!(code(&bad), 2);
    assert!(err(&bad).contains("5 bytes") && err(&bad).contains("has no key"), "{}", err(&bad));
}

#[test]
fn token_prints_a_jwt_that_the_key_opens() {
    use corepost::access::Keys;
    use corepost::model::{ClientId, Now};
    let unix_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let now = Now { mono_ms: 0, unix_ms };
    for (private, public) in [("p256.pem", "p256.pub.pem"), ("ed25519.pem", "ed25519.pub.pem")] {
        let arguments =
            ["token", "--sub", "alice", "--ttl", "2m", "--send", "bob", "--send", "team/*", "--jwt-key"];
        let token = corepost(&[&arguments[..], &[&key(private)]].concat(), &[]);
        assert_eq!(code(&token), 0, "{}", err(&token));
        let keys = Keys::parse_file(&std::fs::read(key(public)).unwrap()).unwrap();
        let claims = keys.verify(out(&token).trim_end(), now).unwrap();
        assert_eq!(claims.client, ClientId::new("alice").unwrap());
        assert!((110..=125).contains(&(claims.exp_s - unix_ms / 1_000)));
        assert_eq!(claims.permits.unwrap().iter().collect::<Vec<_>>(), ["bob", "team/*"]);
    }
}

#[test]
fn token_tells_all_that_is_wrong_with_it() {
    let output =
        corepost(&["token", "--sub", "", "--ttl", "5", "--send", "", "--jwt-key", &key("rsa.pub.pem")], &[]);
    assert_eq!((code(&output), out(&output).as_str()), (2, ""));
    for flag in ["--sub", "--ttl", "--send", "--jwt-key"] {
        assert!(err(&output).contains(&format!("flag {flag}: ")), "{flag}: {}", err(&output));
    }
    assert_eq!(code(&corepost(&["token", "--sub", "a"], &[])), 2);
}

#[test]
fn a_flag_that_is_not_one_ends_in_two_with_the_nearest() {
    let output = corepost(&["serve", "--retension", "1d"], &[]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("--retention"), "{}", err(&output));
}

#[test]
fn check_shows_a_cluster_and_no_value_of_an_option() {
    let secret = "kafka_option = ['security.protocol=plaintext', 'sasl.password=hunter2']\n";
    let config =
        file("cluster.toml", format!("kafka = 'k1:9092,k2:9092'\nnode = 3\n{secret}retention = '1d'\n"));
    let check = corepost(
        &["check", "--config", &config, "--standby", "1"],
        &[("COREPOST_NODE_TIMEOUT", "8s"), ("COREPOST_TOPIC_PREFIX", "chat")],
    );
    assert_eq!(code(&check), 0, "{}", err(&check));
    let shown = out(&check);
    for (start, end) in [
        ("kafka = \"k1:9092,k2:9092\"", format!("# {config}:1")),
        ("node = \"3\"", format!("# {config}:2")),
        ("# kafka_option of security.protocol, sasl.password", format!("# {config}:3; values are not shown")),
        ("standby = \"1\"", "# flag".into()),
        ("node_timeout = \"8s\"", "# environment".into()),
        ("topic_prefix = \"chat\"", "# environment".into()),
        ("partitions = \"64\"", "# default".into()),
        ("# retention ", "# means nothing in a cluster".into()),
    ] {
        let has = shown.lines().any(|line| line.starts_with(start) && line.ends_with(&end));
        assert!(has, "{start} … {end}\n{shown}");
    }
    assert!(
        err(&check)
            .contains("note: --retention means nothing in a cluster: retention.ms of chat.mailbox counts")
    );
    assert!(!format!("{shown}{}", err(&check)).contains("hunter2"));
}

#[test]
fn settings_of_a_cluster_without_a_kafka_end_in_two() {
    for command in ["check", "serve"] {
        let output =
            corepost(&[command, "--partitions", "8", "--kafka-option", "sasl.password=hunter2"], &[]);
        assert_eq!((code(&output), out(&output).as_str()), (2, ""));
        let told = err(&output);
        assert!(told.starts_with("2 mistakes"), "{told}");
        for flag in ["--partitions", "--kafka-option"] {
            let words = format!("flag {flag}: means nothing without --kafka; name the brokers");
            assert!(told.contains(&words), "{words}\n{told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_node_of_a_cluster_does_not_start_where_no_kafka_listens() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let kafka = format!("127.0.0.1:{port}");
    let serve =
        corepost(&["serve", "--kafka", &kafka, "--node", "3", "--kafka-option", "client.id=hunter2"], &[]);
    assert_eq!((code(&serve), out(&serve).as_str()), (1, ""));
    let told = err(&serve);
    for words in [
        format!("waiting for Kafka at {kafka}"),
        format!("no Kafka listens at {kafka} ("),
        "it has tried for 3 s: start it again when Kafka answers".into(),
    ] {
        assert!(told.contains(&words), "{words}\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}
