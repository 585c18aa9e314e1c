//! The pieces that move records, at real Kafka: what librdkafka's mock does not have, and what it costs to do nothing.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod kafka_support;

use corepost::backplane::kafka::{
    Appender, AppenderOptions, Bell, ClusterTold, ClusterTopic, Connection, EndsAnswer, History,
    KafkaOptions, NoWay, NodeTold, NodeTopic, Offsets, ReadAt, ReadEnd, Reader, Sending, Told, TopicId,
    Written,
};
use corepost::log::{Append, Appended, LogEvent, Ticket};
use corepost::model::{Envelope, EnvelopeParts, IdRef, Kind, Partition, Peer, Topology};
use corepost::wire::record;
use crossbeam_channel::Receiver;
use kafka_support::{Cluster, corepost, errors, is_asked_for, text};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MAILBOX: &str = "corepost.mailbox";
/// For what comes as soon as the machine lets it. A broker that is making 385 partitions on a slow one takes most of it.
const PATIENCE: Duration = Duration::from_secs(120);
const P: u16 = 64;

#[test]
fn records_go_to_real_kafka_and_come_back() {
    if !is_asked_for() {
        return;
    }
    let cluster = Cluster::start("io", 1, "");
    create_topics(&cluster);
    let connection = Connection { brokers: cluster.brokers.clone(), options: KafkaOptions::default() };
    what_was_appended_is_read_back_as_it_was(&connection);
    where_logs_begin_and_end_is_told_with_leader_epochs(&connection);
    a_header_of_any_bytes_is_no_harm(&cluster, &connection);
    an_open_transaction_hides_nothing(&cluster, &connection);
    membership_goes_through_the_cluster_topic(&connection);
    nodes_hear_what_is_sent_to_them(&connection);
    records_that_were_deleted_unread_are_missed(&cluster, &connection);
    doing_nothing_costs_next_to_nothing(&connection);
    a_broker_that_stands_still_is_waited_for_and_then_not(&cluster, &connection);
    a_topic_that_was_made_again_is_another_log(&cluster, &connection);
}

fn create_topics(cluster: &Cluster) {
    let made = corepost(&["topics", "create", "--kafka", &cluster.brokers, "--replication", "1"]);
    assert!(made.status.success(), "{}{}", text(&made), errors(&made));
}

/// What cores were told.
#[derive(Clone, Default)]
struct Cores(Arc<Mutex<Vec<LogEvent>>>);

impl Cores {
    fn start(connection: &Connection, give_up_ms: u64) -> (Appender, Self) {
        let cores = Self::default();
        let told = cores.0.clone();
        let topology = Topology::new(P, 2);
        let options = AppenderOptions { give_up_ms, ..AppenderOptions::new(MAILBOX.into(), topology) };
        let deliver = move |core: u16, events: Vec<LogEvent>| {
            assert_eq!(core, 1, "answers go to who asked");
            told.lock().unwrap().extend(events);
        };
        (Appender::start(connection, options, deliver).unwrap(), cores)
    }

