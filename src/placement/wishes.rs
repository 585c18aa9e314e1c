//! What an operator asks for, and why it cannot be.

use super::Cpus;
use std::fmt;

/// What a CPU is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Threads with sockets and sessions, one CPU each.
    Cores,
    /// Everything about Kafka: librdkafka's threads and those that speak with it.
    Backplane,
    /// The store's writer, readers and compaction.
    Store,
    /// Interrupts of network cards.
    Interrupts,
}

/// Wishes; whatever is absent is decided by the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// How many cores.
    pub cores: Option<u16>,
    /// The CPUs of cores, in the order of the cores.
    pub core_cpus: Option<Vec<u16>>,
    /// The CPUs of the backplane.
    pub backplane: Option<Cpus>,
    /// The CPUs of the store.
    pub store: Option<Cpus>,
    /// The CPUs of interrupts.
    pub interrupts: Option<Cpus>,
    /// Whether the node is one of a cluster, so that there is a backplane.
    pub is_in_cluster: bool,
}

/// One reason why wishes have no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// There is no such CPU, or it is not online.
    NoSuchCpu {
        /// Who was to have it.
        role: Role,
        /// Which.
        cpu: u16,
        /// Those there are.
        online: Cpus,
    },
    /// The cpuset or the affinity of this process leaves it out.
    NotOurs {
        /// Who was to have it.
        role: Role,
        /// Which.
        cpu: u16,
        /// Those that would do.
        ours: Cpus,
    },
    /// Cores were left to the plan, and the other roles' lists take all there is.
    NothingLeft {
        /// What they have together.
        taken: Cpus,
    },
}

impl Wishes {
    /// Whether the CPUs of every role beside the cores that there is are named. Without a cluster there is no backplane.
    pub(super) fn are_others_named(&self) -> bool {
        self.store.is_some() && (self.backplane.is_some() || !self.is_in_cluster)
    }

    pub(super) fn lists(&self) -> Vec<(Role, Cpus)> {
        let cores = self.core_cpus.as_ref().map(|cpus| cpus.iter().copied().collect());
        let lists = [
            (Role::Cores, cores),
            (Role::Backplane, self.backplane.clone()),
            (Role::Store, self.store.clone()),
            (Role::Interrupts, self.interrupts.clone()),
        ];
        lists.into_iter().filter_map(|(role, cpus)| Some((role, cpus?))).collect()
    }
}

impl Role {
    /// The setting that names its CPUs.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Cores => "cpus",
            Self::Backplane => "backplane_cpus",
            Self::Store => "store_cpus",
            Self::Interrupts => "irq_cpus",
        }
    }
}

impl Impossible {
    /// The setting that it is about.
    pub fn setting(&self) -> &'static str {
        match self {
            Self::NoSuchCpu { role, .. } | Self::NotOurs { role, .. } => role.setting(),
            Self::NothingLeft { .. } => Role::Cores.setting(),
        }
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCpu { cpu, online, .. } => {
                write!(f, "has CPU {cpu}, which is not online; these are: {online}")
            }
            Self::NotOurs { cpu, ours, .. } => write!(
                f,
                "has CPU {cpu}, which this process may not use; affinity and cpuset leave it {ours}"
            ),
            Self::NothingLeft { taken } => write!(
                f,
                "has nothing to choose from: the other roles' lists have all CPUs ({taken}); name CPUs for cores with \
                 --cpus, which may be shared, or shorten the lists"
            ),
        }
    }
}
