//! Plans of hosts that are written down here; trees of sysfs are in `tests/placement`.

use super::*;
use proptest::prelude::*;

/// A host of so many NUMA nodes, physical cores on each, and threads of each, numbered as Linux does on most: first threads of
/// all, then siblings.
fn host(nodes: u16, physical: u16, threads: u16) -> Host {
    let all = nodes * physical;
    let cpus: Vec<Cpu> = (0..all * threads)
        .map(|cpu| {
            let first = cpu % all;
            Cpu { cpu, physical: first, node: first / physical, cache: first / physical * physical }
        })
        .collect();
    Host { ours: cpus.iter().map(|cpu| cpu.cpu).collect(), cpus, ..Host::default() }
}

fn cpus(list: &str) -> Cpus {
    Cpus::parse(list).unwrap()
}

fn alone() -> Wishes {
    Wishes::default()
}

fn in_cluster() -> Wishes {
    Wishes { is_in_cluster: true, ..Wishes::default() }
}

#[test]
fn a_small_host_is_shared_by_all() {
    let made = plan(&host(1, 2, 1), &in_cluster()).unwrap();
    assert_eq!((made.cores, made.is_pinned, made.is_named), (vec![0, 1], true, false));
    assert_eq!((made.backplane.to_string(), made.store.to_string()), ("0,1".into(), "0,1".into()));
    assert_eq!(made.notes, []);
}

#[test]
fn a_larger_one_keeps_whole_physical_cores_for_kafka_and_store() {
    let made = plan(&host(1, 8, 2), &in_cluster()).unwrap();
    assert_eq!(made.cores, [2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15]);
    assert_eq!(made.backplane, cpus("0,1,8,9"));
    assert_eq!(made.store, made.backplane);
    assert_eq!(plan(&host(1, 4, 2), &in_cluster()).unwrap().cores.len(), 8, "too small for that");
    assert_eq!(plan(&host(1, 8, 1), &alone()).unwrap().store, cpus("0"));
}

#[test]
fn what_is_kept_is_taken_from_each_numa_node_in_turn() {
    let made = plan(&host(2, 16, 1), &in_cluster()).unwrap();
    assert_eq!(made.backplane, cpus("0-3,16-19"));
    assert_eq!(made.cores.len(), 24);
}

#[test]
fn fewer_cores_than_cpus_share_no_physical_core() {
    let made = plan(&host(1, 4, 2), &Wishes { cores: Some(3), ..in_cluster() }).unwrap();
    assert_eq!(made.cores, [0, 1, 2]);
    assert_eq!(made.store, cpus("3,7"), "siblings of cores are no place beside them");
}

#[test]
fn a_core_on_each_cpu_is_given_to_who_asks_for_it() {
    let made = plan(&host(1, 4, 1), &Wishes { cores: Some(4), ..in_cluster() }).unwrap();
    assert_eq!((made.cores, made.store), (vec![0, 1, 2, 3], cpus("0-3")));
    let more = plan(&host(1, 4, 1), &Wishes { cores: Some(6), ..in_cluster() }).unwrap();
    assert_eq!(more.cores, [0, 1, 2, 3, 0, 1]);
    assert_eq!(more.notes, [Note::Crowded { cores: 6, cpus: 4 }]);
}

#[test]
fn lists_are_obeyed_and_cores_keep_off_them() {
    let wishes = Wishes { backplane: Some(cpus("2")), store: Some(cpus("3")), ..in_cluster() };
    let made = plan(&host(1, 4, 1), &wishes).unwrap();
    assert_eq!((made.cores, made.backplane, made.store), (vec![0, 1], cpus("2"), cpus("3")));
    let listed = Wishes { core_cpus: Some(vec![3, 1]), cores: Some(3), ..alone() };
    assert_eq!(plan(&host(1, 4, 1), &listed).unwrap().cores, [3, 1, 3]);
    let store_named = Wishes { store: Some(cpus("7")), ..in_cluster() };
    let made = plan(&host(1, 9, 1), &store_named).unwrap();
    assert_eq!((made.backplane, made.cores.len()), (cpus("0,1"), 6), "the backplane still has its own");
}

