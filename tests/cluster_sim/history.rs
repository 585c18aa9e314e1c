//! How history is filled in before what a partition covers, chunk by chunk, by a consumer of its own.

use crate::store::Row;
use crate::tails::found;
use crate::what::Errand;
use crate::world::{World, note};
use corepost::limits::DEDUPE_MS;
use corepost::tail::{Chunk, Fill, Tail, Verdict, Window};

impl World {
    /// Somebody waits for history: the next chunk of it begins.
    pub fn fill_on(&mut self, life: u32, partition: u16) {
        if self.keeper(life, partition).tail.as_ref().is_some_and(Tail::doubts_ground) {
            self.look_at_ground(life, partition);
        }
        let keeper = self.keeper(life, partition);
        let chunk = keeper.tail.as_ref().and_then(Tail::chunk);
        let Some(chunk) = chunk.filter(|_| !keeper.is_filling) else { return };
        keeper.is_filling = true;
        let opening = keeper.opening;
        self.errand(life, partition, opening, Errand::Chunk(chunk));
    }

    pub fn chunk(&mut self, life: u32, partition: u16, chunk: Chunk) {
        let lane = &self.kafka.mail[usize::from(partition)];
        let first = chunk.rows_from.max(lane.start);
        let first_ms = (first < lane.end()).then(|| lane.at(first).at_ms);
        let window = first_ms.and_then(|first_ms| lane.offset_for(first_ms.saturating_sub(DEDUPE_MS)));
        let window = window.map(|from| Window { from, start: lane.start });
        let keeper = self.keeper(life, partition);
        let fill = keeper.tail.as_mut().and_then(|tail| tail.fill(chunk, window));
        let Some(fill) = fill else {
            keeper.is_filling = false;
            return self.try_reads(life, partition);
        };
        self.stats.chunks += 1;
        note!(self, "#{life}: history of partition {partition}: {fill:?}");
        let opening = self.keeper(life, partition).opening;
        self.errand(life, partition, opening, Errand::History { fill, at: fill.read_from });
    }

    pub fn history(&mut self, life: u32, partition: u16, fill: Fill, at: u64) {
        let many = 1 + self.dice.below(100);
        let lane = &self.kafka.mail[usize::from(partition)];
        let end = fill.upto.min(at + many);
        if at < lane.start || end > lane.end() {
            let keeper = self.keeper(life, partition);
            keeper.is_filling = false;
            if let Some(tail) = &mut keeper.tail {
                tail.abort();
            }
            return;
        }
        for offset in at..end {
            let record = self.kafka.mail[usize::from(partition)].at(offset);
            let (envelope, leader_epoch, at_ms) = (record.what.clone(), record.leader_epoch, record.at_ms);
            let found = found(record, self.processes[&life].protocols);
            let place = self.kafka.mail[usize::from(partition)].place(offset);
            let tail = self.keeper(life, partition).tail.as_mut().expect("who fills in has a tail");
            match tail.on_history(fill, place, found) {
                Verdict::Apply => {
                    self.shelf(life, partition).rows.put(offset, Row { at_ms, leader_epoch, envelope });
                }
                Verdict::Over(over) => return self.over(life, partition, over),
                Verdict::Void => break,
                Verdict::Window | Verdict::Duplicate | Verdict::Pass => {}
            }
        }
        let keeper = self.keeper(life, partition);
        let goes_on = keeper.tail.as_ref().and_then(Tail::filling) == Some(fill);
        if goes_on {
            let opening = keeper.opening;
            return self.errand(life, partition, opening, Errand::History { fill, at: end });
        }
        keeper.is_filling = false;
        self.try_reads(life, partition);
    }
}
