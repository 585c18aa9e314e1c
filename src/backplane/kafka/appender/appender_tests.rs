//! Stories of the durable path, at librdkafka's mock of a cluster.

use super::writer::Command;
use super::{Appender, AppenderOptions};
use crate::backplane::kafka::mock::{Cores, Mock, TOPIC, append, by_send, soon};
use crate::backplane::kafka::offsets::Offsets;
use crate::limits::{KAFKA_APPEND_BYTES, MESSAGE_BYTES};
use crate::model::Topology;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::time::{Duration, Instant};

fn start(mock: &Mock, topology: Topology, give_up_ms: u64) -> (Appender, Cores) {
    let cores = Cores::default();
    let options = AppenderOptions { give_up_ms, ..AppenderOptions::new(TOPIC.into(), topology) };
    (Appender::start(&mock.connection, options, cores.deliver()).unwrap(), cores)
}

fn batch(topology: Topology, to: &str, sends: std::ops::Range<u32>) -> Vec<crate::log::Append> {
    sends.map(|send| append(topology, to, send, b"{}")).collect()
}

/// Where the log of a client's partition ends.
fn end_of(mock: &Mock, topology: Topology, to: &str) -> u64 {
    let partition = append(topology, to, 0, b"{}").partition.0;
    let mut offsets = Offsets::open(&mock.connection, TOPIC).unwrap();
    offsets.ends(&[partition], Duration::from_secs(5))[&partition].offset
}

#[test]
fn every_append_is_answered_by_its_place_and_in_order() {
    let (mock, topology) = (Mock::new(3, 16), Topology::new(16, 1));
    let (appender, cores) = start(&mock, topology, 5_000);
    assert_eq!((appender.health().read().producers, appender.health().read().brokers), (2, 3));
    for begin in [0, 100, 200] {
        appender.append(batch(topology, "bob", begin..begin + 100));
    }
    let expected: Vec<_> = (0..300).map(|n| (n, Some(u64::from(n)))).collect();
    assert_eq!(by_send(&cores.answers(300)), expected);
    for n in 0..50 {
        appender.append(vec![append(topology, &format!("client-{n}"), n, b"{}")]);
    }
    assert!(by_send(&cores.answers(50)).iter().all(|(_, offset)| offset.is_some()));
    let reading = appender.health().read();
    assert_eq!((reading.written, reading.commit_us.count(), reading.refused_failed), (350, 350, 0));
    appender.stop();
}

/// Woken by the reports, not by the next look, which is a second away.
#[test]
fn a_single_append_is_answered_as_soon_as_it_is_reported() {
    let (mock, topology) = (Mock::new(1, 1), Topology::new(1, 1));
    let (appender, cores) = start(&mock, topology, 32_000);
    appender.append(batch(topology, "bob", 0..1));
    cores.answers(1);
    let begun = Instant::now();
    for n in 1..20 {
        appender.append(batch(topology, "bob", n..n + 1));
        cores.answers(1);
    }
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    appender.stop();
}

#[test]
fn another_number_of_brokers_wants_other_producers_and_order_stays() {
    let (mock, topology) = (Mock::new(3, 16), Topology::new(16, 1));
    let (appender, cores) = start(&mock, topology, 5_000);
    let (mut sent, mut answers) = (0, Vec::new());
    for round in 0..40 {
        for to in ["alice", "bob", "carol", "dave"] {
            appender.append(batch(topology, to, sent..sent + 5));
            sent += 5;
        }
        let brokers = if round % 2 == 0 { 1 } else { 3 };
        appender.commands.send(Command::Brokers(brokers)).unwrap();
        // Now and then something is still under way, now and then not.
        if round % 3 == 0 {
            soon(|| cores.len() + answers.len() == sent as usize);
            answers.extend(by_send(&cores.answers(cores.len())));
        }
    }
    soon(|| cores.len() + answers.len() == sent as usize);
    answers.extend(by_send(&cores.answers(cores.len())));
    answers.sort();
    for client in 0..4 {
        let of_it = answers.iter().filter(|(send, _)| send / 5 % 4 == client);
        let offsets: Vec<_> = of_it.map(|(_, offset)| offset.expect("it was taken")).collect();
        assert_eq!(offsets.len(), 200);
        assert!(offsets.is_sorted_by(|a, b| a < b), "{offsets:?}");
    }
    soon(|| appender.health().read().producers == 2);
    appender.stop();
}

#[test]
fn what_passes_by_itself_is_waited_for() {
    let (mock, topology) = (Mock::new(1, 1), Topology::new(1, 1));
    let (appender, cores) = start(&mock, topology, 10_000);
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    };
    let errors = [
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &errors);
    for n in 0..20 {
        appender.append(batch(topology, "bob", n..n + 1));
    }
    let expected: Vec<_> = (0..20).map(|n| (n, Some(u64::from(n)))).collect();
    assert_eq!(by_send(&cores.answers(20)), expected);
    appender.stop();
}