#[test]
fn impossible_wishes_are_told_all_at_once() {
    let half = Host { ours: cpus("0,1"), ..host(1, 4, 1) };
    let wishes = Wishes {
        core_cpus: Some(vec![0, 9]),
        backplane: Some(cpus("2")),
        store: Some(cpus("1")),
        interrupts: Some(cpus("3,8")),
        ..in_cluster()
    };
    let told = plan(&half, &wishes).unwrap_err();
    let about: Vec<_> = told.iter().map(Impossible::setting).collect();
    assert_eq!(about, ["cpus", "backplane_cpus", "irq_cpus"], "{told:?}");
    assert!(told[0].to_string().contains("CPU 9, which is not online; these are: 0-3"), "{}", told[0]);
    assert!(told[1].to_string().contains("may not use; affinity and cpuset leave it 0,1"), "{}", told[1]);
    let all = Wishes { store: Some(cpus("0-3")), ..alone() };
    let told = plan(&host(1, 4, 1), &all).unwrap_err();
    assert_eq!(told, [Impossible::NothingLeft { taken: cpus("0-3") }]);
}

#[test]
fn a_quota_runs_as_many_cores_as_it_grants_and_pins_none() {
    let contained = Host { quota_milli: Some(2_500), ..host(1, 64, 1) };
    let made = plan(&contained, &in_cluster()).unwrap();
    assert_eq!((made.cores.len(), made.is_pinned), (2, false));
    assert_eq!(made.store, contained.ours);
    assert!(made.notes[0].to_string().contains("the time of 2.5 CPUs on 64"), "{}", made.notes[0]);
    // Named CPUs are meant.
    let made = plan(&contained, &Wishes { core_cpus: Some(vec![7]), ..alone() }).unwrap();
    assert!(made.is_pinned && made.is_named && made.cores == [7]);
    let roomy = Host { quota_milli: Some(64_000), ..contained };
    assert!(plan(&roomy, &alone()).unwrap().is_pinned, "no less than there is");
}

#[test]
fn isolated_cpus_run_cores_if_there_are_no_others_or_they_are_named() {
    let isolated = Host { isolated: cpus("2-3"), ..host(1, 4, 1) };
    let made = plan(&isolated, &in_cluster()).unwrap();
    assert_eq!((made.cores, made.notes), (vec![0, 1], vec![Note::Isolated(cpus("2,3"))]), "whose are they?");
    let given = Host { ours: cpus("2,3"), ..isolated };
    let made = plan(&given, &in_cluster()).unwrap();
    assert_eq!((&made.cores[..], &made.backplane, &made.store), (&[2, 3][..], &cpus("2"), &cpus("3")));
    assert_eq!(made.notes, [Note::AllIsolated { backplane: cpus("2"), store: cpus("3") }]);
    let outside = Host { ours: cpus("0,1"), ..given };
    let named = plan(&outside, &Wishes { core_cpus: Some(vec![2, 3]), ..alone() }).unwrap();
    assert_eq!((named.cores, named.store), (vec![2, 3], cpus("0,1")));
}

