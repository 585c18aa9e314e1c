//! What a client without a mailbox of its own would do: seek to the first it has missed, read everything up to the last.
//!
//! Cursors are those of the load generator's `prepare`; the topic is the nodes' own mailbox topic.

use crate::histogram::Histogram;
use crate::report::Report;
use crate::{Args, Failed};
use corepost::model::{Cursor, IdRef};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// Longest wait for one client.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clients of the file, one by one, with one consumer that is connected already: a new one would be slower.
pub fn run(args: &Args) -> Result<Report, Failed> {
    let file = std::fs::read_to_string(&args.cursors).map_err(|error| {
        format!("{}: {error}; run the load generator's `prepare`", args.cursors.display())
    })?;
    // What waits at the broker for one client's partition holds the next one's up: 500 ms of usual.
    let consumer: BaseConsumer = args.consumer_config().set("fetch.wait.max.ms", "5").create()?;
    let (mut times, mut read) = (Histogram::default(), 0);
    for line in file.lines().skip(args.skip).take(args.clients as usize) {
        let (client, cursor) = line.split_once(' ').ok_or("a line without a cursor")?;
        let began = Instant::now();
        read += scan(args, &consumer, client, offset_of(client, cursor)?)?;
        times.record(began.elapsed().as_nanos() as u64);
    }
    let mut report = Report::new("scan", "bare rdkafka");
    report.put("missed_each", args.missed);
    report.put("read", read);
    report.put_times("replay", &times);
    Ok(report)
}

/// Reads on from the cursor until the client has all it missed; how many records that were.
fn scan(args: &Args, consumer: &BaseConsumer, client: &str, from: i64) -> Result<u64, Failed> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&args.topic, args.partition_of(client)?, Offset::Offset(from))?;
    consumer.assign(&list)?;
    let (began, mut read, mut got) = (Instant::now(), 0, 0);
    while got < args.missed {
        if began.elapsed() > PATIENCE {
            return Err(
                format!("{client} has got {got} messages of {} after {read} records", args.missed).into()
            );
        }
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        read += 1;
        got += u64::from(message?.key() == Some(client.as_bytes()));
    }
    Ok(read)
}

/// Where a client goes on from.
fn offset_of(client: &str, cursor: &str) -> Result<i64, Failed> {
    let id = IdRef::new(client).map_err(|_| format!("{client:?} is no client ID"))?;
    let cursor =
        Cursor::parse(cursor.as_bytes(), id).map_err(|_| format!("{cursor:?} is no cursor of {client}"))?;
    Ok(i64::try_from(cursor.at.offset)?)
}
