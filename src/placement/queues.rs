//! Which queue of a card an interrupt is of, by the name that the driver gave it: Linux says so nowhere else.

use super::host::Nic;

/// What an interrupt is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    /// As in `queues/rx-N` and `queues/tx-N`.
    pub(super) number: u16,
    /// Whether it tells of what was sent; many tell of both.
    pub(super) sends: bool,
}

/// What stands before the number: `ens1-rx-0`, `ens1-TxRx-0`, `ens5-Tx-Rx-0` and `mlx4-0`; virtio; mlx5; mana. Without one of
/// them it is no queue's number, but part of a name, such as that of `eth0`, which igb calls its management by.
const BEFORE_NUMBER: [&str; 5] = ["-", "input.", "output.", "comp", "_q"];

/// gve's, old and new. Half of its lines send, and the other half, which comes after them, receives.
const BLOCK: [&str; 2] = ["ntfy-blk", "ntfy-block."];

/// Of each interrupt of a card, in their order; `None`: its name has no number that is known to be a queue's.
pub(super) fn queues_of(nic: &Nic) -> Vec<Option<Queue>> {
    let names: Vec<String> = nic.interrupts.iter().map(|line| plain(&nic.name, &line.name)).collect();
    let blocks = names.iter().filter(|name| ends_with_any(numbered(name).0, &BLOCK)).count();
    names.iter().map(|name| queue_of(name, blocks as u16 / 2)).collect()
}

/// Of each interrupt of a card, in their order, whose turn it is when CPUs are dealt out: both interrupts of a queue have
/// the same, and those that no queue is known for come last.
pub(super) fn turns(queues: &[Option<Queue>]) -> Vec<usize> {
    let mut numbers: Vec<u16> = queues.iter().flatten().map(|queue| queue.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut last = numbers.len()..;
    let turn = |queue: &Option<Queue>| match queue {
        Some(queue) => numbers.partition_point(|number| *number < queue.number),
        None => last.next().expect("a range without an end"),
    };
    queues.iter().map(turn).collect()
}

fn queue_of(name: &str, half: u16) -> Option<Queue> {
    let (stem, number) = numbered(name);
    let number: u16 = number.parse().ok()?;
    if ends_with_any(stem, &BLOCK) {
        return Some(Queue { number: number.checked_rem(half).unwrap_or(number), sends: number < half });
    }
    let receives = stem.contains("rx") || stem.contains("input");
    let sends = !receives || stem.contains("tx");
    ends_with_any(stem, &BEFORE_NUMBER).then_some(Queue { number, sends })
}

/// Without the card's own name and the address behind it, which have numbers of their own.
fn plain(nic: &str, name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    name.replacen(nic, "", 1).to_ascii_lowercase()
}

fn numbered(name: &str) -> (&str, &str) {
    name.split_at(name.trim_end_matches(|it: char| it.is_ascii_digit()).len())
}

fn ends_with_any(stem: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| stem.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::super::{Cpus, Interrupt};
    use super::*;

    /// Turns and whether they send, of a card `ens1` with these interrupts.
    fn dealt(names: &[&str]) -> Vec<(usize, Option<bool>)> {
        let line = |name: &&str| Interrupt { irq: 0, name: (*name).into(), now: Cpus::default() };
        let interrupts = names.iter().map(line).collect();
        let queues = queues_of(&Nic { name: "ens1".into(), interrupts, ..Nic::default() });
        turns(&queues).into_iter().zip(queues.iter().map(|queue| queue.map(|it| it.sends))).collect()
    }

    #[test]
    fn both_interrupts_of_a_queue_are_known_by_the_names_of_common_drivers() {
        let pairs = [(0, Some(false)), (0, Some(true)), (1, Some(false)), (1, Some(true))];
        let virtio = ["virtio0-input.0", "virtio0-output.0", "virtio0-input.1", "virtio0-output.1"];
        assert_eq!(dealt(&virtio), pairs);
        assert_eq!(dealt(&["ens1-rx-0", "ens1-tx-0", "ens1-rx-1", "ens1-tx-1"]), pairs);
        let both = [(0, Some(true)), (1, Some(true))];
        for names in [
            ["ens1-TxRx-0", "ens1-TxRx-1"],
            ["ens1-Tx-Rx-0", "ens1-Tx-Rx-1"],
            ["i40e-ens1-TxRx-0", "i40e-ens1-TxRx-1"],
            ["mlx5_comp0@pci:0000:3b:00.0", "mlx5_comp1@pci:0000:3b:00.0"],
            ["mlx4-8@0000:3b:00.0", "mlx4-9@0000:3b:00.0"],
            ["mana_q0@pci:7870:00:00.0", "mana_q1@pci:7870:00:00.0"],
        ] {
            assert_eq!(dealt(&names), both, "{names:?}");
        }
        for block in ["gve-ntfy-blk#@pci:0000:00:04.0", "ens1-ntfy-block.#"] {
            let names: Vec<String> = (0..4).map(|n| block.replace('#', &n.to_string())).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            assert_eq!(dealt(&names), [(0, Some(true)), (1, Some(true)), (0, Some(false)), (1, Some(false))]);
        }
    }

    #[test]
    fn lines_without_a_number_come_last() {
        assert_eq!(
            dealt(&["ens1", "ens1-rx-1", "driver", "ens1-rx-0", "ens1-99999"]),
            [(2, None), (1, Some(false)), (3, None), (0, Some(false)), (4, None)]
        );
    }
}