#[test]
fn where_all_is_isolated_backplane_and_store_have_one_cpu_each() {
    let isolated = |physical: u16, threads: u16| {
        let all = host(1, physical, threads);
        Host { isolated: all.ours.clone(), ..all }
    };
    let made = plan(&isolated(12, 2), &in_cluster()).unwrap();
    assert_eq!((made.backplane, made.store), (cpus("0"), cpus("1")), "of two physical cores");
    assert_eq!(made.cores, (2..12).chain(14..24).collect::<Vec<_>>(), "which are theirs alone");
    let made = plan(&isolated(12, 1), &alone()).unwrap();
    assert_eq!((made.store, made.cores.len()), (cpus("0"), 11), "there is no backplane");
    let fewer = plan(&isolated(4, 2), &Wishes { cores: Some(3), ..in_cluster() }).unwrap();
    assert_eq!((fewer.backplane, fewer.store), (cpus("3"), cpus("7")), "beside the cores");
    let one = plan(&isolated(1, 1), &in_cluster()).unwrap();
    assert_eq!((one.backplane, one.store), (cpus("0"), cpus("0")));
    let named = Wishes { backplane: Some(cpus("0-3")), store: Some(cpus("4,5")), ..in_cluster() };
    let made = plan(&isolated(12, 1), &named).unwrap();
    assert_eq!(
        (made.backplane, made.store, made.notes),
        (cpus("0-3"), cpus("4,5"), vec![]),
        "as it is meant"
    );
}

fn nic(node: u16, queues: u16) -> Nic {
    let interrupts = (0..queues)
        .map(|n| Interrupt { irq: 40 + u32::from(n), name: format!("eth0-{n}"), now: cpus("0-63") })
        .collect();
    Nic { name: "eth0".into(), node: Some(node), rx_queues: queues, tx_queues: queues, interrupts }
}

#[test]
fn interrupts_go_to_cores_near_the_card_and_cores_begin_there() {
    let wired = Host { nics: vec![nic(1, 4)], ..host(2, 4, 1) };
    let made = plan(&wired, &Wishes { cores: Some(2), ..alone() }).unwrap();
    assert_eq!(made.cores, [4, 5], "on the card's NUMA node");
    let wanted: Vec<u16> = made.interrupts.iter().map(|steer| steer.wanted).collect();
    assert_eq!(wanted, [4, 5, 4, 5]);
    let dedicated = Wishes { interrupts: Some(cpus("7")), ..alone() };
    let made = plan(&wired, &dedicated).unwrap();
    assert!(!made.cores.contains(&7) && made.interrupts.iter().all(|steer| steer.wanted == 7));
    let one_queue = Host { nics: vec![nic(0, 1)], ..host(1, 4, 1) };
    let made = plan(&one_queue, &alone()).unwrap();
    assert_eq!(made.spread, [Spread { nic: "eth0".into(), queues: 1, cpus: cpus("0-3") }]);
    let commands = made.commands();
    assert!(commands.contains("echo 0 > /proc/irq/40/smp_affinity_list"), "{commands}");
    assert!(commands.contains("echo f > /sys/class/net/eth0/queues/rx-0/rps_cpus"), "{commands}");
}

#[test]
fn cores_send_by_the_queue_whose_interrupt_they_handle() {
    let sending = |host: &Host, wishes: &Wishes| -> Vec<String> {
        plan(host, wishes).unwrap().sending.iter().map(|by| format!("{}: {}", by.queue, by.cpus)).collect()
    };
    let wired = Host { nics: vec![nic(1, 4)], ..host(2, 4, 1) };
    let two = Wishes { cores: Some(2), ..alone() };
    assert_eq!(sending(&wired, &two), ["0: 4", "1: 5", "2: 4", "3: 5"], "more queues than cores");
    let dedicated = Wishes { interrupts: Some(cpus("7")), ..alone() };
    assert_eq!(sending(&wired, &dedicated), ["0: 1,4", "1: 2,5", "2: 3,6", "3: 0,4"], "the far ones, too");
    let few = Host { nics: vec![nic(0, 2)], ..host(1, 4, 1) };
    assert_eq!(sending(&few, &alone()), ["0: 0,2", "1: 1,3"], "fewer queues than cores");
    let commands = plan(&few, &alone()).unwrap().commands();
    assert!(commands.contains("echo 5 > /sys/class/net/eth0/queues/tx-0/xps_cpus  # CPUs 0,2"), "{commands}");
    let one = Host { nics: vec![nic(0, 1)], ..host(1, 4, 1) };
    assert_eq!(sending(&one, &alone()).len(), 0, "there is nothing to choose");
    let hidden = Host { nics: vec![Nic { interrupts: Vec::new(), ..nic(0, 4) }], ..host(1, 4, 1) };
    assert_eq!(sending(&hidden, &alone()).len(), 0, "nobody knows whose interrupt is where");
}

