//! Pages of mailboxes, read from a node's modelled store: judged by the tail, filled in where they reach further back.

use crate::store::Row;
use crate::what::{Thread, What};
use crate::world::{World, note};
use corepost::log::{LogEvent, Page, Read, ReadFrom, Record, Unreadable};
use corepost::tail::{Judgement, ReadAt, Tail};

impl World {
    /// A core wants a page.
    pub fn read_page(&mut self, life: u32, read: Read) {
        let partition = read.partition.0;
        let is_served =
            self.process(life).keepers.get(&partition).is_some_and(|keeper| keeper.term.is_some());
        if !is_served {
            return self.refuse_read(life, &read);
        }
        self.keeper(life, partition).waiting.push(read);
        self.try_reads(life, partition);
    }

    pub fn refuse_read(&mut self, life: u32, read: &Read) {
        self.give_page(life, read, Err(Unreadable::Unavailable));
    }

    fn give_page(&mut self, life: u32, read: &Read, page: Result<Page, Unreadable>) {
        note!(self, "#{life} {read:?} is answered {page:?}");
        let (core, ticket) = (read.ticket.core, read.ticket);
        self.hand(
            life,
            Thread::Reader,
            Thread::Core(core),
            What::Told { core, event: LogEvent::Page(ticket, page) },
        );
    }

    /// Whoever waits for a page of this partition is judged.
    pub fn try_reads(&mut self, life: u32, partition: u16) {
        let reads = std::mem::take(&mut self.keeper(life, partition).waiting);
        for read in reads {
            match self.page(life, &read) {
                Some(page) => self.give_page(life, &read, page),
                None => self.keeper(life, partition).waiting.push(read),
            }
        }
        self.fill_on(life, partition);
    }

    /// The page, or nothing yet: it reaches further back than what is covered.
    fn page(&mut self, life: u32, read: &Read) -> Option<Result<Page, Unreadable>> {
        if self.is_elsewhere(life) && matches!(read.from, ReadFrom::Since(_)) {
            return None;
        }
        let partition = read.partition.0;
        let lane = &self.kafka.mail[usize::from(partition)];
        let since = |at_ms| lane.offset_for(at_ms).unwrap_or(lane.end());
        let disk = self.processes[&life].disk;
        let shelf = self.disks[disk as usize].shelf(read.partition);
        let keeper = self.processes.get_mut(&life).and_then(|process| process.keepers.get_mut(&partition));
        let tail =
            keeper.and_then(|keeper| keeper.tail.as_mut()).expect("who waits, waits for one that is served");
        let upto = read.upto.offset;
        let covered = tail.coverage().0;
        let is_enough = |many: u32| shelf.rows.range(&read.client, covered, upto).len() >= many as usize;
        let at = match read.from {
            ReadFrom::After(position) => ReadAt::After(position),
            ReadFrom::Oldest => ReadAt::Offset(0),
            ReadFrom::Since(at_ms) => ReadAt::Offset(since(at_ms)),
            ReadFrom::Last(many) if is_enough(many) => ReadAt::Offset(covered),
            ReadFrom::Last(_) => ReadAt::Further,
        };
        match tail.judge(at) {
            Judgement::Refused(why) => Some(Err(Unreadable::Unresumed(why))),
            Judgement::Fill { down_to } => {
                tail.want(down_to);
                None
            }
            Judgement::Ready { from } => {
                let mut rows = shelf.rows.range(&read.client, from, upto);
                if let ReadFrom::Last(many) = read.from {
                    rows.drain(..rows.len().saturating_sub(many as usize));
                }
                Some(Ok(page(read, tail, &rows)))
            }
        }
    }
}

fn page(read: &Read, tail: &Tail, rows: &[(u64, &Row)]) -> Page {
    let (mut records, mut bytes): (Vec<Record>, usize) = (Vec::new(), 0);
    for &(offset, row) in rows.iter().take(read.page_envelopes as usize) {
        let Row { at_ms, leader_epoch, ref envelope } = *row;
        bytes += envelope.size();
        if !records.is_empty() && bytes > read.page_bytes as usize {
            break;
        }
        let envelope = envelope.clone();
        records.push(Record { partition: read.partition, offset, leader_epoch, at_ms, envelope });
    }
    let counted = rows.len().min(records.len().max(read.count_to as usize));
    let given = match read.from {
        ReadFrom::After(position) => Some(position),
        _ => None,
    };
    let upto = given.map_or(read.upto, |given| given.max(read.upto));
    let start = given.or(rows.first().map(|&(first, _)| tail.position(first))).unwrap_or(upto);
    let through = match records.last() {
        _ if records.len() == rows.len() => upto,
        Some(last) => last.position(),
        None => start,
    };
    Page { start, records, through, counted: counted as u32, more: rows.len() > counted }
}
