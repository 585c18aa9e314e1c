//! A node's settings with and without a cluster.

use super::super::{Effective, Mistake, resolve};
use super::*;
use crate::limits::PARTITIONS;

fn given(flags: &[(&'static str, &str)], hostname: &str) -> Given {
    let mut given = Given { hostname: Some(hostname.to_owned()), ..Given::default() };
    for (key, text) in flags {
        given.flags.entry(key).or_default().push((*text).to_owned());
    }
    given
}

fn effective(flags: &[(&'static str, &str)]) -> Effective {
    resolve(&given(flags, "chat-7")).unwrap()
}

fn told_at(flags: &[(&'static str, &str)], hostname: &str) -> Vec<String> {
    let mistakes = resolve(&given(flags, hostname)).err().unwrap_or_default();
    mistakes.0.iter().map(Mistake::to_string).collect()
}

fn told(flags: &[(&'static str, &str)]) -> Vec<String> {
    told_at(flags, "chat-7")
}

/// Without the one about development mode.
fn notes(flags: &[(&'static str, &str)]) -> Vec<String> {
    let mut notes = effective(flags).notes;
    notes.retain(|note| !note.starts_with("development mode"));
    notes
}

#[test]
fn brokers_make_a_node_one_of_a_cluster() {
    let config = effective(&[("kafka", "k:1")]).config;
    let cluster = config.cluster.unwrap();
    assert_eq!((config.node, cluster.node_timeout_ms, cluster.standby), (7, 5_000, false));
    assert_eq!((cluster.connection.brokers.as_str(), cluster.plan.partitions), ("k:1", PARTITIONS));
    assert_eq!(notes(&[("kafka", "k:1")]), Vec::<String>::new());
    let config =
        effective(&[("kafka", "k:1"), ("standby", "1"), ("node_timeout", "8s"), ("node", "3")]).config;
    let cluster = config.cluster.unwrap();
    assert_eq!((config.node, cluster.node_timeout_ms, cluster.standby), (3, 8_000, true));
    let alone = effective(&[]).config;
    assert!(alone.cluster.is_none());
    assert_eq!(alone.node, 0, "a lone node is not called by its hostname");
}

#[test]
fn the_ordinal_is_the_number_that_a_statefulset_writes() {
    let kafka = [("kafka", "k:1")];
    for (hostname, ordinal) in [
        ("chat-7", 7),
        ("chat-0", 0),
        ("web-chat-1023", 1_023),
        ("chat-12.chat.default.svc.cluster.local", 12),
        ("chat-007", 7),
    ] {
        assert_eq!(resolve(&given(&kafka, hostname)).unwrap().config.node, ordinal, "{hostname}");
    }
    for (hostname, words) in [
        ("vm", "the hostname \"vm\" does not end in - and a number, as chat-7 does; write --node N"),
        ("chat-7d4b9c-x2k45", "does not end in"),
        ("chat-", "does not end in"),
        ("chat-1024", "ends in 1024, which is out of bounds; write --node N, 0 to 1023"),
        ("chat-99999999999", "is out of bounds"),
    ] {
        let told = told_at(&kafka, hostname);
        assert!(told.len() == 1 && told[0].starts_with("default of --node: "), "{told:?}");
        assert!(told[0].contains(words), "{told:?}");
        let written = resolve(&given(&[("kafka", "k:1"), ("node", "5")], hostname));
        assert_eq!(written.unwrap().config.node, 5, "{hostname}");
    }
    let nameless = resolve(&Given { hostname: None, ..given(&kafka, "") }).unwrap_err();
    assert!(nameless.0[0].problem.contains("nor a hostname; write --node N"), "{nameless}");
}

#[test]
fn an_ordinal_has_other_bounds_in_a_cluster() {
    assert_eq!(effective(&[("node", "65535")]).config.node, 65_535);
    let told = told(&[("node", "1024"), ("kafka", "k:1")]);
    assert_eq!(told, ["flag --node: \"1024\" is out of bounds; write 0 to 1023"]);
}

#[test]
fn all_mistakes_of_a_cluster_are_told_with_the_others() {
    let told = told_at(
        &[
            ("kafka", "k:x"),
            ("node_timeout", "3s"),
            ("standby", "yes"),
            ("partitions", "1025"),
            ("replication", "2"),
            ("kafka_option", "acks=hunter2"),
            ("retention", "7"),
            ("durability", "never"),
            // Too little for one message, which is no mistake in a cluster, also where --kafka is one.
            ("mailbox_bytes", "2KiB"),
        ],
        "vm",
    );
    for words in [
        "flag --kafka: \"k:x\" has \"k:x\", which is no broker",
        "flag --node-timeout: \"3s\" is out of bounds; write 4s to 1m",
        "flag --standby: \"yes\" is unknown; write one of 0, 1",
        "flag --partitions: \"1025\" is out of bounds; write 1 to 1024",
        "flag --replication: \"2\" is unknown",
        "flag --kafka-option: `acks` is set by Corepost itself",
        "flag --retention: \"7\" has no unit",
        "flag --durability: \"never\" is unknown",
        "default of --node: is not there, and the hostname \"vm\"",
    ] {
        assert!(told.iter().any(|line| line.starts_with(words)), "{words}: {told:#?}");
    }
    assert_eq!(told.len(), 9, "{told:#?}");
    assert!(told.iter().all(|line| !line.contains("hunter2")), "{told:#?}");
}

#[test]
fn without_brokers_the_settings_of_a_cluster_are_mistakes() {
    let told = told(&[
        ("topic_prefix", "chat"),
        ("partitions", "8"),
        ("replication", "1"),
        ("kafka_option", "client.id=hunter2"),
        ("node_timeout", "8s"),
        ("standby", "1"),
    ]);
    assert_eq!(told.len(), 6, "{told:#?}");
    let says =
        |line: &String| line.contains("means nothing without --kafka") && line.contains("--kafka HOST:PORT");
    assert!(told.iter().all(says), "{told:#?}");
    assert!(told.iter().all(|line| !line.contains("hunter2")), "{told:#?}");
    let notes = notes(&[("partitions", "64"), ("standby", "0")]);
    assert_eq!(notes, ["--partitions, --standby: the default, which means nothing without --kafka"]);
}

#[test]
fn what_kafka_decides_in_a_cluster_is_told_and_not_judged() {
    let flags = [
        ("kafka", "k:1"),
        ("topic_prefix", "chat"),
        ("durability", "process"),
        ("retention", "1d"),
        ("retention_size", "1GiB"),
        ("mailbox_messages", "5"),
        // A lone node could not keep one message.
        ("mailbox_bytes", "2KiB"),
    ];
    let notes = notes(&flags);
    for words in [
        "--durability means nothing in a cluster: a message is acknowledged when Kafka has it (acks=all)",
        "--retention means nothing in a cluster: retention.ms of chat.mailbox counts",
        "--retention-size means nothing in a cluster: ",
        "--mailbox-messages means nothing in a cluster: ",
        "--mailbox-bytes means nothing in a cluster: ",
    ] {
        assert!(notes.iter().any(|note| note.starts_with(words)), "{words}: {notes:#?}");
    }
    assert_eq!(notes.len(), 5, "{notes:#?}");
}

#[test]
fn one_copy_of_each_message_is_said_at_every_start() {
    assert_eq!(notes(&[("kafka", "k:1"), ("replication", "1")]), [ONE_COPY]);
}

#[test]
fn what_is_shown_of_a_cluster_is_a_file_that_means_the_same() {
    let shown = effective(&[("kafka", "k:1"), ("partitions", "8"), ("node_timeout", "9s")]);
    let text = shown.to_string();
    let has =
        |start: &str, end: &str| text.lines().any(|line| line.starts_with(start) && line.ends_with(end));
    assert!(has("kafka = \"k:1\" ", "# flag") && has("standby = \"0\"", "# default"), "{text}");
    assert!(has("# node is not set", "# default: 7, from the hostname"), "{text}");
    assert!(has("# durability ", "# means nothing in a cluster"), "{text}");
    let path = std::env::temp_dir().join(format!("corepost-cluster-{}.toml", std::process::id()));
    std::fs::write(&path, &text).unwrap();
    let flags = [("config", path.to_str().unwrap())];
    let again = effective(&flags);
    assert_eq!(again.config.cluster.as_ref().unwrap().plan, shown.config.cluster.unwrap().plan);
    assert_eq!(again.config.cluster.unwrap().node_timeout_ms, 9_000);
    assert_eq!(notes(&flags), Vec::<String>::new());

    let alone = effective(&[("durability", "process")]).to_string();
    assert!(alone.contains("# kafka is not set") && alone.contains("a node alone"), "{alone}");
    std::fs::write(&path, &alone).unwrap();
    assert_eq!(notes(&flags), Vec::<String>::new(), "{alone}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn no_value_of_an_option_is_shown_anywhere() {
    let options =
        [("kafka", "k:1"), ("kafka_option", "sasl.password=hunter2"), ("kafka_option", "linger.ms=7331")];
    let mut given = given(&options, "chat-7");
    given.environment.push(("COREPOST_KAFKA_OPTION".into(), "sasl.username=hunter2".into()));
    let effective = resolve(&given).unwrap();
    let shown = effective.to_string();
    assert!(shown.contains("# kafka_option of sasl.password, linger.ms"), "{shown}");
    assert!(shown.contains("# flag; values are not shown"), "{shown}");
    for text in [shown, format!("{effective:?}"), format!("{given:?}"), format!("{:#?}", effective.config)] {
        assert!(text.contains("kafka_option") || text.contains("sasl.password"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("7331"), "{text}");
    }
}
