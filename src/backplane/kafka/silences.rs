//! Which partitions that tell nothing have something to tell: pure.
//!
//! A reader of librdkafka was seen to read nothing more of a partition for minutes after a broker had been killed, while
//! everything else went on; nothing told of it (ARCHITECTURE.md, *Records to Kafka and back*). So whoever has told nothing for
//! a while is asked for its end by another client, and is deaf where one answer after the other says that there is more and
//! none of it came.
//!
//! Always holds: no reading begins again twice at the same place for the same end. What stands there may be no record at
//! all, as the mark with which a transaction ends.

use super::reader::ReadAt;
use crate::limits::KAFKA_UNREAD_MS;
use std::collections::BTreeMap;

/// One partition.
struct Silence {
    /// From where it is to be read on.
    at: ReadAt,
    /// When it told something last, or its reading began.
    since_ms: u64,
    /// The answer before said that there is more.
    has_more: bool,
    /// Where its reading began again last because it was deaf, and for which end.
    again: Option<(ReadAt, u64)>,
}

/// What is known of the partitions that are read; as many as these.
#[derive(Default)]
pub(super) struct Silences {
    of: BTreeMap<u16, Silence>,
    next_ask_ms: u64,
    /// A question is not answered yet.
    is_asking: bool,
}

impl Silences {
    /// It is read from there on.
    pub fn begin(&mut self, partition: u16, at: ReadAt, now_ms: u64) {
        self.of.insert(partition, Silence { at, since_ms: now_ms, has_more: false, again: None });
    }

    /// It is read no longer.
    pub fn end(&mut self, partition: u16) {
        self.of.remove(&partition);
    }

    /// It told the record at `offset`; or something else, such as a trouble.
    pub fn told(&mut self, partition: u16, offset: Option<u64>, now_ms: u64) {
        if let Some(silence) = self.of.get_mut(&partition) {
            silence.at = offset.map_or(silence.at, |offset| ReadAt::Offset(offset + 1));
            (silence.since_ms, silence.has_more) = (now_ms, false);
        }
    }

    /// Who is to be asked for their ends now: one question after the other, and nobody before a while has passed since
    /// the last answer.
    pub fn due(&mut self, now_ms: u64) -> Vec<u16> {
        if self.is_asking || now_ms < self.next_ask_ms {
            return Vec::new();
        }
        let is_silent = |silence: &Silence| silence.since_ms + KAFKA_UNREAD_MS <= now_ms;
        let silent: Vec<_> = self
            .of
            .iter()
            .filter(|(_, silence)| is_silent(silence))
            .map(|(partition, _)| *partition)
            .collect();
        self.is_asking = !silent.is_empty();
        silent
    }

    /// What was answered to the question of that time: by partition its end, of those that were answered. Those that are
    /// deaf, with that end.
    pub fn answered(&mut self, asked_ms: u64, ends: &BTreeMap<u16, u64>, now_ms: u64) -> Vec<(u16, u64)> {
        (self.is_asking, self.next_ask_ms) = (false, now_ms + KAFKA_UNREAD_MS);
        let mut deaf = Vec::new();
        for (&partition, silence) in &mut self.of {
            let end = ends.get(&partition).copied().filter(|end| {
                // What it told meanwhile may be all that there was. Who has told nothing since the log's beginning has no
                // place yet: it may begin at its end.
                silence.since_ms < asked_ms
                    && matches!(silence.at, ReadAt::Offset(next) if next < *end)
                    && silence.again != Some((silence.at, *end))
            });
            // Two answers in a row: one that says no, or does not come, begins anew.
            let had_more = std::mem::replace(&mut silence.has_more, end.is_some());
            deaf.extend(end.filter(|_| had_more).map(|end| (partition, end)));
        }
        deaf
    }

