//! History that somebody wants: filled in chunk by chunk, for as long as somebody asks for it.

use super::asker::Question;
use super::filler::{Filled, FilledWith, Task, What};
use super::hands::Hands;
use super::health::Reread;
use crate::backplane::index::Put;
use crate::tail::Verdict;

impl Hands {
    /// A piece of history came.
    pub fn filled(&mut self, filled: Filled) {
        let Filled { partition, attempt, what } = filled;
        let Some(part) = self.parts.get_mut(&partition).filter(|part| part.attempt == attempt) else {
            return;
        };
        let Some(tail) = &mut part.tail else { return };
        match what {
            FilledWith::Window(chunk, window) => {
                part.is_asking_window = false;
                if let Some(fill) = tail.fill(chunk, window) {
                    let _ = self.fill.send(Task { partition, attempt, what: What::Read(fill) });
                }
            }
            FilledWith::Records(fill, records) => {
                self.health.reread(Reread::History, records.len() as u64);
                let mut puts = Vec::new();
                for looked in records {
                    let (offset, at_ms) = (looked.place.offset, looked.place.at_ms);
                    match (tail.on_history(fill, looked.place, looked.found), looked.envelope) {
                        (Verdict::Over(over), _) => return self.over(partition, over),
                        (Verdict::Apply, Some(envelope)) => puts.push(Put { offset, at_ms, envelope }),
                        _ => {}
                    }
                }
                puts.into_iter().for_each(|put| part.put(put));
                part.is_touched = true;
            }
            FilledWith::End(fill) => {
                if tail.filling() == Some(fill) {
                    tail.abort();
                }
            }
        }
        self.next_chunk(partition);
    }

    /// More of it, where more is wanted; or where the log begins, where that is in doubt.
    pub fn next_chunk(&mut self, partition: u16) {
        let Some(part) = self.parts.get_mut(&partition) else { return };
        let Some(tail) = &part.tail else { return };
        if tail.doubts_ground() && !part.is_asking_ground {
            part.is_asking_ground = true;
            let _ = self.ask.send(Question::Grounds(vec![partition]));
        }
        if let Some(chunk) = tail.chunk().filter(|_| !part.is_asking_window) {
            part.is_asking_window = true;
            let _ = self.fill.send(Task { partition, attempt: part.attempt, what: What::Window(chunk) });
        }
    }
}
