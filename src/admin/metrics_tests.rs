//! The text as a scraper reads it: once against a golden file, and every line against the format's rules.

use super::*;
use crate::admin::{ClusterReport, CoreMemory, CoreReport, LogReport, Phase};
use crate::counters::{Dropped, Refusal};
use std::collections::{BTreeMap, BTreeSet};

/// Two cores, of which the second one has not answered.
fn reports() -> Reports {
    let mut core =
        CoreReport { fresh: true, busy_us: 1_500_000, mesh_depth: 3, mesh_wakes: 4, ..CoreReport::default() };
    core.counters.sessions = 19_000;
    core.counters.received_durable = 10;
    core.counters.received_ephemeral = 20;
    core.counters.delivered_ephemeral = 30;
    core.counters.refuse(Refusal::TooLarge);
    core.counters.drop(Dropped::NotLive);
    core.counters.records_read = u64::from(u32::MAX) * 1_000;
    core.memory[CoreMemory::Partial as usize] = 65_536;
    for us in [5, 20, 21, 49_999, 60_000_000] {
        core.turns_us.observe(us);
    }
    core.mesh_batches.observe(17);
    core.end_to_end_us[0].observe(300);
    let mut log = LogReport { records_written: 11, retained_bytes: 1 << 40, ..LogReport::default() };
    log.commit_us.observe(2_200);
    log.batch_records.observe(9);
    let resident_bytes = Some(12_345_678);
    let cores = vec![Some(core), None];
    Reports {
        cores,
        log,
        cluster: None,
        phase: Phase::Serving,
        resident_bytes,
        lines_left_out: 2,
        certificate_not_after_s: Some(1_893_456_000),
    }
}

/// The same of a node in a cluster.
fn reports_of_a_cluster() -> Reports {
    let by_word = || vec![("one", 1), ("other", 0)];
    let cluster = ClusterReport {
        is_member: true,
        nodes: 3,
        read: [100, 0, 42, 7],
        reread: by_word(),
        passed: by_word(),
        written: [11, 0, 43, 8],
        node_read: by_word(),
        node_written: by_word(),
        owned: 22,
        served: 21,
        fresh: 20,
        lags: vec![(4, 0), (63, 17)],
        over: by_word(),
        stores_dropped: by_word(),
        index_errors: 5,
        state_troubles: by_word(),
        views: 6,
        links_broken: by_word(),
        links: [2, 1],
        hellos: [3, 4],
        post_drops: by_word(),
        waiting: [9, 900],
        refused: [10, 12],
        under_way: [13, 1_300],
        producers: 14,
        made_anew: 15,
        brokers: 16,
        readers_made_anew: [17, 0, 18, 0],
        ..ClusterReport::default()
    };
    Reports { cluster: Some(cluster), ..reports() }
}

fn text(reports: &Reports) -> String {
    render(reports, &[("version", "0.1.0".into()), ("driver", "say \"epoll\"\\\n".into())])
}

#[test]
fn the_text_is_the_golden_one() {
    is_golden("src/admin/metrics_golden.txt", &text(&reports()));
}

#[test]
fn what_a_cluster_adds_and_changes_is_the_golden_one_too() {
    let alone = text(&reports());
    let lines: BTreeSet<&str> = alone.lines().collect();
    let together = text(&reports_of_a_cluster());
    let added = together.lines().filter(|line| !lines.contains(line)).map(|line| format!("{line}\n"));
    is_golden("src/admin/metrics_golden_cluster.txt", &added.collect::<String>());
    let of_mailbox =
        |line: &&str| line.starts_with("corepost_records_read_total") && line.contains("mailbox");
    let read: Vec<&str> = together.lines().filter(of_mailbox).collect();
    assert_eq!(
        read,
        ["corepost_records_read_total{topic=\"mailbox\"} 100"],
        "counted once, not by cores again"
    );
}