#[test]
fn the_picture_names_everybody_where_they_are() {
    let wired = Host { nics: vec![nic(0, 1)], ..host(1, 4, 2) };
    let made = plan(&wired, &Wishes { cores: Some(6), ..in_cluster() }).unwrap();
    let shown = Picture { host: &wired, plan: &made }.to_string();
    for part in [
        "host: 8 CPUs online on 4 physical cores, 1 NUMA node; ours: 0-7",
        "plan: 6 cores, one CPU each; backplane on 6,7; store on 6,7",
        "NUMA node 0: eth0 with 1 queue",
        "CPU 0: core 0, irq ",
        "   CPU 4: core 4\n",
        "CPU 6: backplane, store",
        "eth0 irq 40 (eth0-0): on 0-63, wanted on 0",
        "eth0 has 1 receive queue: more (ethtool -L), or its packets spread over CPUs 0-5 (RPS)",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let wired = Host { nics: vec![nic(0, 2)], ..host(1, 4, 1) };
    let shown = Picture { host: &wired, plan: &plan(&wired, &alone()).unwrap() }.to_string();
    assert!(shown.contains("eth0 queue tx-1: what CPUs 1,3 send (XPS)\n"), "{shown}");
}

proptest! {
    /// Whatever the host and the wishes: a plan names only what there is, everybody has a place, and pinned cores have CPUs
    /// of their own as long as there are enough.
    #[test]
    fn every_plan_is_possible(
        (nodes, physical, threads) in (1..4_u16, 1..20_u16, 1..3_u16),
        ours in any::<u64>(),
        isolated in any::<u64>(),
        quota in prop::option::of(100..70_000_u32),
        cores in prop::option::of(1..80_u16),
        store in prop::option::of(any::<u64>()),
        is_in_cluster in any::<bool>(),
    ) {
        let mut host = host(nodes, physical, threads);
        let of_bits = |bits: u64| (0..64).filter(|bit| bits >> bit & 1 == 1).collect::<Cpus>();
        let some = host.ours.and(&of_bits(ours));
        host.ours = if some.is_empty() { host.ours } else { some };
        host.isolated = host.online().and(&of_bits(isolated & isolated >> 7));
        host.quota_milli = quota;
        let store = store.map(|bits| host.ours.and(&of_bits(bits))).filter(|cpus| !cpus.is_empty());
        let wishes = Wishes { cores, store, is_in_cluster, ..Wishes::default() };
        let Ok(made) = plan(&host, &wishes) else {
            prop_assert!(wishes.store.is_some(), "nothing was wished for that could be impossible");
            return Ok(());
        };
        let may = host.ours.or(&host.isolated);
        prop_assert!(!made.cores.is_empty() && !made.backplane.is_empty() && !made.store.is_empty());
        prop_assert!(made.cores.iter().all(|cpu| may.has(*cpu)));
        prop_assert!(made.backplane.without(&may).is_empty() && made.store.without(&may).is_empty());
        prop_assert_eq!(cores.map_or(made.cores.len(), usize::from), made.cores.len());
        let distinct: Cpus = made.cores.iter().copied().collect();
        let is_crowded = made.notes.iter().any(|note| matches!(note, Note::Crowded { .. }));
        prop_assert_eq!(distinct.len() < made.cores.len(), is_crowded);
        let is_balanced = !host.ours.without(&host.isolated).is_empty();
        prop_assert!(is_balanced || made.backplane.len() == 1);
        if let Some(store) = &wishes.store {
            prop_assert_eq!(store, &made.store);
            prop_assert!(!made.is_pinned || made.cores.iter().all(|cpu| !store.has(*cpu)));
        }
    }
}
