//! Baseline: every node reads everything. `broadcast BROKERS TOPIC PARTITIONS`
//!
//! The shape that people start with, be it RabbitMQ's fan-out, ZeroMQ's PUB/SUB or one topic that all nodes consume: who sends
//! need not know where the recipient is, and each node drops what is for nobody of its own. rdkafka is set as a node of
//! Corepost sets it; what is not for this node is dropped by its key alone, before anything of it is parsed or copied.
//! Sends are acknowledged by their delivery reports, as Corepost's are. Nothing here has a memory: who is away misses it.
use dashmap::DashMap;
use futures_util::StreamExt;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::Message;

/// Partitions of one producer: librdkafka has five requests under way, each of one partition.
const PARTITIONS_EACH: usize = 5;

#[derive(Deserialize)]
struct In<'a> {
    id: &'a str,
    to: &'a str,
    #[serde(borrow)]
    body: &'a RawValue,
}
/// What is in the log and what a recipient gets: made once, by the sender's node.
#[derive(Serialize)]
struct Out<'a> {
    r#type: &'static str,
    from: &'a str,
    body: &'a RawValue,
}

type Socket = UnboundedSender<Message>;
type Sockets = DashMap<String, Socket>;

struct Acks;
impl ClientContext for Acks {}
impl ProducerContext for Acks {
    type DeliveryOpaque = Box<(Socket, String)>;
    fn delivery(&self, result: &DeliveryResult<'_>, to: Self::DeliveryOpaque) {
        if result.is_ok() {
            let _ = to.0.send(Message::text(format!(r#"{{"type":"ack","id":"{}"}}"#, to.1)));
        }
    }
}

struct Hub {
    topic: String,
    partitions: usize,
    producers: Vec<Arc<BaseProducer<Acks>>>,
    sockets: Arc<Sockets>,
}

impl Hub {
    fn publish(&self, from: &str, socket: &Socket, text: &str) -> Option<()> {
        let sent: In = serde_json::from_str(text).ok()?;
        let out = serde_json::to_vec(&Out { r#type: "message", from, body: sent.body }).ok()?;
        // Any hash will do: everybody reads all partitions.
        let hash = sent.to.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let partition = (hash % self.partitions as u64) as usize;
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new((socket.clone(), sent.id.into())))
            .partition(partition as i32)
            .key(sent.to)
            .payload(&out);
        self.producers[partition * self.producers.len() / self.partitions].send(record).ok()
    }
}

fn producers(brokers: &str, partitions: usize) -> Vec<Arc<BaseProducer<Acks>>> {
    let one = || {
        let producer: BaseProducer<Acks> = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "1")
            .set("compression.type", "lz4")
            .create_with_context(Acks)
            .unwrap();
        let producer = Arc::new(producer);
        let polled = producer.clone();
        std::thread::spawn(move || loop {
            polled.poll(Duration::from_millis(100));
        });
        producer
    };
    (0..partitions.div_ceil(PARTITIONS_EACH)).map(|_| one()).collect()
}

/// Reads everything from now on, and gives to its sockets what is theirs.
fn consume(brokers: &str, topic: &str, partitions: usize, sockets: Arc<Sockets>) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "broadcast")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("fetch.min.bytes", "1")
        .set("fetch.queue.backoff.ms", "2")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions as i32 {
        let ends = consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)).unwrap();
        list.add_partition_offset(topic, partition, Offset::Offset(ends.1)).unwrap();
    }
    consumer.assign(&list).unwrap();
    std::thread::spawn(move || loop {
        let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let Some(to) = record.key().and_then(|key| std::str::from_utf8(key).ok()) else { continue };
        let Some(socket) = sockets.get(to) else { continue };
        if let Some(text) = record.payload().and_then(|it| std::str::from_utf8(it).ok()) {
            let _ = socket.send(Message::text(text));
        }
    });
}

async fn serve(hub: Arc<Hub>, stream: tokio::net::TcpStream, config: WebSocketConfig) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut query = String::new();
    let note_query = |request: &Request, response: Response| {
        query = request.uri().query().unwrap_or("").to_string();
        Ok(response)
    };
    let ws = tokio_tungstenite::accept_hdr_async_with_config(stream, note_query, Some(config)).await.ok()?;
    let id = query.split('&').find_map(|part| part.strip_prefix("id="))?.to_string();
    let (sink, mut source) = ws.split();
    let (socket, out) = unbounded_channel();
    hub.sockets.insert(id.clone(), socket.clone());
    tokio::spawn(UnboundedReceiverStream::new(out).map(Ok).forward(sink));
    while let Some(Ok(message)) = source.next().await {
        let Message::Text(text) = message else { continue };
        hub.publish(&id, &socket, &text);
    }
    hub.sockets.remove(&id);
    Some(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, brokers, topic, partitions] = &args[..] else { panic!("broadcast BROKERS TOPIC PARTITIONS") };
    let (partitions, sockets) = (partitions.parse().unwrap(), Arc::new(Sockets::new()));
    consume(brokers, topic, partitions, sockets.clone());
    let producers = producers(brokers, partitions);
    let hub = Arc::new(Hub { topic: topic.clone(), partitions, producers, sockets });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("ready listen={}", listener.local_addr().unwrap());
    let config = WebSocketConfig::default().read_buffer_size(4096);
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(hub.clone(), stream, config));
    }
}
