//! Stories of reading, at librdkafka's mock of a cluster; what it does not have is tried at real Kafka in
//! `tests/kafka_io.rs`.

use super::bell::Bell;
use super::cluster_topic::{ClusterTold, ClusterTopic, Written};
use super::history::{History, ReadEnd, ReadThrough};
use super::mock::{Mock, TOPIC, soon};
use super::offsets::Offsets;
use super::reader::{ReadAt, Reader, Told};
use crate::limits::KAFKA_UNREAD_MS;
use crossbeam_channel::Receiver;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// For what comes as soon as the machine lets it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes records with these values to a partition.
fn write(mock: &Mock, partition: i32, values: std::ops::Range<u32>) {
    let producer: BaseProducer = mock.connection.client_config().create().unwrap();
    for value in values {
        let value = value.to_string();
        let record: BaseRecord<'_, str, str> = BaseRecord::to(TOPIC).partition(partition).payload(&value);
        producer.send(record).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Takes, woken by the bell alone, until so many records are there.
fn wait_for(reader: &mut Reader, rung: &Receiver<()>, count: usize) -> Vec<(u16, u64, String)> {
    let (mut seen, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while seen.len() < count {
        reader.take(50, |told| match told {
            Told::Record(record) => {
                let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
                seen.push((record.partition(), record.offset(), value));
            }
            Told::Lost { partition } => panic!("{partition} is lost"),
            Told::Trouble { code, .. } => panic!("{code}"),
        });
        if seen.len() < count {
            rung.recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .expect("nothing more comes");
        }
    }
    assert_eq!(seen.len(), count, "{seen:?}");
    seen
}

#[test]
fn partitions_are_taken_on_and_given_up_one_by_one_and_the_bell_wakes() {
    let mock = Mock::new(2, 8);
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(&mock.connection, TOPIC, 8, &bell).unwrap();
    write(&mock, 5, 0..2);
    reader.assign(&[(3, ReadAt::Start), (5, ReadAt::Offset(2))]).unwrap();
    write(&mock, 3, 0..400);
    write(&mock, 5, 2..400);
    let seen = wait_for(&mut reader, &rung, 798);
    for (partition, first) in [(3, 0), (5, 2)] {
        let of_it: Vec<_> = seen.iter().filter(|(p, ..)| *p == partition).collect();
        let expected: Vec<_> = (first..400).map(|n| (partition, n, n.to_string())).collect();
        assert!(of_it.into_iter().eq(expected.iter()), "{partition}");
    }
    reader.unassign(&[3]).unwrap();
    reader.assign(&[(0, ReadAt::Start)]).unwrap();
    write(&mock, 3, 400..410);
    write(&mock, 0, 0..1);
    write(&mock, 5, 400..401);
    let mut seen = wait_for(&mut reader, &rung, 2);
    seen.sort();
    assert_eq!(seen, [(0, 0, "0".into()), (5, 400, "400".into())]);
    // Again, from another place.
    reader.assign(&[(3, ReadAt::Offset(405)), (5, ReadAt::Offset(399))]).unwrap();
    let mut seen = wait_for(&mut reader, &rung, 7);
    seen.sort();
    assert_eq!(
        seen.iter().map(|(p, o, _)| (*p, *o)).collect::<Vec<_>>(),
        [(3, 405), (3, 406), (3, 407), (3, 408), (3, 409), (5, 399), (5, 400)]
    );
}

/// Its thread asks for changes in every turn: one that rang for none would turn for ever.
#[test]
fn who_assigns_nothing_is_not_woken_by_it() {
    let mock = Mock::new(1, 1);
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(&mock.connection, TOPIC, 1, &bell).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    while rung.try_recv().is_ok() {}
    reader.unassign(&[]).unwrap();
    reader.assign(&[]).unwrap();
    assert!(rung.try_recv().is_err(), "nothing has changed");
}

#[test]
fn of_partitions_that_have_much_none_is_told_for_long() {
    let mock = Mock::new(1, 2);
    write(&mock, 0, 0..1_000);
    write(&mock, 1, 0..1_000);
    let (bell, _rung) = Bell::new();
    let mut reader = Reader::open(&mock.connection, TOPIC, 2, &bell).unwrap();
    reader.assign(&[(0, ReadAt::Start), (1, ReadAt::Start)]).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let mut by_partition = [0, 0];
    reader.take(600, |told| {
        let Told::Record(record) = told else { panic!("a record") };
        by_partition[usize::from(record.partition())] += 1;
    });
    assert!(by_partition.iter().all(|count| *count > 200), "{by_partition:?}");
}

#[test]
fn a_place_beyond_the_end_is_lost_and_the_others_go_on() {
    let mock = Mock::new(1, 2);
    write(&mock, 0, 0..10);
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(&mock.connection, TOPIC, 2, &bell).unwrap();
    reader.assign(&[(0, ReadAt::Offset(500)), (1, ReadAt::Start)]).unwrap();
    let lost = RefCell::new(Vec::new());
    let reader = RefCell::new(&mut reader);
    soon(|| {
        reader.borrow_mut().take(10, |told| {
            if let Told::Lost { partition } = told {
                lost.borrow_mut().push(partition);
            }
        });
        !lost.borrow().is_empty()
    });
    assert_eq!(*lost.borrow(), [0]);
    let mut reader = reader.borrow_mut();
    reader.assign(&[(0, ReadAt::Offset(9))]).unwrap();
    write(&mock, 1, 0..1);
    let mut seen = wait_for(&mut reader, &rung, 2);
    seen.sort();
    assert_eq!(seen, [(0, 9, "9".into()), (1, 0, "0".into())]);
}

#[test]
fn brokers_that_come_back_are_read_on() {
    let mock = Mock::new(1, 1);
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(&mock.connection, TOPIC, 1, &bell).unwrap();
    reader.assign(&[(0, ReadAt::Start)]).unwrap();
    write(&mock, 0, 0..5);
    wait_for(&mut reader, &rung, 5);
    mock.cluster.broker_down(-1).unwrap();
    std::thread::sleep(Duration::from_millis(700));
    reader.take(10, |told| assert!(matches!(told, Told::Trouble { .. })));
    mock.cluster.broker_up(-1).unwrap();
    write(&mock, 0, 5..10);
    assert_eq!(wait_for(&mut reader, &rung, 5).last(), Some(&(0, 9, "9".into())));
}

/// Takes for so long, or until its client was replaced, woken as threads are that read: by the bell, and ten times a second.
/// The places of what was told; whether it was replaced.
fn take_for(reader: &mut Reader, rung: &Receiver<()>, time: Duration) -> (Vec<(u16, u64)>, bool) {
    let (mut seen, deadline, before) = (Vec::new(), Instant::now() + time, reader.made_anew());
    while Instant::now() < deadline && reader.made_anew() == before {
        let _ = rung.recv_timeout(Duration::from_millis(100));
        reader.take(50, |told| match told {
            Told::Record(record) => seen.push((record.partition(), record.offset())),
            Told::Lost { partition } => panic!("{partition} is lost"),
            Told::Trouble { code, .. } => panic!("{code}"),
        });
    }
    (seen, reader.made_anew() > before)
}

#[test]
fn a_client_that_reads_no_more_is_replaced_and_nothing_is_missed_or_told_twice() {
    let mock = Mock::new(2, 3);
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(&mock.connection, TOPIC, 3, &bell).unwrap();
    reader.assign(&[(0, ReadAt::Start), (1, ReadAt::Start), (2, ReadAt::Start)]).unwrap();
    write(&mock, 0, 0..5);
    write(&mock, 1, 0..5);
    wait_for(&mut reader, &rung, 10);
    // Nobody is taken for deaf who has nothing more to tell, or never had.
    let three_answers = Duration::from_millis(3 * KAFKA_UNREAD_MS);
    assert_eq!(take_for(&mut reader, &rung, three_answers), (vec![], false));
    reader.deafen(1).unwrap();
    write(&mock, 0, 5..6);
    write(&mock, 1, 5..8);
    assert_eq!(wait_for(&mut reader, &rung, 1)[0].1, 5, "of the other one");
    let noticed = take_for(&mut reader, &rung, 2 * PATIENCE);
    assert_eq!(noticed, (vec![], true), "it was deaf until that was noticed");
    write(&mock, 0, 6..7);
    write(&mock, 2, 0..1);
    let mut seen = wait_for(&mut reader, &rung, 5);
    seen.sort();
    let places: Vec<_> = seen.iter().map(|(partition, offset, _)| (*partition, *offset)).collect();
    assert_eq!(places, [(0, 6), (1, 5), (1, 6), (1, 7), (2, 0)]);
}

#[test]
fn the_ends_of_all_partitions_are_told_in_one_answer() {
    let mock = Mock::new(3, 64);
    write(&mock, 7, 0..3);
    let mut offsets = Offsets::open(&mock.connection, TOPIC).unwrap();
    let all: Vec<u16> = (0..64).collect();
    let ends = offsets.ends(&all, PATIENCE);
    assert_eq!(ends.len(), 64);
    assert_eq!((ends[&7].offset, ends[&8].offset), (3, 0));
    assert_eq!(offsets.starts(&[7], PATIENCE)[&7].offset, 0);
    assert_eq!((offsets.brokers(PATIENCE), offsets.partitions(PATIENCE)), (Ok(3), Ok(64)));
    let begun = Instant::now();
    for _ in 0..10 {
        assert_eq!(offsets.ends(&all, PATIENCE).len(), 64);
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?} for 10", begun.elapsed());
}

/// How fresh a node is about the others' partitions must not depend on a broker that has died.
#[test]
fn a_silent_broker_makes_only_its_own_partitions_answers_late() {
    let mock = Mock::new(3, 6);
    for partition in 0..6 {
        mock.cluster.partition_leader(TOPIC, partition, Some(1 + partition % 3)).unwrap();
    }
    let mut offsets = Offsets::open(&mock.connection, TOPIC).unwrap();
    let (all, time): (Vec<u16>, _) = ((0..6).collect(), Duration::from_secs(1));
    soon(|| offsets_are(&mut Offsets::open(&mock.connection, TOPIC).unwrap(), &all, time, 6));
    assert_eq!(offsets.ends(&all, PATIENCE).len(), 6);
    mock.cluster.broker_down(2).unwrap();
    let mut answered = Vec::new();
    for _ in 0..4 {
        let begun = Instant::now();
        answered.push(offsets.ends(&all, time).into_keys().collect::<Vec<_>>());
        assert!(begun.elapsed() < 3 * time, "{:?}", begun.elapsed());
    }
    assert_eq!(answered[1..], [[0, 2, 3, 5], [0, 2, 3, 5], [0, 2, 3, 5]], "{answered:?}");
    mock.cluster.broker_up(2).unwrap();
    soon(|| offsets_are(&mut Offsets::open(&mock.connection, TOPIC).unwrap(), &all, time, 6));
    let deadline = Instant::now() + PATIENCE;
    while offsets.ends(&all, time).len() < 6 {
        assert!(Instant::now() < deadline, "all answer again");
    }
}

fn offsets_are(offsets: &mut Offsets, all: &[u16], time: Duration, count: usize) -> bool {
    offsets.ends(all, time).len() == count
}

#[test]
fn a_stretch_of_history_is_given_whole_and_may_be_broken_off() {
    let mock = Mock::new(1, 2);
    write(&mock, 1, 0..1_000);
    let mut history = History::open(&mock.connection, TOPIC).unwrap();
    let stop = AtomicBool::new(false);
    let mut seen = Vec::new();
    let read = history.read(1, 100..900, PATIENCE, &stop, |record| {
        seen.push(record.offset());
        ControlFlow::Continue(())
    });
    assert_eq!(read, Ok(ReadThrough { through: 900, why: ReadEnd::Complete }));
    assert!(seen.iter().copied().eq(100..900));

    let read = history.read(1, 990..5_000, PATIENCE, &stop, |_| ControlFlow::Continue(()));
    assert_eq!(read, Ok(ReadThrough { through: 1_000, why: ReadEnd::End }));
    let read = history.read(1, 5..500, PATIENCE, &stop, |record| match record.offset() {
        20 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(read, Ok(ReadThrough { through: 21, why: ReadEnd::Stopped }));
    let read = history.read(1, 5_000..6_000, PATIENCE, &stop, |_| ControlFlow::Continue(()));
    assert_eq!(read.unwrap().why, ReadEnd::Lost);
    let read = history.read(0, 0..10, PATIENCE, &stop, |_| ControlFlow::Continue(()));
    assert_eq!(read, Ok(ReadThrough { through: 0, why: ReadEnd::End }));
    let read = history.read(7, 0..10, Duration::from_millis(300), &stop, |_| ControlFlow::Continue(()));
    assert!(matches!(read.unwrap().why, ReadEnd::Silent | ReadEnd::Failed(_)));
    stop.store(true, Ordering::Relaxed);
    let read = history.read(1, 0..10, PATIENCE, &stop, |_| panic!("it was to stop"));
    assert_eq!(read, Ok(ReadThrough { through: 0, why: ReadEnd::Stopped }));
}

#[test]
fn the_last_record_before_a_place_is_found() {
    let mock = Mock::new(1, 1);
    write(&mock, 0, 0..50);
    let mut history = History::open(&mock.connection, TOPIC).unwrap();
    let stop = AtomicBool::new(false);
    let mut before =
        |range| history.last_before(0, range, PATIENCE, &stop, |record| record.offset()).unwrap();
    assert_eq!(before(0..50), Some(49));
    assert_eq!(before(0..10), Some(9));
    assert_eq!(before(10..10), None);
    assert_eq!(before(0..0), None);
}

#[test]
fn a_word_for_the_cluster_that_fails_is_told_and_the_next_one_is_written() {
    let mock = Mock::new(1, 1);
    let (bell, rung) = Bell::new();
    let mut topic = ClusterTopic::open(&mock.connection, TOPIC, &bell).unwrap();
    mock.cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
    let (mut written, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    for token in [7, 8] {
        assert!(topic.write("1", b"word", token));
        let count = written.len();
        while written.len() == count {
            topic.take(10, |told| match told {
                ClusterTold::Written(word) => written.push(word),
                _ => panic!("nothing is read"),
            });
            if written.len() == count {
                let _ = rung.recv_timeout(Duration::from_millis(50));
                assert!(Instant::now() < deadline, "{written:?}");
            }
        }
    }
    assert_eq!(written, [Written { token: 7, is_there: false }, Written { token: 8, is_there: true }]);
}