/// Promise 2: a prefix, in order, though the brokers come back while some of it is younger than what was given up.
#[test]
fn what_is_not_acknowledged_in_time_is_refused_together_and_then_all_goes_on() {
    let (mock, topology) = (Mock::new(1, 4), Topology::new(4, 1));
    let (appender, cores) = start(&mock, topology, 3_000);
    appender.append(batch(topology, "bob", 0..10));
    cores.answers(10);
    mock.cluster.broker_down(-1).unwrap();
    let begun = Instant::now();
    appender.append(batch(topology, "bob", 10..20));
    std::thread::sleep(Duration::from_millis(600));
    // Younger by far; it would be given up later if each had its own time.
    appender.append(batch(topology, "bob", 20..30));
    let refused = by_send(&cores.answers(20));
    assert!(begun.elapsed() > Duration::from_millis(2_900), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(refused.iter().all(|(_, offset)| offset.is_none()), "{refused:?}");
    let reading = appender.health().read();
    assert_eq!((reading.refused_failed, reading.given_up), (20, 1));

    mock.cluster.broker_up(-1).unwrap();
    soon(|| {
        appender.append(batch(topology, "bob", 40..41));
        let before = cores.len();
        soon(|| cores.len() > before);
        by_send(&cores.answers(before + 1)).iter().any(|(_, offset)| offset.is_some())
    });
    let written = appender.health().read().written;
    assert_eq!(end_of(&mock, topology, "bob"), written, "nothing of what was refused came later");
    appender.stop();
}

/// Each is answered, nothing is kept beyond the bound, and the answer comes at once.
#[test]
fn a_node_that_has_too_much_under_way_refuses_at_once_and_goes_on_later() {
    let (mock, topology) = (Mock::new(1, 1), Topology::new(1, 1));
    let (appender, cores) = start(&mock, topology, 20_000);
    appender.append(batch(topology, "bob", 0..1));
    cores.answers(1);
    mock.cluster.broker_down(-1).unwrap();
    let body = format!("\"{}\"", "x".repeat(MESSAGE_BYTES - 2));
    let fitting = KAFKA_APPEND_BYTES / (MESSAGE_BYTES + 1_000);
    let beyond = 500;
    let all = (0..(fitting + beyond) as u32).map(|n| append(topology, "bob", n, body.as_bytes()));
    appender.append(all.collect());
    // All of one batch are told at once.
    soon(|| cores.len() > 0);
    let refused = by_send(&cores.answers(cores.len()));
    assert!(refused.iter().all(|(_, offset)| offset.is_none()));
    let first = refused[0].0;
    assert!(first as usize >= fitting, "{first} of {fitting}");
    let expected: Vec<_> = (first..(fitting + beyond) as u32).map(|n| (n, None)).collect();
    assert_eq!(refused, expected, "what was behind the first refused one was refused, too");
    soon(|| appender.health().read().under_way == first as usize);
    assert!(appender.health().read().under_way_bytes <= KAFKA_APPEND_BYTES);
    // A small one does not pass.
    appender.append(batch(topology, "bob", 90_000..90_001));
    assert_eq!(by_send(&cores.answers(1)), [(90_000, None)]);
    mock.cluster.broker_up(-1).unwrap();
    let taken = by_send(&cores.answers(first as usize));
    assert!(taken.iter().zip(1..).all(|((_, offset), n)| *offset == Some(n)), "{taken:?}");
    appender.append(batch(topology, "bob", 90_001..90_002));
    assert_eq!(by_send(&cores.answers(1)), [(90_001, Some(u64::from(first) + 1))]);
    appender.stop();
}

#[test]
fn a_record_that_no_broker_takes_takes_those_behind_it_along() {
    let (mock, topology) = (Mock::new(1, 1), Topology::new(1, 1));
    let (appender, cores) = start(&mock, topology, 5_000);
    appender.append(batch(topology, "bob", 0..1));
    cores.answers(1);
    mock.cluster.broker_round_trip_time(-1, Duration::from_secs(2)).unwrap();
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD]);
    appender.append(batch(topology, "bob", 1..2));
    std::thread::sleep(Duration::from_millis(20));
    appender.append(batch(topology, "bob", 2..5));
    let answers = by_send(&cores.answers(4));
    assert!(answers.iter().all(|(_, offset)| offset.is_none()), "{answers:?}");
    mock.cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    soon(|| {
        appender.append(batch(topology, "bob", 9..10));
        by_send(&cores.answers(1))[0].1.is_some()
    });
    appender.stop();
}

/// An idempotent producer that has lost count never sends again.
#[test]
fn a_producer_that_fails_for_good_is_made_anew() {
    let (mock, topology) = (Mock::new(1, 1), Topology::new(1, 1));
    let (appender, cores) = start(&mock, topology, 5_000);
    appender.append(batch(topology, "bob", 0..1));
    cores.answers(1);
    mock.cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
    appender.append(batch(topology, "bob", 1..4));
    let answers = by_send(&cores.answers(3));
    assert!(answers.iter().all(|(_, offset)| offset.is_none()), "{answers:?}");
    soon(|| {
        appender.append(batch(topology, "bob", 9..10));
        by_send(&cores.answers(1))[0].1.is_some()
    });
    assert_eq!(appender.health().read().made_anew, 1);
    appender.stop();
}

#[test]
fn a_stop_waits_for_answers_and_refuses_what_has_none() {
    let (mock, topology) = (Mock::new(1, 1), Topology::new(1, 1));
    let (appender, cores) = start(&mock, topology, 60_000);
    appender.append(batch(topology, "bob", 0..50));
    appender.stop();
    assert!(by_send(&cores.answers(50)).iter().all(|(_, offset)| offset.is_some()));
    let (appender, cores) = start(&mock, topology, 1_000);
    mock.cluster.broker_down(-1).unwrap();
    appender.append(batch(topology, "bob", 0..5));
    appender.stop();
    assert!(by_send(&cores.answers(5)).iter().all(|(_, offset)| offset.is_none()));
}
