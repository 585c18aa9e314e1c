//! Layers over layers, and where each value is said to come from.

use super::*;

fn file(name: &str, text: &str) -> String {
    let path = std::env::temp_dir().join(format!("corepost-raw-{}-{name}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn given(flags: &[(&'static str, &str)], environment: &[(&str, &str)]) -> Given {
    Given {
        flags: flags.iter().map(|(key, text)| (*key, vec![(*text).to_owned()])).collect(),
        environment: environment
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
        hostname: None,
    }
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let path = file(
        "layers",
        "# comment\nretention = '1d'\nlisten = \"127.0.0.1:1\"\n\"admin\" = \"127.0.0.1:2\"\n",
    );
    let given = given(
        &[("config", &path), ("listen", "127.0.0.1:3")],
        &[("COREPOST_LISTEN", "127.0.0.1:4"), ("COREPOST_ADMIN", "127.0.0.1:5"), ("PATH", "/bin")],
    );
    let (raw, mistakes) = Raw::read(&given);
    assert_eq!(mistakes, []);
    let at = |key| raw.get(key).map(|w| (w.texts[0].as_str(), w.source.clone())).unwrap();
    assert_eq!(at("listen"), ("127.0.0.1:3", Source::Flag));
    assert_eq!(at("admin"), ("127.0.0.1:5", Source::Environment));
    assert_eq!(at("retention"), ("1d", Source::File { path: path.clone(), line: 2 }));
    assert_eq!(at("durability"), ("fsync", Source::Default));
    assert_eq!(raw.get("jwks"), None);
}

#[test]
fn numbers_and_lists_are_taken_as_they_are_written() {
    let path =
        file("kinds", "cores = 2\nretention_size = 1_000\nallow_origin = ['https://a.example', 'null']\n");
    let (raw, mistakes) = Raw::read(&given(&[("config", &path)], &[]));
    assert_eq!(mistakes, []);
    assert_eq!(raw.get("cores").unwrap().texts, ["2"]);
    assert_eq!(raw.get("retention_size").unwrap().texts, ["1000"]);
    assert_eq!(raw.get("allow_origin").unwrap().texts, ["https://a.example", "null"]);
    let (raw, _) = Raw::read(&given(
        &[],
        &[("COREPOST_ALLOW_ORIGIN", "https://a.example, null"), ("COREPOST_DATA", "1")],
    ));
    assert_eq!(raw.get("allow_origin").unwrap().texts, ["https://a.example", "null"]);
    assert_eq!(raw.get("data").unwrap().texts, ["1"]);
}

#[test]
fn unknown_names_are_mistakes_with_the_nearest_known_one() {
    let path = file("unknown", "config = 'x'\nretension = '1d'\nlisten = ['a', 'b']\n[limits]\nmax = 1\n");
    let (_, mistakes) = Raw::read(&given(
        &[],
        &[
            ("COREPOST_CONFIG", &path),
            ("COREPOST_LISTN", "x"),
            ("COREPOST_listen", "x"),
            ("COREPOST_JWKS", ""),
        ],
    ));
    let shown: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "environment COREPOST_LISTN: there is no such setting; did you mean COREPOST_LISTEN?".to_owned(),
            "environment COREPOST_listen: there is no such setting; did you mean COREPOST_LISTEN?".into(),
            format!("{path}:1 config: a file cannot name another one; remove it"),
            format!("{path}:4 limits: there is no such setting; `corepost check` lists them"),
            format!("{path}:2 retension: there is no such setting; did you mean `retention`?"),
            format!("{path}:3 listen: takes one value, not a list; keep one of them"),
        ]
    );
}

#[test]
fn what_kubernetes_puts_into_the_environment_is_nobodys_mistake() {
    let (_, mistakes) = Raw::read(&given(
        &[],
        &[
            ("COREPOST_SERVICE_HOST", "10.0.0.1"),
            ("COREPOST_SERVICE_PORT", "8080"),
            ("COREPOST_SERVICE_PORT_WS", "8080"),
            ("COREPOST_PORT", "tcp://10.0.0.1:8080"),
            ("COREPOST_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("COREPOST_ADMIN_PORT_9090_TCP", "tcp://10.0.0.1:9090"),
            ("COREPOST_ADMIN_SERVICE_HOST", "10.0.0.1"),
            ("COREPOST_TEST", "all"),
        ],
    ));
    assert_eq!(mistakes, []);
}

#[test]
fn a_file_that_cannot_be_read_is_one_mistake_and_the_rest_is_judged() {
    let (raw, mistakes) = Raw::read(&given(&[("config", "/nowhere/corepost.toml")], &[]));
    assert!(mistakes[0].to_string().starts_with("/nowhere/corepost.toml: cannot be read: No such file"));
    assert!(raw.get("listen").is_some());
    let broken = file("broken", "listen = \n");
    let (_, mistakes) = Raw::read(&given(&[("config", &broken)], &[]));
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].problem.contains("line 1"), "{mistakes:?}");
}