    /// All reading begins again from where it stood, since these are deaf; the places.
    pub fn begin_again(&mut self, deaf: &[(u16, u64)], now_ms: u64) -> Vec<(u16, ReadAt)> {
        for (partition, end) in deaf {
            if let Some(silence) = self.of.get_mut(partition) {
                silence.again = Some((silence.at, *end));
            }
        }
        for silence in self.of.values_mut() {
            (silence.since_ms, silence.has_more) = (now_ms, false);
        }
        self.of.iter().map(|(partition, silence)| (*partition, silence.at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHILE: u64 = KAFKA_UNREAD_MS;

    /// Partition 7, read from offset 5 since 1,000 ms.
    fn silences() -> Silences {
        let mut silences = Silences::default();
        silences.begin(7, ReadAt::Offset(5), 1_000);
        silences
    }

    /// The `nth` question and its answer, at once: the ends of partitions. Who is deaf.
    fn answer<const N: usize>(silences: &mut Silences, nth: u64, ends: [(u16, u64); N]) -> Vec<(u16, u64)> {
        let now_ms = 2_000 + nth * WHILE;
        silences.answered(now_ms, &BTreeMap::from(ends), now_ms)
    }

    #[test]
    fn who_is_silent_is_asked_now_and_then_and_nobody_else() {
        let mut silences = silences();
        silences.begin(8, ReadAt::Start, 1_000);
        assert_eq!(silences.due(1_000), [0_u16; 0]);
        silences.told(8, Some(0), 1_500 + WHILE);
        assert_eq!(silences.due(1_000 + WHILE), [7]);
        assert_eq!(silences.due(1_000 + 5 * WHILE), [0_u16; 0], "a question is on its way");
        silences.answered(1_000 + WHILE, &BTreeMap::new(), 2_000 + 5 * WHILE);
        assert_eq!(silences.due(1_999 + 6 * WHILE), [0_u16; 0], "not all the time");
        silences.end(7);
        assert_eq!(silences.due(2_000 + 6 * WHILE), [8]);
    }

    #[test]
    fn who_has_more_at_two_answers_and_told_nothing_between_is_deaf() {
        let mut silences = silences();
        assert_eq!(answer(&mut silences, 1, [(7, 5)]), [], "nothing is there");
        assert_eq!(answer(&mut silences, 2, [(7, 9)]), [], "it may have come just now");
        assert_eq!(answer(&mut silences, 3, []), [], "nobody knows");
        assert_eq!(answer(&mut silences, 4, [(7, 9)]), [], "in a row");
        assert_eq!(answer(&mut silences, 5, [(7, 11)]), [(7, 11)]);
    }

    #[test]
    fn reading_begins_again_once_for_a_place_and_an_end() {
        let mut silences = silences();
        silences.begin(8, ReadAt::Offset(0), 1_000);
        assert_eq!(answer(&mut silences, 1, [(7, 9)]), []);
        assert_eq!(answer(&mut silences, 2, [(7, 9), (8, 3)]), [(7, 9)]);
        let places = silences.begin_again(&[(7, 9)], 2_001 + 2 * WHILE);
        assert_eq!(places, [(7, ReadAt::Offset(5)), (8, ReadAt::Offset(0))]);
        assert_eq!(answer(&mut silences, 3, [(7, 9), (8, 3)]), [], "the other one was not deaf yet");
        assert_eq!(
            answer(&mut silences, 4, [(7, 9), (8, 3)]),
            [(8, 3)],
            "what is there is no record, it seems"
        );
        assert_eq!(answer(&mut silences, 5, [(7, 10)]), []);
        assert_eq!(answer(&mut silences, 6, [(7, 12)]), [(7, 12)], "but there is more");
        silences.begin_again(&[(7, 12)], 2_001 + 6 * WHILE);
        silences.told(7, Some(6), 2_002 + 6 * WHILE);
        assert_eq!(answer(&mut silences, 7, [(7, 12)]), []);
        assert_eq!(
            answer(&mut silences, 8, [(7, 12)]),
            [(7, 12)],
            "it went on, and stands still at another place"
        );
    }

    #[test]
    fn who_has_told_something_since_is_not_deaf_nor_who_has_no_place() {
        let mut silences = silences();
        silences.begin(8, ReadAt::Start, 1_000);
        assert_eq!(answer(&mut silences, 1, [(7, 9), (8, 9)]), []);
        silences.told(7, Some(6), 2_500 + 2 * WHILE);
        assert_eq!(answer(&mut silences, 2, [(7, 9), (8, 9)]), [], "it was asked before that");
        assert_eq!(answer(&mut silences, 3, [(7, 9)]), [], "the first answer does not count any more");
        silences.told(7, None, 2_500 + 3 * WHILE);
        assert_eq!(answer(&mut silences, 4, [(7, 9)]), [], "a trouble was told");
        assert_eq!(answer(&mut silences, 5, [(7, 9)]), [(7, 9)]);
        assert_eq!(
            silences.begin_again(&[], 0),
            [(7, ReadAt::Offset(7)), (8, ReadAt::Start)],
            "behind the last record told"
        );
    }
}
