//! Produces at a fixed rate and consumes what was produced, in one process.
//!
//! Nothing here may be slower than it must be: as many producers as a node has, whose reports are served by threads of
//! their own, and a consumer whose thread sleeps in librdkafka until there is something.

use crate::histogram::Histogram;
use crate::report::Report;
use crate::server::{Cost, Server, Window};
use crate::{Args, Failed};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Partitions that a node gives to each producer at one broker: `KAFKA_PARTITIONS_PER_BROKER`.
const PARTITIONS_EACH: usize = 5;
/// How long a thread that has nothing to do sleeps at most.
const GLANCE: Duration = Duration::from_millis(100);
/// How long what is under way in the end is waited for, at most.
const LAST: Duration = Duration::from_secs(10);

/// Produces for `--warmup` and `--seconds`.
pub fn run(args: &Args) -> Result<Report, Failed> {
    let consumer = consumer(args)?;
    let producers = producers(args)?;
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let (cost, got) = std::thread::scope(|scope| {
        for producer in &producers {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    producer.poll(GLANCE);
                }
            });
        }
        let consumes = scope.spawn(|| consume(args, &consumer, began, &over));
        let cost = produce(args, &producers, began);
        let ended = Instant::now();
        while !consumes.is_finished() && ended.elapsed() < LAST {
            std::thread::sleep(Duration::from_millis(10));
        }
        over.store(true, Relaxed);
        (cost, consumes.join())
    });
    let got = got.map_err(|_| "the consumer panicked")?;
    let undelivered = (args.seconds * args.rate as f64) as u64;
    let undelivered = undelivered.saturating_sub(got.times.total());
    let mut report = Report::new("rate", "bare rdkafka");
    report.put("rate", args.rate);
    report.put("producers", producers.len());
    report.put_work("delivered", got.in_window, cost?);
    report.put("undelivered", undelivered);
    report.put_times("latency", &got.times);
    Ok(report)
}

fn producers(args: &Args) -> Result<Vec<BaseProducer>, Failed> {
    let count = args.producers.unwrap_or(usize::from(args.partitions).div_ceil(PARTITIONS_EACH)).max(1);
    let made = (0..count).map(|_| {
        ClientConfig::new()
            .set("bootstrap.servers", &args.kafka)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "1")
            .set("compression.type", "lz4")
            .create()
    });
    Ok(made.collect::<Result<_, _>>()?)
}

/// A consumer of all partitions that stands at their ends: what was produced before is not seen.
fn consumer(args: &Args) -> Result<BaseConsumer, Failed> {
    let consumer: BaseConsumer = args.consumer_config().create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..args.partitions {
        let (_, end) = consumer.fetch_watermarks(&args.topic, partition.into(), Duration::from_secs(10))?;
        list.add_partition_offset(&args.topic, partition.into(), Offset::Offset(end))?;
    }
    consumer.assign(&list)?;
    // Connections and fetches come to rest before the first message.
    let settled = Instant::now();
    while settled.elapsed() < Duration::from_secs(1) {
        let _ = consumer.poll(Duration::from_millis(20));
    }
    Ok(consumer)
}

/// What came.
#[derive(Default)]
struct Got {
    /// From the intention to the arrival, of messages that were intended within the window.
    times: Histogram,
    /// Arrivals within the window, whenever they were intended.
    in_window: u64,
}

fn consume(args: &Args, consumer: &BaseConsumer, began: Instant, over: &AtomicBool) -> Got {
    let ns = |seconds: f64| (seconds * 1e9) as u64;
    let window = ns(args.warmup)..ns(args.warmup + args.seconds);
    let mut got = Got::default();
    let mut under_way = (args.seconds * args.rate as f64) as u64;
    while under_way > 0 && !over.load(Relaxed) {
        let Some(Ok(message)) = consumer.poll(GLANCE) else { continue };
        let Some(intended) = message.payload().and_then(<[u8]>::first_chunk) else { continue };
        let intended = u64::from_le_bytes(*intended);
        let now = began.elapsed().as_nanos() as u64;
        got.in_window += u64::from(window.contains(&now));
        if window.contains(&intended) {
            under_way -= 1;
            got.times.record(now.saturating_sub(intended));
        }
    }
    got
}

/// Sends each message at its time; what the window has cost this process.
fn produce(args: &Args, producers: &[BaseProducer], began: Instant) -> Result<Cost, Failed> {
    let clients: Vec<(String, i32)> = (0..args.clients)
        .map(|n| format!("{n:016x}"))
        .map(|id| args.partition_of(&id).map(|partition| (id, partition)))
        .collect::<Result<_, _>>()?;
    let period_ns = 1_000_000_000 / args.rate.max(1);
    let count = ((args.warmup + args.seconds) * args.rate as f64) as u64;
    let first = (args.warmup * args.rate as f64) as u64;
    let me = Some(Server::new(&[std::process::id()])?);
    let mut window = Window::open(me);
    let mut body = vec![b'x'; args.body.max(8)];
    for n in 0..count {
        let due = Duration::from_nanos(n * period_ns);
        if let Some(wait) = due.checked_sub(began.elapsed()) {
            std::thread::sleep(wait.max(Duration::from_micros(args.nap_us)));
        }
        if n == first {
            window = Window::open(me);
        }
        let (key, partition) = &clients[(n % args.clients) as usize];
        body[..8].copy_from_slice(&(due.as_nanos() as u64).to_le_bytes());
        let record = BaseRecord::to(&args.topic).partition(*partition).key(key).payload(&body);
        let producer = &producers[*partition as usize * producers.len() / usize::from(args.partitions)];
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(window.close())
}
