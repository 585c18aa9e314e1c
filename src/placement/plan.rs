//! The plan: what runs where.
//!
//! What nobody has wished for is decided so:
//! - Fewer than eight physical cores are shared by all: what one role does not need, another can use.
//! - Otherwise the backplane and the store share physical cores of their own, whole ones, since a sibling takes
//!   time from its twin: a quarter of them in a cluster, an eighth without. They are the first of their NUMA nodes, because what
//!   nobody has placed (kernel threads, interrupts) lands on the first CPUs too.
//! - All other CPUs run a core each; first one thread of each physical core, then the siblings, so that fewer cores than CPUs do
//!   not share; the NUMA node of a network card before the others.
//! - Interrupts go to the CPUs of cores in turn, those of the card's own NUMA node if there are any; both of one queue to the
//!   same CPU. Cores send by that queue, too.
//! - Where a cgroup grants less time than the CPUs have, as many cores as it grants run unpinned: pinned, all
//!   containers of a host would crowd on the same first CPUs. A cpuset (Kubernetes: the static CPU manager) gives CPUs.
//! - Isolated CPUs (`isolcpus=`) are used if there are no others. The scheduler leaves threads there where they begin, so that
//!   backplane and store get one CPU each, of a physical core of their own from eight on.

use super::host::{Cpu, Host, Interrupt, Nic};
use super::queues::{queues_of, turns};
use super::wishes::{Impossible, Wishes};
use super::{Cpus, Role};
use crate::limits::CORES;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What runs where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The CPU of each core. More cores than CPUs share them in turn.
    pub cores: Vec<u16>,
    /// Whether cores keep to their CPUs.
    pub is_pinned: bool,
    /// Whether these CPUs were named: then a core that cannot be there is an error, and otherwise it runs anywhere.
    pub is_named: bool,
    /// Where threads of the backplane may run.
    pub backplane: Cpus,
    /// Where threads of the store may run.
    pub store: Cpus,
    /// What interrupts should be handled where. The plan's reader is told; the node itself changes none.
    pub interrupts: Vec<Steer>,
    /// Cards with too few queues, whose packets other CPUs should take over.
    pub spread: Vec<Spread>,
    /// Which queue packets should go out by, of cards with more than one.
    pub sending: Vec<SendBy>,
    /// What an operator should know.
    pub notes: Vec<Note>,
}

/// One interrupt's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Steer {
    /// The card.
    pub nic: String,
    /// The interrupt, and where it may be handled now.
    pub interrupt: Interrupt,
    /// Where it should be.
    pub wanted: u16,
}

/// A card whose packets the kernel should spread (RPS; kernel: networking/scaling).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The card.
    pub nic: String,
    /// How many queues its packets come in by.
    pub queues: u16,
    /// The CPUs of cores, on its own NUMA node if there are any.
    pub cpus: Cpus,
}

/// A queue and who should send by it (XPS; kernel: networking/scaling).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SendBy {
    /// The card.
    pub nic: String,
    /// Its number among those that packets go out by.
    pub queue: u16,
    /// Those of the cores that should send by it.
    pub cpus: Cpus,
}

/// What is no mistake but should be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// More cores than CPUs.
    Crowded {
        /// How many.
        cores: usize,
        /// On how many.
        cpus: usize,
    },
    /// A cgroup grants less time than the CPUs have.
    Unpinned {
        /// In thousandths of a CPU.
        quota_milli: u32,
        /// How many CPUs that time may be spent on.
        cpus: usize,
    },
    /// Isolated CPUs that nobody uses.
    Isolated(Cpus),
    /// There are no others, so that backplane and store have one CPU each.
    AllIsolated {
        /// That of the backplane.
        backplane: Cpus,
        /// That of the store.
        store: Cpus,
    },
    /// Cores on more than one NUMA node, and a card at one of them.
    FarFromNic {
        /// The card.
        nic: String,
        /// Where it is.
        node: u16,
        /// How many cores are elsewhere.
        cores: usize,
    },
}