    #[track_caller]
    fn answers(&self, count: usize, time: Duration) -> Vec<LogEvent> {
        let deadline = Instant::now() + time;
        while self.0.lock().unwrap().len() < count {
            assert!(Instant::now() < deadline, "{} of {count}", self.0.lock().unwrap().len());
            std::thread::sleep(Duration::from_millis(1));
        }
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    #[track_caller]
    fn appended(&self, count: usize) -> Vec<Appended> {
        let appended = |event| match event {
            LogEvent::Appended(appended) => appended,
            other => panic!("{other:?}"),
        };
        self.answers(count, PATIENCE).into_iter().map(appended).collect()
    }
}

fn append(send: u32, envelope: &Envelope) -> Append {
    let ticket = Ticket { core: 1, send, recipient: 7 };
    Append {
        ticket,
        partition: Topology::new(P, 2).place(envelope.to()).partition,
        envelope: envelope.clone(),
    }
}

fn message(to: &str, n: u32) -> Envelope {
    let body = format!("{{\"n\":{n}}}");
    envelope(Kind::Message, to, &format!("m{n}"), b"", body.as_bytes())
}

fn envelope(kind: Kind, to: &str, id: &str, copied_to: &[u8], body: &[u8]) -> Envelope {
    Envelope::new(EnvelopeParts {
        kind,
        to: Some(IdRef::new(to).unwrap()),
        from: Some(IdRef::new("alice").unwrap()),
        id: Some(IdRef::new(id).unwrap()),
        copied_to,
        body,
    })
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn what_was_appended_is_read_back_as_it_was(connection: &Connection) {
    let (appender, cores) = Cores::start(connection, PATIENCE.as_millis() as u64);
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(connection, MAILBOX, P, &bell).unwrap();
    reader.assign(&(0..P).map(|p| (p, ReadAt::Start)).collect::<Vec<_>>()).unwrap();
    let mut sent = vec![
        envelope(Kind::Message, "alice", "copy", br#"["bob","carol"]"#, b"[1]"),
        envelope(Kind::Erase, "bob", "gone", b"", b""),
    ];
    sent.extend((0..300).map(|n| message(&format!("client-{}", n % 40), n)));
    let begun = now_ms();
    appender.append((0..).zip(&sent).map(|(n, envelope)| append(n, envelope)).collect());
    let answers = cores.appended(sent.len());
    let mut places: BTreeMap<(Partition, u64), (u32, u64)> = BTreeMap::new();
    let mut last: BTreeMap<Partition, (u32, u64)> = BTreeMap::new();
    for Appended { ticket, offset, at_ms } in answers {
        assert_eq!((ticket.core, ticket.recipient), (1, 7));
        assert!(at_ms.abs_diff(begun) < 60_000, "log append time: {at_ms}");
        let partition = append(0, &sent[ticket.send as usize]).partition;
        // Acknowledged in the order sent, at offsets that grow.
        if let Some((send, before)) = last.insert(partition, (ticket.send, offset)) {
            assert!(ticket.send > send && offset > before);
        }
        assert_eq!(places.insert((partition, offset), (ticket.send, at_ms)), None);
    }
    let mut seen = 0;
    wait(&mut reader, &rung, |told| {
        let Told::Record(got) = told else { panic!("a record") };
        let (send, at_ms) = places[&(Partition(got.partition()), got.offset())];
        let at = got.at().unwrap();
        assert_eq!((at.ms, at.is_append_time), (at_ms, true));
        // The first is 0; a broker that was out of breath was led anew since.
        assert!(got.leader_epoch().is_some());
        let envelope = record::envelope_of(got.key(), got.headers(), got.value()).unwrap();
        assert_eq!(envelope, sent[send as usize]);
        assert_eq!(got.header("v"), Some(&b"1"[..]));
        seen += 1;
        seen == sent.len()
    });
    let reading = appender.health().read();
    assert_eq!((reading.written, reading.unplaced), (sent.len() as u64, 0));
    let mut took: Vec<_> = (0..50).map(|n| time_of(&appender, &cores, n)).collect();
    took.sort();
    println!(
        "{} producers; one record at a time: p50 {:?}, at most {:?}",
        reading.producers, took[25], took[49]
    );
    appender.stop();
}

/// From the append to its answer, with nothing else under way.
fn time_of(appender: &Appender, cores: &Cores, n: u32) -> Duration {
    let begun = Instant::now();
    appender.append(vec![append(n, &message("timed", n))]);
    cores.appended(1);
    begun.elapsed()
}

/// Woken by the bell, and once a second as the reader asks for.
#[track_caller]
fn wait(reader: &mut Reader, rung: &Receiver<()>, mut is_last: impl FnMut(Told<'_>) -> bool) {
    let (deadline, mut is_over) = (Instant::now() + PATIENCE, false);
    while !is_over {
        reader.take(1_000, |told| is_over |= is_last(told));
        assert!(is_over || Instant::now() < deadline, "nothing more comes");
        if !is_over {
            let _ = rung.recv_timeout(Duration::from_secs(1));
        }
    }
}

fn where_logs_begin_and_end_is_told_with_leader_epochs(connection: &Connection) {
    let mut offsets = Offsets::open(connection, MAILBOX).unwrap();
    assert_eq!((offsets.partitions(PATIENCE), offsets.brokers(PATIENCE)), (Ok(64), Ok(1)));
    let all: Vec<u16> = (0..P).collect();
    let ends = offsets.ends(&all, PATIENCE);
    assert_eq!(ends.len(), 64);
    let (longest, end) = ends.iter().max_by_key(|(_, place)| place.offset).unwrap();
    assert!(end.leader_epoch.is_some());
    assert_eq!(ends.values().map(|place| place.offset).sum::<u64>(), 352);
    assert_eq!(offsets.starts(&all, PATIENCE).values().map(|place| place.offset).sum::<u64>(), 0);
    let times = offsets.firsts_since(&[(*longest, 1), ((longest + 1) % P, now_ms() + 60_000)], PATIENCE);
    assert_eq!(times[longest].map(|place| place.offset), Some(0));
    assert_eq!(times[&((longest + 1) % P)], None);
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(offsets.ends(&all, PATIENCE).len(), 64);
    }
    println!("the ends of 64 partitions: {:?} each time", begun.elapsed() / 20);

    let mut history = History::open(connection, MAILBOX).unwrap();
    let stop = AtomicBool::new(false);
    let last = history.last_before(*longest, 0..end.offset, PATIENCE, &stop, |seen| {
        (seen.offset(), seen.leader_epoch().is_some(), seen.at().unwrap().is_append_time)
    });
    assert_eq!(last, Ok(Some((end.offset - 1, true, true))));
    let mut count = 0;
    let read = history.read(*longest, 1..end.offset, PATIENCE, &stop, |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    assert_eq!((read.unwrap().why, count), (ReadEnd::Complete, end.offset - 1));
}

/// rdkafka would panic at the name of such a header; anybody who may write may write one.
fn a_header_of_any_bytes_is_no_harm(cluster: &Cluster, connection: &Connection) {
    use rdkafka::bindings as native;
    use rdkafka::producer::{BaseProducer, Producer};
    let mut config = rdkafka::ClientConfig::new();
    let producer: BaseProducer = config.set("bootstrap.servers", &cluster.brokers).create().unwrap();
    let partition = Topology::new(P, 2).place(IdRef::new("outside").unwrap()).partition.0;
    let end = Offsets::open(connection, MAILBOX).unwrap().ends(&[partition], PATIENCE)[&partition].offset;
    let value = b"7";
    // SAFETY: names end with NUL, lengths are those of what they belong to, and headers that were sent are librdkafka's.
    #[allow(unsafe_code)]
    unsafe {
        let headers = native::rd_kafka_headers_new(3);
        for name in [c"n\xff", c"id", c"empty"] {
            let value = if name == c"empty" { std::ptr::null() } else { value.as_ptr() };
            let len = if value.is_null() { 0 } else { 1 };
            native::rd_kafka_header_add(headers, name.as_ptr(), -1, value.cast(), len);
        }
        let topic = std::ffi::CString::new(MAILBOX).unwrap();
        use rdkafka::bindings::rd_kafka_vtype_t as t;
        let sent = native::rd_kafka_producev(
            producer.client().native_ptr(),
            t::RD_KAFKA_VTYPE_TOPIC,
            topic.as_ptr(),
            t::RD_KAFKA_VTYPE_PARTITION,
            i32::from(partition),
            t::RD_KAFKA_VTYPE_MSGFLAGS,
            native::RD_KAFKA_MSG_F_COPY,
            t::RD_KAFKA_VTYPE_VALUE,
            value.as_ptr(),
            value.len(),
            t::RD_KAFKA_VTYPE_KEY,
            c"outside".as_ptr(),
            7_usize,
            t::RD_KAFKA_VTYPE_HEADERS,
            headers,
            t::RD_KAFKA_VTYPE_END,
        );
        assert_eq!(sent, native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    producer.flush(PATIENCE).unwrap();
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(connection, MAILBOX, P, &bell).unwrap();
    reader.assign(&[(partition, ReadAt::Offset(end))]).unwrap();
    wait(&mut reader, &rung, |told| {
        let Told::Record(seen) = told else { panic!("a record") };
        assert_eq!(seen.headers().collect::<Vec<_>>(), [("id", &b"7"[..]), ("empty", &b""[..])]);
        let envelope = record::envelope_of(seen.key(), seen.headers(), seen.value()).unwrap();
        assert_eq!((envelope.to().as_str(), envelope.texts().body), ("outside", &b"7"[..]));
        true
    });
}

/// Ends and readers count what an outside producer has not committed, and agree.
fn an_open_transaction_hides_nothing(cluster: &Cluster, connection: &Connection) {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", &cluster.brokers).set("transactional.id", "outside");
    let producer: BaseProducer = config.create().unwrap();
    let partition = Topology::new(P, 2).place(IdRef::new("in-doubt").unwrap()).partition.0;
    let end = |offsets: &mut Offsets| offsets.ends(&[partition], PATIENCE)[&partition].offset;
    let mut offsets = Offsets::open(connection, MAILBOX).unwrap();
    let before = end(&mut offsets);
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    let record: BaseRecord<'_, str, str> = BaseRecord::to(MAILBOX);
    producer.send(record.partition(i32::from(partition)).key("in-doubt").payload("1")).unwrap();
    producer.flush(PATIENCE).unwrap();
    assert_eq!(end(&mut offsets), before + 1);
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(connection, MAILBOX, P, &bell).unwrap();
    reader.assign(&[(partition, ReadAt::Offset(before))]).unwrap();
    wait(&mut reader, &rung, |told| matches!(told, Told::Record(seen) if seen.offset() == before));
    // Its end takes an offset, and has no record.
    producer.abort_transaction(PATIENCE).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while end(&mut offsets) < before + 2 {
        assert!(Instant::now() < deadline, "the transaction has no end");
    }
    let mut history = History::open(connection, MAILBOX).unwrap();
    let stop = AtomicBool::new(false);
    let read = history.read(partition, before..before + 2, PATIENCE, &stop, |_| ControlFlow::Continue(()));
    assert!(matches!(read.unwrap().why, ReadEnd::Complete | ReadEnd::End));
    let last = history.last_before(partition, 0..before + 2, PATIENCE, &stop, |seen| seen.offset());
    assert_eq!(last, Ok(Some(before)));
}

fn membership_goes_through_the_cluster_topic(connection: &Connection) {
    let (bell, rung) = Bell::new();
    let mut topic = ClusterTopic::open(connection, "corepost.cluster", &bell).unwrap();
    topic.begin().unwrap();
    for n in 0..5 {
        assert!(topic.write("1", format!("word {n}").as_bytes(), n));
    }
    let (mut words, mut written, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let (deadline, mut is_asked) = (Instant::now() + PATIENCE, false);
    while ends.is_empty() {
        topic.take(100, |told| match told {
            ClusterTold::Record(seen) => {
                assert_eq!((seen.version, seen.offset), (Some(&b"1"[..]), words.len() as u64));
                assert!(seen.at_ms.is_some_and(|at_ms| at_ms.abs_diff(now_ms()) < 60_000));
                words.push(String::from_utf8(seen.value.to_vec()).unwrap());
            }
            ClusterTold::Written(record) => written.push(record),
            ClusterTold::Ends(answer) => ends.push(answer),
            ClusterTold::Lost => panic!("lost"),
            ClusterTold::Trouble(code) => panic!("{code}"),
        });
        if written.len() == 5 && words.len() == 5 && !is_asked {
            is_asked = topic.ask_ends(99);
        } else if ends.is_empty() {
            rung.recv_deadline(deadline).expect("nothing more comes");
        }
    }
    assert_eq!(words, ["word 0", "word 1", "word 2", "word 3", "word 4"]);
    assert_eq!(written, (0..5).map(|token| Written { token, is_there: true }).collect::<Vec<_>>());
    let EndsAnswer { question: 99, ends: Some(ends) } = ends[0] else { panic!("{ends:?}") };
    assert_eq!((ends.start, ends.end), (0, 5));
}

fn nodes_hear_what_is_sent_to_them(connection: &Connection) {
    let missing = NodeTopic::open(connection, "corepost.node", 300, &Bell::new().0).err().unwrap();
    assert_eq!(missing, NoWay::NoPartition { topic: "corepost.node".into(), ordinal: 300, partitions: 256 });
    let open = |ordinal, bell: &Bell| {
        let mut node = NodeTopic::open(connection, "corepost.node", ordinal, bell).unwrap();
        let end = node.begin(PATIENCE).unwrap();
        (node, end)
    };
    let (bell, rung) = Bell::new();
    let (mut three, end) = open(3, &bell);
    assert_eq!(end, Some(0));
    let (mut four, _) = open(4, &Bell::new().0);
    let peer = |node| Peer { node, incarnation: 1 };
    for n in 0..50_u32 {
        assert_eq!(four.send(peer(3), &n.to_le_bytes()), Sending::Sent);
        // A partition that is not there; and one of another producer.
        assert_eq!(four.send(peer(20), b"to nobody"), Sending::Sent);
    }
    assert_eq!(four.send(peer(300), b"to no partition"), Sending::Sent);
    let (mut seen, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while seen.len() < 50 {
        three.take(100, |told| {
            let NodeTold::Record { offset, version, value } = told else { panic!("a record") };
            assert_eq!((offset, version), (seen.len() as u64, Some(&b"1"[..])));
            seen.push(value.to_vec());
        });
        if seen.len() < 50 {
            rung.recv_deadline(deadline).expect("nothing more comes");
        }
    }
    assert!(seen.into_iter().eq((0..50_u32).map(|n| n.to_le_bytes().to_vec())));
    let mut given_up = Vec::new();
    while given_up.is_empty() {
        four.take(100, |told| match told {
            NodeTold::GivenUp(peer) => given_up.push(peer),
            NodeTold::Record { .. } | NodeTold::Lost | NodeTold::Trouble(_) => panic!("of node 4"),
        });
        assert!(Instant::now() < deadline, "nothing was given up");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(given_up, [peer(300)]);
    // Another start begins where the log ends.
    assert_eq!(open(3, &Bell::new().0).1, Some(50));
}

fn records_that_were_deleted_unread_are_missed(cluster: &Cluster, connection: &Connection) {
    let partition = Topology::new(P, 2).place(IdRef::new("client-1").unwrap()).partition.0;
    let mut offsets = Offsets::open(connection, MAILBOX).unwrap();
    let end = offsets.ends(&[partition], PATIENCE)[&partition].offset;
    let floor = end - 1;
    let json = format!(
        r#"{{"partitions":[{{"topic":"{MAILBOX}","partition":{partition},"offset":{floor}}}],"version":1}}"#
    );
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka-io-delete.json");
    std::fs::write(&file, json).unwrap();
    let (brokers, file) = (cluster.brokers.as_str(), file.display().to_string());
    cluster.tool(
        &[
            "org.apache.kafka.tools.DeleteRecordsCommand",
            "--bootstrap-server",
            brokers,
            "--offset-json-file",
            &file,
        ],
        "",
    );
    assert_eq!(offsets.starts(&[partition], PATIENCE)[&partition].offset, floor);
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(connection, MAILBOX, P, &bell).unwrap();
    let other = (partition + 1) % P;
    reader.assign(&[(partition, ReadAt::Offset(0)), (other, ReadAt::Start)]).unwrap();
    wait(&mut reader, &rung, |told| match told {
        Told::Lost { partition: lost } => {
            assert_eq!(lost, partition);
            true
        }
        Told::Record(seen) => {
            assert_eq!(seen.partition(), other);
            false
        }
        Told::Trouble { code, .. } => panic!("{code}"),
    });
    reader.assign(&[(partition, ReadAt::Start)]).unwrap();
    wait(&mut reader, &rung, |told| match told {
        Told::Record(seen) => seen.partition() == partition && seen.offset() == floor,
        Told::Lost { .. } | Told::Trouble { .. } => panic!("it was there"),
    });
    let mut history = History::open(connection, MAILBOX).unwrap();
    let read =
        history.read(partition, 0..end, PATIENCE, &AtomicBool::new(false), |_| ControlFlow::Continue(()));
    assert_eq!(read.unwrap().why, ReadEnd::Lost);
}

/// User and system time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// All pieces of a node that owns every partition, and asks for its ends three times a second.
fn doing_nothing_costs_next_to_nothing(connection: &Connection) {
    let (appender, _cores) = Cores::start(connection, 30_000);
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(connection, MAILBOX, P, &bell).unwrap();
    let all: Vec<u16> = (0..P).collect();
    let mut offsets = Offsets::open(connection, MAILBOX).unwrap();
    let ends = offsets.ends(&all, PATIENCE);
    reader.assign(&ends.iter().map(|(p, end)| (*p, ReadAt::Offset(end.offset))).collect::<Vec<_>>()).unwrap();
    let _history = History::open(connection, MAILBOX).unwrap();
    let mut cluster = ClusterTopic::open(connection, "corepost.cluster", &bell).unwrap();
    cluster.begin().unwrap();
    let mut node = NodeTopic::open(connection, "corepost.node", 0, &bell).unwrap();
    node.begin(PATIENCE).unwrap();
    let over = Instant::now() + Duration::from_secs(2);
    let (mut before, mut until, mut turns) = (cpu(), over, 0);
    for is_counted in [false, true] {
        if is_counted {
            (before, until, turns) = (cpu(), Instant::now() + Duration::from_secs(5), 0);
        }
        let mut next_question = Instant::now();
        while Instant::now() < until {
            turns += 1;
            reader.take(1_000, |_| ());
            cluster.take(1_000, |_| ());
            node.take(1_000, |_| ());
            if Instant::now() >= next_question {
                next_question = Instant::now() + Duration::from_millis(300);
                assert_eq!(offsets.ends(&all, PATIENCE).len(), 64);
            }
            let _ = rung.recv_deadline(next_question.min(until));
        }
    }
    let used = cpu() - before;
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    println!("idle for 5 s: {used:?} of CPU time, {turns} turns, {threads} threads");
    assert!(used < Duration::from_millis(750), "an idle node uses {used:?} in 5 s");
    appender.stop();
}

fn a_broker_that_stands_still_is_waited_for_and_then_not(cluster: &Cluster, connection: &Connection) {
    let (appender, cores) = Cores::start(connection, 3_000);
    appender.append(vec![append(0, &message("paused", 0))]);
    let first = cores.appended(1)[0];
    cluster.up(&["pause", "1"]);
    let begun = Instant::now();
    appender.append((1..100).map(|n| append(n, &message("paused", n))).collect());
    std::thread::sleep(Duration::from_secs(2));
    appender.append((100..200).map(|n| append(n, &message("paused", n))).collect());
    let refused = cores.answers(199, PATIENCE);
    let waited = begun.elapsed();
    cluster.up(&["continue", "1"]);
    assert!(refused.iter().all(|event| matches!(event, LogEvent::Refused(_))), "{refused:?}");
    // Ours is 3 s, librdkafka's 5 s more and the usual one 30 s.
    assert!((Duration::from_millis(2_900)..Duration::from_secs(20)).contains(&waited), "{waited:?}");
    // All again afterwards, and what came of the refused ones is a prefix, once and in order, before what is new.
    let deadline = Instant::now() + PATIENCE;
    let mut send = 1_000;
    let new = loop {
        send += 1;
        appender.append(vec![append(send, &message("paused", send))]);
        if let LogEvent::Appended(appended) = cores.answers(1, PATIENCE)[0] {
            break appended;
        }
        assert!(Instant::now() < deadline, "nothing is taken any more");
    };
    appender.append((2_000..2_050).map(|n| append(n, &message("paused", n))).collect());
    let more = cores.appended(50);
    assert!(
        more.iter().zip(new.offset + 1..).all(|(appended, offset)| appended.offset == offset),
        "{more:?}"
    );
    let partition = append(0, &message("paused", 0)).partition.0;
    let ids = ids_of(connection, partition, first.offset + 1..new.offset);
    println!("{waited:?} until refused; of 199 refused {} are in the log", ids.len());
    assert!(ids.iter().zip(1..).all(|(id, n)| *id == format!("m{n}")), "{ids:?}");
    appender.stop();
}

fn ids_of(connection: &Connection, partition: u16, range: std::ops::Range<u64>) -> Vec<String> {
    let mut ids = Vec::new();
    let mut history = History::open(connection, MAILBOX).unwrap();
    let read = history.read(partition, range, PATIENCE, &AtomicBool::new(false), |seen| {
        ids.push(String::from_utf8(seen.header("id").unwrap().to_vec()).unwrap());
        ControlFlow::Continue(())
    });
    assert_eq!(read.unwrap().why, ReadEnd::Complete);
    ids
}

fn a_topic_that_was_made_again_is_another_log(cluster: &Cluster, connection: &Connection) {
    let ask = || TopicId::ask(connection, MAILBOX, PATIENCE).unwrap();
    let before = ask().unwrap();
    assert_eq!((ask(), before.partitions), (Some(before), 64));
    assert_ne!(before.id, 0);
    assert_eq!(TopicId::ask(connection, "corepost.nothing", PATIENCE), Ok(None));
    let topics = ["kafka-topics", "--bootstrap-server", &cluster.brokers, "--delete", "--topic", MAILBOX];
    cluster.tool(&topics, "");
    let deadline = Instant::now() + PATIENCE;
    while ask().is_some() {
        assert!(Instant::now() < deadline, "it is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    create_topics(cluster);
    let after = ask().unwrap();
    assert_ne!(after.epoch(), before.epoch());
}

/// README's table of permissions is enough for all that a node does: no consumer group among them.
#[test]
fn a_node_needs_no_permission_beside_those_on_its_topics() {
    if !is_asked_for() {
        return;
    }
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    let cluster = Cluster::start(
        "permitted",
        1,
        &format!(
            "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.plaintext.plain.sasl.jaas.config={login} username=\"admin\" password=\"admin-secret\" \
             user_admin=\"admin-secret\" user_node=\"node-secret\";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS"
        ),
    );
    let options = |user: &str, password: &str| {
        ["security.protocol=sasl_plaintext".into(), "sasl.mechanism=PLAIN".into()]
            .into_iter()
            .chain([format!("sasl.username={user}"), format!("sasl.password={password}")])
            .collect::<Vec<String>>()
    };
    let (admin, node) = (options("admin", "admin-secret"), options("node", "node-secret"));
    let mut create = vec!["topics", "create", "--kafka", &cluster.brokers, "--replication", "1"];
    create.extend(admin.iter().flat_map(|option| ["--kafka-option", option.as_str()]));
    let made = corepost(&create);
    assert!(made.status.success(), "{}{}", text(&made), errors(&made));
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka-io-admin.properties");
    let jaas = format!("{login} username=\"admin\" password=\"admin-secret\";");
    let properties =
        format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={jaas}\n");
    std::fs::write(&file, properties).unwrap();
    let file = file.display().to_string();
    let mut acls =
        vec!["kafka-acls", "--bootstrap-server", &cluster.brokers, "--command-config", &file, "--add"];
    acls.extend([
        "--allow-principal",
        "User:node",
        "--resource-pattern-type",
        "prefixed",
        "--topic",
        "corepost.",
    ]);
    for operation in ["Read", "Write", "Describe", "DescribeConfigs"] {
        acls.extend(["--operation", operation]);
    }
    cluster.tool(&acls, "");
    // The broker hears of it once it has made the logs of all topics.
    let mut check = vec!["topics", "check", "--kafka", &cluster.brokers, "--replication", "1"];
    check.extend(node.iter().flat_map(|option| ["--kafka-option", option.as_str()]));
    let deadline = Instant::now() + 2 * PATIENCE;
    while !corepost(&check).status.success() {
        assert!(Instant::now() < deadline, "{}", errors(&corepost(&check)));
    }

    let connect = |options: &[String]| Connection {
        brokers: cluster.brokers.clone(),
        options: KafkaOptions::parse(options.iter().map(String::as_str)).unwrap(),
    };
    let connection = connect(&node);
    what_was_appended_is_read_back_as_it_was(&connection);
    where_logs_begin_and_end_is_told_with_leader_epochs(&connection);
    membership_goes_through_the_cluster_topic(&connection);
    nodes_hear_what_is_sent_to_them(&connection);
    assert!(TopicId::ask(&connection, MAILBOX, PATIENCE).unwrap().is_some());

    // Who is not let in is told so, without the password.
    let (bell, rung) = Bell::new();
    let mut reader = Reader::open(&connect(&options("node", "wrong-secret")), MAILBOX, P, &bell).unwrap();
    reader.assign(&[(0, ReadAt::Start)]).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let told = loop {
        reader.take(10, |_| ());
        if let Some(trouble) = reader.trouble() {
            break trouble.to_string();
        }
        rung.recv_deadline(deadline).expect("it is told");
    };
    assert!(told.contains("does not let us in") && !told.contains("secret"), "{told}");
}