fn is_golden(golden: &str, text: &str) {
    if std::env::var_os("COREPOST_BLESS").is_some() {
        std::fs::write(golden, text).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap();
    let differs = text.lines().zip(expected.lines()).find(|(ours, golden)| ours != golden);
    assert!(text == expected, "{differs:?}: look at it, then COREPOST_BLESS=1 writes {golden} anew");
}

#[test]
fn the_text_is_valid_and_a_node_without_cores_has_one_too() {
    let families = parse(&text(&reports_of_a_cluster()));
    for family in FAMILIES.iter().chain(CLUSTER_FAMILIES) {
        assert!(families.contains_key(family.name), "{} is missing", family.name);
    }
    assert_eq!(families.len(), FAMILIES.len() + CLUSTER_FAMILIES.len() + 1);
    let log = LogReport::default();
    let (cores, cluster) = (vec![None], None);
    let phase = Phase::Starting;
    let nothing = Reports {
        cores,
        log,
        cluster,
        phase,
        resident_bytes: None,
        lines_left_out: 0,
        certificate_not_after_s: None,
    };
    parse(&text(&nothing));
}

#[test]
fn without_kafka_what_only_a_cluster_has_is_absent() {
    let families = parse(&text(&reports()));
    assert_eq!(families.len(), FAMILIES.len() + 1);
    for family in CLUSTER_FAMILIES {
        assert!(!families.contains_key(family.name), "{} means nothing there", family.name);
    }
}

#[test]
fn names_and_kinds_agree() {
    let mut names = BTreeSet::new();
    for family in FAMILIES.iter().chain(CLUSTER_FAMILIES) {
        assert!(names.insert(family.name), "{} is there twice", family.name);
        assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
        // A gauge in seconds is a point in time.
        let is_time = family.name.ends_with("_not_after_seconds");
        assert_eq!(
            family.name.ends_with("_seconds") && !is_time,
            family.kind == Kind::Seconds,
            "{}: durations are told in seconds",
            family.name
        );
        assert!(family.help.ends_with('.'), "{}: help is a sentence", family.name);
    }
}

/// One family as it was read: its kind, and value by series.
type Parsed = BTreeMap<String, (String, BTreeMap<String, f64>)>;

/// Reads the text by the rules of the format 0.0.4, and checks what a scraper would trip over.
fn parse(text: &str) -> Parsed {
    assert!(text.ends_with('\n'), "the last line ends as well");
    let mut families = Parsed::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split_once(' ').expect(line).0.to_owned();
            assert!(is_name(&current), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert_eq!(name, current, "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let before = families.insert(name.to_owned(), (kind.to_owned(), BTreeMap::new()));
            assert!(before.is_none(), "{name} stands in two places");
        } else {
            let (name, labels, value) = sample(line);
            let (kind, series) = families.get_mut(&current).expect(line);
            let of_family = match name.strip_prefix(current.as_str()) {
                Some("") => kind != "histogram",
                Some("_bucket" | "_sum" | "_count") => kind == "histogram",
                _ => false,
            };
            assert!(of_family, "{line} stands under {current}, a {kind}");
            assert!(value >= 0.0, "{line}");
            let twice = series.insert(format!("{name} {labels:?}"), value);
            assert!(twice.is_none(), "{line} is there twice");
        }
    }
    for (name, (kind, series)) in &families {
        assert!(!series.is_empty(), "{name} has no series");
        if kind == "histogram" {
            histograms_add_up(text, name);
        }
    }
    families
}

/// Buckets grow up to `+Inf`, which is the count.
fn histograms_add_up(text: &str, name: &str) {
    let (mut below, mut bound) = (0.0, f64::NEG_INFINITY);
    for line in text.lines().filter(|line| line.starts_with(name)) {
        let (sample, labels, value) = sample(line);
        if sample.ends_with("_bucket") {
            let le: f64 = labels.last().filter(|(name, _)| name == "le").expect(line).1.parse().expect(line);
            assert!(le > bound && value >= below, "{line}");
            (bound, below) = (le, value);
        } else if sample.ends_with("_count") {
            assert!(bound == f64::INFINITY && value == below, "{line}");
            (below, bound) = (0.0, f64::NEG_INFINITY);
        }
    }
}

type Labels = Vec<(String, String)>;

/// `name{label="value",…} number`
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.iter().all(|(other, _)| other != label), "{line}: a label twice");
            labels.push((label.to_owned(), value));
            match after.split_at(1) {
                (",", more) => rest = more,
                ("}", more) => {
                    rest = more;
                    break;
                }
                _ => panic!("{line}"),
            }
        }
    }
    let number = rest.strip_prefix(' ').expect(line);
    (name.to_owned(), labels, number.parse().expect(line))
}

/// A value up to its closing quote, and what follows.
fn quoted(text: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next().expect(text).1 {
                'n' => value.push('\n'),
                plain @ ('\\' | '"') => value.push(plain),
                other => panic!("\\{other} is no escape: {text}"),
            },
            plain => value.push(plain),
        }
    }
    panic!("no closing quote: {text}")
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !name.is_empty() && name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}
