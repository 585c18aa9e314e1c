//! What a host is, as far as placement goes.

use super::Cpus;
use serde::Serialize;

/// One CPU, in the kernel's sense: one hardware thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cpu {
    /// Its number.
    pub cpu: u16,
    /// The physical core it is a thread of, as the number of that core's first CPU.
    pub physical: u16,
    /// Its NUMA node.
    pub node: u16,
    /// The last cache it shares with others, as the number of the first CPU at it.
    pub cache: u16,
}

/// A network card and the interrupts of its queues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Nic {
    /// As in `ip link`.
    pub name: String,
    /// The NUMA node it is attached to, if the host says so.
    pub node: Option<u16>,
    /// How many queues packets come in by.
    pub rx_queues: u16,
    /// How many queues they go out by.
    pub tx_queues: u16,
    /// Those whose CPUs may be chosen, ascending. None where the kernel hides them, as in most containers.
    pub interrupts: Vec<Interrupt>,
}

/// One interrupt line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interrupt {
    /// Its number.
    pub irq: u32,
    /// What the driver calls it, such as `virtio0-input.0`.
    pub name: String,
    /// Where it may be handled now.
    pub now: Cpus,
}

/// A host as one process sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Host {
    /// All that are online, ascending.
    pub cpus: Vec<Cpu>,
    /// Those that affinity and cpuset leave to this process, all online; never empty.
    pub ours: Cpus,
    /// Those that the scheduler moves nothing to by itself (`isolcpus=`). They may be named also when they are not in `ours`,
    /// as long as the cpuset has them.
    pub isolated: Cpus,
    /// The time of how many CPUs a cgroup grants, in thousandths; `None`: no less than there is.
    pub quota_milli: Option<u32>,
    /// Network cards that are devices, by name.
    pub nics: Vec<Nic>,
}

impl Host {
    pub(super) fn cpu(&self, cpu: u16) -> Option<&Cpu> {
        self.cpus.iter().find(|known| known.cpu == cpu)
    }

    pub(super) fn online(&self) -> Cpus {
        self.cpus.iter().map(|cpu| cpu.cpu).collect()
    }

    /// The scheduler balances nowhere that this process may run.
    pub(super) fn is_all_isolated(&self) -> bool {
        self.ours.without(&self.isolated).is_empty()
    }

    /// NUMA nodes, ascending.
    pub(super) fn nodes(&self) -> Vec<u16> {
        let mut nodes: Vec<u16> = self.cpus.iter().map(|cpu| cpu.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Physical cores of one NUMA node, each with its threads in order.
    pub(super) fn physical_cores(&self, node: u16) -> Vec<Vec<Cpu>> {
        let mut cores: Vec<Vec<Cpu>> = Vec::new();
        for cpu in self.cpus.iter().filter(|cpu| cpu.node == node) {
            match cores.iter_mut().find(|threads| threads[0].physical == cpu.physical) {
                Some(threads) => threads.push(*cpu),
                None => cores.push(vec![*cpu]),
            }
        }
        cores
    }
}
