//! A send's whole way through one core's shard: from its command to the frames for its recipients' sockets and, if it
//! is durable, its ack. No runtime, no JSON, no log: what the shard asks of the log is answered at once.

use super::cases::Cases;
use super::counting;
use corepost::log::{Append, Appended, LogEvent, Record};
use corepost::model::{
    ClientId, IdRef, Now, Partition, Position, Recipients, SendCommand, Start, StartFrom, Topology,
};
use corepost::router::{Connect, Flow, Outbox, Output, Settings, Shard};
use std::hint::black_box;

const NOW: Now = Now { mono_ms: 1_000_000, unix_ms: 1_760_000_000_000 };
const PARTITIONS: u16 = 64;
const LEADER_EPOCH: u32 = 1;
/// Few, so that making room for a new envelope is part of every send, as it is on a server that has run for a while.
const RECENT_BYTES: usize = 64 << 10;
const LIST: usize = 1_000;

pub fn all(cases: &mut Cases) {
    let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(117));
    let names: Vec<String> = (0..LIST).map(|n| format!("user-{n:06}")).collect();
    let mut core = Core::new();
    let sender = core.join("sender-0001");
    for name in &names {
        core.join(name);
    }
    let (texts, mut end) = (names.concat(), 0);
    let ends: Vec<u32> = names
        .iter()
        .map(|name| {
            end += name.len() as u32;
            end
        })
        .collect();
    let list = Recipients::Many { texts: &texts, ends: &ends };
    let one = Recipients::One(IdRef::new(&names[0]).expect("an ID"));
    core.counts_as_it_is_measured(sender, one);
    for (what, to, ephemeral) in [
        ("ephemeral to one", one, true),
        ("durable to one", one, false),
        ("ephemeral to 1,000, per recipient", list, true),
        ("durable to 1,000, per recipient", list, false),
    ] {
        let id = (!ephemeral).then(|| IdRef::new("m-00000001").expect("an ID"));
        let send = SendCommand { id, to, to_json: b"", copy: false, ephemeral, body: body.as_bytes() };
        cases.case(&format!("shard {what}"), to.len(), || {
            let flow = core.shard.on_send(sender, black_box(send), NOW, &mut core.out);
            assert_eq!(flow, Flow::Go);
            core.settle();
        });
    }
}

/// One core with sockets that take everything at once and a log that answers at once.
struct Core {
    shard: Shard,
    out: Outbox,
    /// By partition.
    ends: Vec<u64>,
    appends: Vec<Append>,
    written: Vec<(u32, u32)>,
}

impl Core {
    fn new() -> Self {
        let topology = Topology::new(PARTITIONS, 1);
        let settings = Settings { recent_bytes: RECENT_BYTES, ..Settings::new(0, topology) };
        let heads = vec![Position { leader_epoch: LEADER_EPOCH, offset: 0 }; usize::from(PARTITIONS)];
        let mut core = Self {
            shard: Shard::new(settings, 7, &heads, NOW),
            out: Outbox::default(),
            ends: vec![0; usize::from(PARTITIONS)],
            appends: Vec::new(),
            written: Vec::new(),
        };
        core.shard.on_log(LogEvent::Beat, NOW, &mut core.out);
        core
    }

    /// A message has counted what [`counting::durable`] counts: what is measured there is what happens here.
    fn counts_as_it_is_measured(&mut self, sender: u32, to: Recipients<'_>) {
        let mut expected = self.shard.counters().clone();
        let id = Some(IdRef::new("m-00000000").expect("an ID"));
        let send = SendCommand { id, to, to_json: b"", copy: false, ephemeral: false, body: b"1" };
        assert_eq!(self.shard.on_send(sender, send, NOW, &mut self.out), Flow::Go);
        self.settle();
        counting::durable(&mut expected, 0, 0);
        expected.recent_bytes = self.shard.counters().recent_bytes;
        assert_eq!(format!("{:?}", self.shard.counters()), format!("{expected:?}"));
    }

    /// A session that starts at the present. Returns its slot.
    fn join(&mut self, client: &str) -> u32 {
        let client = ClientId::new(client).expect("a client ID");
        let connect = Connect { client, start: Start { cursor: None, from: StartFrom::New }, token: None };
        let slot = self.shard.open(connect, NOW, &mut self.out).slot;
        self.settle();
        slot
    }

    /// Does what the shard wants done, until it wants no more.
    fn settle(&mut self) {
        while !self.out.is_empty() {
            for output in self.out.drain() {
                match output {
                    Output::Push { slot, push } => self.written.push((slot, black_box(&push).cost())),
                    Output::Append(append) => self.appends.push(append),
                    other => panic!("nothing here asks for {other:?}"),
                }
            }
            self.answer();
            for (slot, cost) in self.written.drain(..) {
                self.shard.on_written(slot, cost, NOW, &mut self.out);
            }
        }
    }

    /// The log's word on one batch, in its order: records, answers, heads.
    fn answer(&mut self) {
        let mut answers = Vec::with_capacity(self.appends.len());
        for Append { ticket, partition, envelope } in self.appends.drain(..) {
            let offset = self.ends[usize::from(partition.0)];
            self.ends[usize::from(partition.0)] += 1;
            let at_ms = NOW.unix_ms;
            let record = Record { partition, offset, leader_epoch: LEADER_EPOCH, at_ms, envelope };
            answers.push((partition, Appended { ticket, offset, at_ms }));
            self.shard.on_log(LogEvent::Record(record), NOW, &mut self.out);
        }
        for (_, appended) in &answers {
            self.shard.on_log(LogEvent::Appended(*appended), NOW, &mut self.out);
        }
        answers.sort_unstable_by_key(|(partition, _)| partition.0);
        answers.dedup_by_key(|(partition, _)| partition.0);
        for (partition, _) in answers {
            self.shard.on_log(self.head(partition), NOW, &mut self.out);
        }
    }

    fn head(&self, partition: Partition) -> LogEvent {
        LogEvent::Head(
            partition,
            Position { leader_epoch: LEADER_EPOCH, offset: self.ends[usize::from(partition.0)] },
        )
    }
}
