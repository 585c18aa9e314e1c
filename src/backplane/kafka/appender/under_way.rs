//! What each record under way is answered to, by the number that librdkafka hands back with its report.

use crate::log::Ticket;

/// One record under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who asked.
    pub ticket: Ticket,
    /// The record's partition.
    pub partition: u16,
    /// Which producer has it.
    pub producer: u16,
    /// What it counts against the bound.
    pub bytes: u32,
    /// When it was sent, microseconds since the appender began.
    pub at_us: u64,
}

/// All of them; as many as the gate lets out ([`crate::limits::KAFKA_APPENDS`]).
#[derive(Debug, Default)]
pub struct UnderWay {
    slots: Vec<Option<Sent>>,
    free: Vec<usize>,
}

impl UnderWay {
    /// Keeps one, under this number.
    pub fn insert(&mut self, sent: Sent) -> usize {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(sent);
                slot
            }
            None => {
                self.slots.push(Some(sent));
                self.slots.len() - 1
            }
        }
    }

    /// Lets go of one.
    pub fn remove(&mut self, slot: usize) -> Option<Sent> {
        let sent = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(sent)
    }

    /// Lets go of all that a producer has, in order of their tickets' sends.
    pub fn remove_all_of(&mut self, producer: u16) -> Vec<Sent> {
        let of_it = |sent: &Option<Sent>| sent.is_some_and(|sent| sent.producer == producer);
        let slots: Vec<_> = (0..self.slots.len()).filter(|slot| of_it(&self.slots[*slot])).collect();
        let mut all: Vec<_> = slots.into_iter().filter_map(|slot| self.remove(slot)).collect();
        all.sort_by_key(|sent| sent.at_us);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_a_producer_takes_its_own_along() {
        let mut under_way = UnderWay::default();
        let sent = |send, producer| Sent {
            ticket: Ticket { core: 0, send, recipient: 0 },
            partition: 0,
            producer,
            bytes: 0,
            at_us: u64::from(send),
        };
        let numbers: Vec<_> = (0..4).map(|n| under_way.insert(sent(n, (n % 2) as u16))).collect();
        assert_eq!(under_way.remove(numbers[1]), Some(sent(1, 1)));
        assert_eq!(under_way.remove(numbers[1]), None);
        assert_eq!(under_way.insert(sent(9, 0)), numbers[1]);
        assert_eq!(under_way.remove_all_of(0), [sent(0, 0), sent(2, 0), sent(9, 0)]);
        assert_eq!(under_way.remove_all_of(0), []);
        assert_eq!(under_way.remove(numbers[3]), Some(sent(3, 1)));
    }
}
