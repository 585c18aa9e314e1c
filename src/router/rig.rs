//! One shard alone on its node, for tests beside the code: what is done to it, and what it wants done.

use super::{Connect, Flow, Outbox, Output, Settings, Shard};
use crate::log::{Append, Appended, LogEvent, Page, Read, Record};
use crate::model::{
    ClientId, Dispatch, IdRef, Now, Parcel, Position, Push, Recipients, SendCommand, Start, StartFrom,
    Topology,
};

/// Partitions of its log.
pub const PARTITIONS: u16 = 4;
/// As whom the post speaks to it: the number behind its one core.
const POST: u16 = 1;

/// The shard of a node with one core.
pub struct Lone {
    pub shard: Shard,
    pub out: Outbox,
    pub now: Now,
    /// By partition: the next offset.
    ends: Vec<u64>,
}

impl Lone {
    /// With the settings that `change` makes of the defaults; its log has just been heard of.
    pub fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(0, Topology::new(PARTITIONS, 1));
        change(&mut settings);
        let now = Now { mono_ms: 10_000, unix_ms: 1_760_000_000_000 };
        let heads = vec![Position::START; if settings.is_clustered { 0 } else { usize::from(PARTITIONS) }];
        let mut lone = Self {
            shard: Shard::new(settings, 1, &heads, now),
            out: Outbox::default(),
            now,
            ends: vec![0; usize::from(PARTITIONS)],
        };
        lone.beat();
        lone
    }

    /// A socket of this client, which wants to begin there.
    pub fn open(&mut self, client: &str, from: StartFrom) -> u32 {
        let client = ClientId::new(client).unwrap();
        let connect = Connect { client, start: Start { cursor: None, from }, token: None };
        self.shard.open(connect, self.now, &mut self.out).slot
    }

    /// What is to be done, in order.
    pub fn outputs(&mut self) -> Vec<Output> {
        self.shard.invariants();
        self.out.drain().collect()
    }

    /// What is pushed to that slot; everything else is forgotten.
    pub fn pushes(&mut self, slot: u32) -> Vec<Push> {
        let to_slot = |output| match output {
            Output::Push { slot: to, push } if to == slot => Some(push),
            _ => None,
        };
        self.outputs().into_iter().filter_map(to_slot).collect()
    }

    /// What is handed to the log; everything else is forgotten.
    pub fn appends(&mut self) -> Vec<Append> {
        let append = |output| if let Output::Append(append) = output { Some(append) } else { None };
        self.outputs().into_iter().filter_map(append).collect()
    }

    /// A durable send to one, or to a list of several.
    pub fn send(&mut self, slot: u32, to: &[&str], body: &[u8]) -> Flow {
        let texts = to.concat();
        let mut ends = Vec::new();
        for name in to {
            ends.push(ends.last().unwrap_or(&0) + name.len() as u32);
        }
        let recipients = match to {
            [one] => Recipients::One(IdRef::new(one).unwrap()),
            _ => Recipients::Many { texts: &texts, ends: &ends },
        };
        let id = IdRef::new("m-1").ok();
        let send = SendCommand { id, to: recipients, to_json: b"[]", copy: false, ephemeral: false, body };
        self.shard.on_send(slot, send, self.now, &mut self.out)
    }

    /// An ephemeral message.
    pub fn whisper(&mut self, slot: u32, to: &str) -> Flow {
        let to = Recipients::One(IdRef::new(to).unwrap());
        let send = SendCommand { id: None, to, to_json: b"", copy: false, ephemeral: true, body: b"1" };
        self.shard.on_send(slot, send, self.now, &mut self.out)
    }

    /// The log has made it durable: its home is told, then its sender.
    pub fn durable(&mut self, append: Append) {
        let Append { ticket, partition, envelope } = append;
        let (offset, at_ms) = (self.ends[usize::from(partition.0)], self.now.unix_ms);
        self.ends[usize::from(partition.0)] += 1;
        self.tell(LogEvent::Record(Record { partition, offset, leader_epoch: 1, at_ms, envelope }));
        self.tell(LogEvent::Appended(Appended { ticket, offset, at_ms }));
    }

    /// The log speaks.
    pub fn tell(&mut self, event: LogEvent) {
        self.shard.on_log(event, self.now, &mut self.out);
    }

    /// The log is alive and has told all.
    pub fn beat(&mut self) {
        self.tell(LogEvent::Beat);
    }

    /// Time passes, silently.
    pub fn pass(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms;
    }

    /// What is asked of the log; everything else is forgotten.
    pub fn reads(&mut self) -> Vec<Read> {
        let read = |output| if let Output::Read(read) = output { Some(read) } else { None };
        self.outputs().into_iter().filter_map(read).collect()
    }

    /// The log answers a read: there is nothing.
    pub fn nothing(&mut self, read: &Read) {
        let (start, through) = (Position::START, read.upto);
        let page = Page { start, records: Vec::new(), through, counted: 0, more: false };
        self.tell(LogEvent::Page(read.ticket, Ok(page)));
    }

    /// The post speaks.
    pub fn post(&mut self, parcel: Parcel) {
        self.shard.on_parcel(POST, parcel, self.now, &mut self.out);
    }

    /// What is for other nodes; everything else is forgotten.
    pub fn dispatches(&mut self) -> Vec<Dispatch> {
        let dispatch = |output| if let Output::Dispatch(dispatch) = output { Some(*dispatch) } else { None };
        self.outputs().into_iter().filter_map(dispatch).collect()
    }

    /// A tick.
    pub fn tick(&mut self) {
        self.shard.on_tick(self.now, &mut self.out);
    }

    /// The socket is gone.
    pub fn close(&mut self, slot: u32) {
        self.shard.on_closed(slot, self.now, &mut self.out);
    }
}
