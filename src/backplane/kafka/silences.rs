//! Which partitions that tell nothing have something to tell: pure.
//!
//! A reader of librdkafka was seen to read nothing more of a partition for minutes after a broker had been killed, while
//! everything else went on; nothing told of it (ARCHITECTURE.md, *Records to Kafka and back*). So whoever has told nothing for a while is asked
//! for its end by another client, and is deaf where one answer after the other says that there is more and none of it came.
//!
//! Always holds: nobody is called deaf twice for the same end. What stands there may be no record at all, as the mark with
//! which a transaction ends.

use super::reader::ReadAt;
use crate::limits::KAFKA_UNREAD_MS;
use std::collections::BTreeMap;

/// One partition.
struct Silence {
    /// From where it is to be read on.
    at: ReadAt,
    /// When it told something last, or its reading began.
    since_ms: u64,
    /// It was answered since then that there is more, up to here.
    more: Option<u64>,
    /// The end for which it was called deaf last.
    called: u64,
}

/// What is known of the partitions that are read; as many as these.
#[derive(Default)]
pub(super) struct Silences {
    of: BTreeMap<u16, Silence>,
    next_ask_ms: u64,
}

impl Silences {
    /// It is read from there on.
    pub fn begin(&mut self, partition: u16, at: ReadAt, now_ms: u64) {
        self.of.insert(partition, Silence { at, since_ms: now_ms, more: None, called: 0 });
    }

    /// It is read no longer.
    pub fn end(&mut self, partition: u16) {
        self.of.remove(&partition);
    }

    /// It told the record at `offset`; or something else, such as a trouble.
    pub fn told(&mut self, partition: u16, offset: Option<u64>, now_ms: u64) {
        if let Some(silence) = self.of.get_mut(&partition) {
            silence.at = offset.map_or(silence.at, |offset| ReadAt::Offset(offset + 1));
            (silence.since_ms, silence.more) = (now_ms, None);
        }
    }

    /// Who is to be asked for their ends now; nobody before a while has passed since the last time.
    pub fn due(&mut self, now_ms: u64) -> Vec<u16> {
        if now_ms < self.next_ask_ms {
            return Vec::new();
        }
        self.next_ask_ms = now_ms + KAFKA_UNREAD_MS;
        let is_silent = |silence: &Silence| silence.since_ms + KAFKA_UNREAD_MS <= now_ms;
        self.of.iter().filter(|(_, silence)| is_silent(silence)).map(|(partition, _)| *partition).collect()
    }

    /// What was answered to a question of that time. Those that are deaf.
    pub fn answered(&mut self, asked_ms: u64, ends: impl IntoIterator<Item = (u16, u64)>) -> Vec<u16> {
        let mut deaf = Vec::new();
        for (partition, end) in ends {
            let Some(silence) = self.of.get_mut(&partition) else { continue };
            // What it told meanwhile may be all that there was.
            if silence.since_ms >= asked_ms || end <= silence.next().max(silence.called) {
                continue;
            }
            if silence.more.replace(end).is_some() {
                deaf.push(partition);
            }
        }
        deaf
    }

    /// Its reading begins again from where it stood; that place.
    pub fn begin_again(&mut self, partition: u16, now_ms: u64) -> Option<ReadAt> {
        let silence = self.of.get_mut(&partition)?;
        silence.called = silence.more.take().unwrap_or(silence.called);
        silence.since_ms = now_ms;
        Some(silence.at)
    }
}

impl Silence {
    /// The least offset that its next record may have.
    fn next(&self) -> u64 {
        match self.at {
            ReadAt::Start => 0,
            ReadAt::Offset(offset) => offset,
        }
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

    #[test]
    fn who_is_silent_is_asked_now_and_then_and_nobody_else() {
        let mut silences = silences();
        silences.begin(8, ReadAt::Start, 1_000);
        assert_eq!(silences.due(1_000), [0_u16; 0]);
        silences.told(8, Some(0), 1_500 + WHILE);
        assert_eq!(silences.due(1_000 + WHILE), [7]);
        assert_eq!(silences.due(1_001 + WHILE), [0_u16; 0], "not all the time");
        silences.end(7);
        assert_eq!(silences.due(1_500 + 2 * WHILE), [8]);
    }

    #[test]
    fn who_has_more_at_two_answers_and_told_nothing_between_is_deaf_once_for_each_end() {
        let mut silences = silences();
        assert_eq!(silences.answered(4_000, [(7, 5)]), [0_u16; 0], "nothing is there");
        assert_eq!(silences.answered(7_000, [(7, 9)]), [0_u16; 0], "it may have come just now");
        assert_eq!(silences.answered(10_000, [(7, 9)]), [7]);
        assert_eq!(silences.begin_again(7, 10_010), Some(ReadAt::Offset(5)));
        for asked_ms in [13_000, 16_000, 19_000] {
            assert_eq!(silences.answered(asked_ms, [(7, 9)]), [0_u16; 0], "it is no record, it seems");
        }
        assert_eq!(silences.answered(22_000, [(7, 10)]), [0_u16; 0]);
        assert_eq!(silences.answered(25_000, [(7, 12)]), [7], "but there is more");
    }

    #[test]
    fn who_has_told_something_since_is_not() {
        let mut silences = silences();
        assert_eq!(silences.answered(4_000, [(7, 9)]), [0_u16; 0]);
        silences.told(7, Some(6), 4_500);
        assert_eq!(silences.answered(4_400, [(7, 9)]), [0_u16; 0], "it was asked before that");
        assert_eq!(
            silences.answered(8_000, [(7, 9)]),
            [0_u16; 0],
            "the first answer does not count any more"
        );
        silences.told(7, None, 9_000);
        assert_eq!(silences.answered(11_000, [(7, 9)]), [0_u16; 0], "a trouble was told");
        assert_eq!(silences.answered(14_000, [(7, 9)]), [7]);
        assert_eq!(silences.begin_again(7, 14_000), Some(ReadAt::Offset(7)), "behind the last record told");
        assert_eq!(silences.begin_again(8, 14_000), None);
    }
}