/// A plan, or everything that keeps wishes from having one.
pub fn plan(host: &Host, wishes: &Wishes) -> Result<Plan, Vec<Impossible>> {
    let mut wrong = wrong_cpus(host, wishes);
    let taken = taken_by_others(wishes);
    let pool = Pool::of(host, &taken);
    if wishes.core_cpus.is_none() && pool.cpus.is_empty() {
        wrong.push(Impossible::NothingLeft { taken: taken.clone() });
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut notes = Vec::new();
    let chosen = choose(host, wishes, &pool);
    let cores: Vec<u16> = (0..chosen.count).map(|nth| chosen.cpus[nth % chosen.cpus.len()]).collect();
    if chosen.count > chosen.cpus.len() {
        notes.push(Note::Crowded { cores: chosen.count, cpus: chosen.cpus.len() });
    }
    if let Some(quota_milli) = host.quota_milli.filter(|_| !chosen.is_pinned) {
        notes.push(Note::Unpinned { quota_milli, cpus: pool.cpus.len() });
    }
    let core_cpus: Cpus = cores.iter().copied().collect();
    let [backplane, store] = shared_by_others(host, &core_cpus, &taken, chosen.is_pinned);
    let backplane = wishes.backplane.clone().unwrap_or(backplane);
    let store = wishes.store.clone().unwrap_or(store);
    if host.is_all_isolated() && !wishes.are_others_named() {
        notes.push(Note::AllIsolated { backplane: backplane.clone(), store: store.clone() });
    }
    let used = core_cpus.or(&backplane).or(&store).or(&taken);
    let idle = host.isolated.without(&used);
    if !idle.is_empty() {
        notes.push(Note::Isolated(idle));
    }
    let (mut interrupts, mut spread, mut sending) = (Vec::new(), Vec::new(), Vec::new());
    for nic in &host.nics {
        notes.extend(far_from(host, nic, &core_cpus));
        if chosen.is_pinned || wishes.interrupts.is_some() {
            interrupts.extend(steer(host, nic, wishes.interrupts.as_ref().unwrap_or(&core_cpus)));
        }
        if chosen.is_pinned && wishes.interrupts.is_none() {
            spread.extend(spread_of(host, nic, &core_cpus));
        }
        if chosen.is_pinned {
            sending.extend(sending_of(host, nic, &core_cpus));
        }
    }
    let (is_pinned, is_named) = (chosen.is_pinned, wishes.core_cpus.is_some());
    Ok(Plan { cores, is_pinned, is_named, backplane, store, interrupts, spread, sending, notes })
}

fn wrong_cpus(host: &Host, wishes: &Wishes) -> Vec<Impossible> {
    let (online, may) = (host.online(), host.ours.or(&host.isolated));
    let mut wrong = Vec::new();
    for (role, cpus) in wishes.lists() {
        // Interrupts are the host's: no cpuset of ours bounds them.
        let may = if role == Role::Interrupts { &online } else { &may };
        for cpu in cpus.iter() {
            if !online.has(cpu) {
                wrong.push(Impossible::NoSuchCpu { role, cpu, online: online.clone() });
            } else if !may.has(cpu) {
                wrong.push(Impossible::NotOurs { role, cpu, ours: may.clone() });
            }
        }
    }
    wrong
}

/// CPUs that were named for other roles: cores that are placed by the plan keep off them.
fn taken_by_others(wishes: &Wishes) -> Cpus {
    let lists = wishes.lists().into_iter().filter(|(role, _)| *role != Role::Cores);
    lists.fold(Cpus::default(), |all, (_, cpus)| all.or(&cpus))
}

/// What cores may be placed on if nobody has said where.
struct Pool {
    /// In the order in which they are given out.
    cpus: Vec<Cpu>,
}

impl Pool {
    fn of(host: &Host, taken: &Cpus) -> Self {
        let free = host.ours.without(taken);
        // Whose they are nobody says, unless the process was given nothing else.
        let shared = free.without(&host.isolated);
        let free = if shared.is_empty() { free } else { shared };
        let mut cpus: Vec<Cpu> = host.cpus.iter().copied().filter(|cpu| free.has(cpu.cpu)).collect();
        let has_nic = |node| host.nics.iter().any(|nic| nic.node == Some(node));
        cpus.sort_by_cached_key(|cpu| (thread_of(host, *cpu), !has_nic(cpu.node), cpu.node, cpu.cpu));
        Self { cpus }
    }

    fn numbers(&self) -> Vec<u16> {
        self.cpus.iter().map(|cpu| cpu.cpu).collect()
    }

    /// Without the physical cores that roles get for themselves whose CPUs nobody has named.
    fn without_reserve(&self, host: &Host, wishes: &Wishes) -> Vec<u16> {
        let is_isolated = self.cpus.iter().all(|cpu| host.isolated.has(cpu.cpu));
        let mut physical: Vec<(u16, u16)> = self.cpus.iter().map(|cpu| (cpu.node, cpu.physical)).collect();
        physical.sort_unstable();
        physical.dedup();
        let reserve = match physical.len() {
            _ if wishes.are_others_named() => 0,
            0..8 => 0,
            // They have one CPU each.
            _ if host.is_all_isolated() => 1 + usize::from(wishes.is_in_cluster),
            // They have others.
            _ if is_isolated => 0,
            all if wishes.is_in_cluster => all / 4,
            all => all / 8,
        };
        let reserved = first_of_each_node(&physical, reserve);
        let is_free = |cpu: &&Cpu| !reserved.contains(&cpu.physical);
        self.cpus.iter().filter(is_free).map(|cpu| cpu.cpu).collect()
    }
}

/// So many physical cores, of each NUMA node in turn. `physical`: by node and core, ascending.
fn first_of_each_node(physical: &[(u16, u16)], count: usize) -> Vec<u16> {
    let place_in_node = |at: usize| physical[..at].iter().filter(|(node, _)| *node == physical[at].0).count();
    let mut order: Vec<usize> = (0..physical.len()).collect();
    order.sort_by_key(|at| (place_in_node(*at), physical[*at].0));
    order.into_iter().take(count).map(|at| physical[at].1).collect()
}

/// 0 for the first thread of a physical core, 1 for its sibling…
fn thread_of(host: &Host, cpu: Cpu) -> usize {
    host.cpus.iter().filter(|other| other.physical == cpu.physical && other.cpu < cpu.cpu).count()
}

struct Chosen {
    count: usize,
    /// Never empty.
    cpus: Vec<u16>,
    is_pinned: bool,
}

fn choose(host: &Host, wishes: &Wishes, pool: &Pool) -> Chosen {
    let wanted = wishes.cores.map(usize::from);
    if let Some(listed) = &wishes.core_cpus {
        let count = wanted.unwrap_or(listed.len());
        return Chosen { count, cpus: listed[..count.min(listed.len())].to_vec(), is_pinned: true };
    }
    let granted = host.quota_milli.map_or(usize::MAX, |milli| (milli as usize / 1000).max(1));
    if granted < pool.cpus.len() {
        let cpus = pool.numbers();
        return Chosen { count: wanted.unwrap_or(granted).min(CORES), cpus, is_pinned: false };
    }
    let cpus = pool.without_reserve(host, wishes);
    let count = wanted.unwrap_or(cpus.len()).min(CORES);
    // Whoever asks for more is given all.
    let cpus = if count > cpus.len() { pool.numbers() } else { cpus };
    Chosen { count, cpus: cpus[..count.min(cpus.len())].to_vec(), is_pinned: true }
}

/// Where backplane and store run if nobody has named CPUs for them: together, or on one CPU each where the scheduler would not
/// spread their threads.
fn shared_by_others(host: &Host, cores: &Cpus, taken: &Cpus, is_pinned: bool) -> [Cpus; 2] {
    let set = beside_or_among(host, cores, taken, is_pinned);
    let physical = |cpu: u16| host.cpu(cpu).map(|cpu| cpu.physical);
    let Some(first) = set.iter().next().filter(|_| host.is_all_isolated()) else { return [set.clone(), set] };
    let other = set.iter().find(|cpu| physical(*cpu) != physical(first));
    let second = other.or_else(|| set.iter().nth(1)).unwrap_or(first);
    [first, second].map(|cpu| Cpus::from_iter([cpu]))
}

/// Beside the cores if that is possible, else among them.
fn beside_or_among(host: &Host, cores: &Cpus, taken: &Cpus, is_pinned: bool) -> Cpus {
    let may = if host.is_all_isolated() { host.ours.clone() } else { host.ours.without(&host.isolated) };
    let beside = may.without(cores).without(taken);
    // One thread of a core and its sibling are one physical core: what is left of it is no place beside.
    let physical = |cpu: u16| host.cpu(cpu).map(|cpu| cpu.physical);
    let is_whole = |cpu: &u16| cores.iter().all(|core| physical(core) != physical(*cpu));
    let whole: Cpus = beside.iter().filter(is_whole).collect();
    match (is_pinned, whole.is_empty(), beside.is_empty()) {
        (true, false, _) => whole,
        (true, true, false) => beside,
        _ => may,
    }
}

fn far_from(host: &Host, nic: &Nic, cores: &Cpus) -> Option<Note> {
    let node = nic.node?;
    let far = cores.iter().filter(|cpu| host.cpu(*cpu).is_some_and(|cpu| cpu.node != node)).count();
    (far > 0).then(|| Note::FarFromNic { nic: nic.name.clone(), node, cores: far })
}

fn spread_of(host: &Host, nic: &Nic, cores: &Cpus) -> Option<Spread> {
    let cpus = near(host, nic, cores);
    let is_few = nic.rx_queues > 0 && usize::from(nic.rx_queues) < cpus.len();
    is_few.then(|| Spread { nic: nic.name.clone(), queues: nic.rx_queues, cpus })
}

/// Those on the card's own NUMA node, or all if there are none.
fn near(host: &Host, nic: &Nic, cpus: &Cpus) -> Cpus {
    let is_near = |cpu: &u16| nic.node.is_some() && host.cpu(*cpu).map(|cpu| cpu.node) == nic.node;
    let near: Cpus = cpus.iter().filter(is_near).collect();
    if near.is_empty() { cpus.clone() } else { near }
}

/// By queue, not by their order: virtio's is input.0, output.0, input.1…, and with as many queues as CPUs every packet
/// would come in at half of them.
fn steer(host: &Host, nic: &Nic, to: &Cpus) -> Vec<Steer> {
    let to: Vec<u16> = near(host, nic, to).iter().collect();
    let steer = |(interrupt, turn): (&Interrupt, usize)| Steer {
        nic: nic.name.clone(),
        interrupt: interrupt.clone(),
        wanted: to[turn % to.len()],
    };
    nic.interrupts.iter().zip(turns(&queues_of(nic))).map(steer).collect()
}

/// To each queue the CPU of its interrupt; cores that no queue is left for share them in turn. With interrupts on CPUs of their
/// own it is the same, since it is cores that send. A queue without a known interrupt stays as the driver has it.
fn sending_of(host: &Host, nic: &Nic, cores: &Cpus) -> Vec<SendBy> {
    if nic.tx_queues < 2 {
        return Vec::new();
    }
    let near = near(host, nic, cores);
    let cpus: Vec<u16> = near.iter().chain(cores.without(&near).iter()).collect();
    let queues = queues_of(nic);
    let of_line = queues.iter().zip(turns(&queues));
    let sends = of_line.filter_map(|(queue, turn)| Some((queue.filter(|queue| queue.sends)?.number, turn)));
    let sends: BTreeMap<u16, usize> = sends.filter(|(queue, _)| *queue < nic.tx_queues).collect();
    let send_by = |(nth, (queue, turn)): (usize, (&u16, &usize))| {
        let left = cpus.iter().skip(nth).step_by(sends.len()).copied();
        SendBy { nic: nic.name.clone(), queue: *queue, cpus: left.chain([cpus[turn % near.len()]]).collect() }
    };
    sends.iter().enumerate().map(send_by).collect()
}

impl Plan {
    /// Commands for a shell that move interrupts, spread packets and choose queues as planned.
    pub fn commands(&self) -> String {
        let mut text = String::new();
        for Steer { nic, interrupt, wanted } in &self.interrupts {
            text += &format!(
                "echo {wanted} > /proc/irq/{}/smp_affinity_list  # {nic} {}\n",
                interrupt.irq, interrupt.name
            );
        }
        for Spread { nic, queues, cpus } in &self.spread {
            for queue in 0..*queues {
                text += &format!(
                    "echo {} > /sys/class/net/{nic}/queues/rx-{queue}/rps_cpus  # CPUs {cpus}\n",
                    cpus.mask()
                );
            }
        }
        for SendBy { nic, queue, cpus } in &self.sending {
            text += &format!(
                "echo {} > /sys/class/net/{nic}/queues/tx-{queue}/xps_cpus  # CPUs {cpus}\n",
                cpus.mask()
            );
        }
        text
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crowded { cores, cpus } => {
                write!(f, "{cores} cores share {cpus} CPUs, so some of them wait for each other")
            }
            Self::Unpinned { quota_milli, cpus } => write!(
                f,
                "a cgroup grants the time of {}.{} CPUs on {cpus}: cores are not pinned, since all such containers would \
                 be pinned to the same CPUs; a cpuset (Kubernetes: static CPU manager, whole CPUs) gives them their own",
                quota_milli / 1000,
                quota_milli % 1000 / 100
            ),
            Self::Isolated(cpus) => {
                write!(f, "CPUs {cpus} are isolated and idle; name them with --cpus to run cores on them")
            }
            Self::AllIsolated { backplane, store } => write!(
                f,
                "all CPUs of this process are isolated, and the scheduler does not spread threads over such: the backplane is on \
                 {backplane} and the store on {store}; give the process others, or name them with --backplane-cpus and \
                 --store-cpus"
            ),
            Self::FarFromNic { nic, node, cores } => {
                write!(f, "{cores} cores are not on NUMA node {node}, where {nic} is")
            }
        }
    }
}

impl Serialize for Note {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
