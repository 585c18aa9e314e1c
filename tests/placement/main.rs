//! Placement from what the kernel shows to what threads do: synthetic hosts, this one, and a real node on it.
#![cfg(feature = "serve")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    reason = "a test, which tells its story with a part of the support"
)]

#[path = "../e2e/support/mod.rs"]
mod support;
mod threads;
mod tree;

use corepost::host::read_host;
use corepost::placement::{Cpus, Host, Picture, Plan, Wishes, plan};
use std::path::Path;
use support::{Place, Session, eventually};
use threads::threads;
use tree::{Shape, Tree};

fn read(tree: &Tree) -> Host {
    read_host(tree.path())
}

fn placed(host: &Host) -> Plan {
    plan(host, &Wishes { is_in_cluster: true, ..Wishes::default() }).unwrap()
}

fn cpus(list: &str) -> Cpus {
    Cpus::parse(list).unwrap()
}

#[test]
fn two_and_eight_cpus() {
    let two = read(&Tree::new("two", &Shape { nodes: 1, physical_per_node: 2, threads: 1 }));
    assert_eq!((two.cpus.len(), two.quota_milli, two.nics.len()), (2, None, 0));
    assert_eq!(placed(&two).cores, [0, 1]);
    let eight = read(&Tree::new("eight", &Shape { nodes: 1, physical_per_node: 8, threads: 1 }));
    let made = placed(&eight);
    assert_eq!((made.cores, made.backplane), ((2..8).collect(), cpus("0,1")));
}

#[test]
fn thirty_two_on_two_numa_nodes_with_a_card_at_the_second() {
    let tree = Tree::new("numa", &Shape { nodes: 2, physical_per_node: 16, threads: 1 });
    let host = read(&tree.with_nic("ens1", 1, 4));
    assert_eq!(host.cpus[20].node, 1);
    let nic = &host.nics[0];
    assert_eq!((nic.name.as_str(), nic.node, nic.rx_queues), ("ens1", Some(1), 4));
    let lines: Vec<_> = nic.interrupts.iter().map(|line| (line.irq, line.name.as_str())).collect();
    assert_eq!(lines, [(60, "ens1-rx-0"), (61, "ens1-rx-1"), (62, "ens1-rx-2"), (63, "ens1-rx-3")]);
    let made = placed(&host);
    assert_eq!(made.backplane, cpus("0-3,16-19"));
    assert_eq!(made.cores[..12], (20..32).collect::<Vec<_>>());
    assert!(made.interrupts.iter().all(|steer| (20..32).contains(&steer.wanted)));
}

#[test]
fn both_interrupts_of_a_virtio_queue_come_to_the_same_cpu() {
    for pairs in [2, 4, 8] {
        let shape = Shape { nodes: 1, physical_per_node: pairs, threads: 1 };
        let host = read(&Tree::new(&format!("virtio-{pairs}"), &shape).with_virtio("eth0", pairs));
        let nic = &host.nics[0];
        assert_eq!((nic.node, nic.rx_queues, nic.tx_queues), (None, pairs, pairs));
        let made = plan(&host, &Wishes { cores: Some(pairs), ..Wishes::default() }).unwrap();
        let dealt: Vec<_> =
            made.interrupts.iter().map(|steer| (steer.interrupt.name.clone(), steer.wanted)).collect();
        let of_pair =
            |pair| [(format!("virtio0-input.{pair}"), pair), (format!("virtio0-output.{pair}"), pair)];
        assert_eq!(dealt, (0..pairs).flat_map(of_pair).collect::<Vec<_>>());
        assert_eq!(made.spread, [], "each core's CPU has a queue");
        let sends: Vec<_> = made.sending.iter().map(|by| (by.queue, by.cpus.to_string())).collect();
        assert_eq!(sends, (0..pairs).map(|pair| (pair, pair.to_string())).collect::<Vec<_>>());
    }
}

#[test]
fn sixty_four_threads_of_thirty_two_physical_cores() {
    let host = read(&Tree::new("smt", &Shape { nodes: 1, physical_per_node: 32, threads: 2 }));
    assert_eq!((host.cpus[40].physical, host.cpus[40].cache), (8, 0));
    let made = placed(&host);
    assert_eq!(made.backplane, cpus("0-7,32-39"), "whole physical cores");
    assert_eq!(made.cores.len(), 48);
    assert_eq!(made.cores[..24], (8..32).collect::<Vec<_>>(), "one thread of each first");
}

#[test]
fn a_container_with_a_quota() {
    let shape = Shape { nodes: 1, physical_per_node: 64, threads: 1 };
    let host = read(&Tree::new("quota", &shape).with_quota("250000 100000"));
    assert_eq!(host.quota_milli, Some(2_500));
    let made = placed(&host);
    assert_eq!((made.cores.len(), made.is_pinned), (2, false));
    let host = read(&Tree::new("unbounded", &shape).with_quota("max 100000"));
    assert_eq!(host.quota_milli, Some(64_000), "that of the cgroup around it");
    assert!(placed(&host).is_pinned);
    assert_eq!(read(&Tree::new("old", &shape).with_old_quota(150_000)).quota_milli, Some(1_500));
    assert_eq!(read(&Tree::new("none", &shape).with_old_quota(-1)).quota_milli, None);
}

#[test]
fn a_cpuset_and_isolated_cpus() {
    let shape = Shape { nodes: 1, physical_per_node: 8, threads: 1 };
    let host = read(&Tree::new("cpuset", &shape).allow("4-7"));
    let made = placed(&host);
    assert_eq!((made.cores, made.store), (vec![4, 5, 6, 7], cpus("4-7")));
    let host = read(&Tree::new("isolated", &shape).allow("0,1").isolate("2-7"));
    let made = placed(&host);
    assert_eq!(made.cores, [0, 1]);
    assert!(made.notes[0].to_string().contains("2-7 are isolated"), "{}", made.notes[0]);
}

#[test]
fn a_host_that_shows_nothing_is_one_cpu() {
    let host = read_host(Path::new("/nowhere"));
    assert_eq!((host.cpus.len(), host.ours.clone()), (1, cpus("0")));
    assert_eq!(placed(&host).cores, [0]);
}

#[test]
fn this_machine_has_a_plan_that_is_printed_as_a_picture_and_as_json() {
    let host = read_host(Path::new("/"));
    assert!(!host.ours.is_empty() && host.ours.iter().all(|cpu| host.cpus.iter().any(|it| it.cpu == cpu)));
    let made = plan(&host, &Wishes::default()).unwrap();
    let shown = Picture { host: &host, plan: &made }.to_string();
    let run = |more: &[&str]| {
        let output = support::corepost().arg("placement").args(more).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), output.stderr)
    };
    // Where interrupts are may change meanwhile.
    let (code, printed, _) = run(&[]);
    assert_eq!((code, printed.lines().next()), (0, shown.lines().next()));
    let (_, json, _) = run(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["plan"]["cores"], serde_json::json!(made.cores));
    assert_eq!(json["host"]["cpus"][0]["cpu"], host.cpus[0].cpu);
    let (code, _, errors) = run(&["--cpus", "900", "--store-cpus", "901"]);
    let errors = String::from_utf8(errors).unwrap();
    assert_eq!((code, errors.matches("is not online").count()), (2, 2), "{errors}");
}

#[test]
fn a_nodes_threads_stay_where_the_plan_has_them() {
    let ours: Vec<u16> = read_host(Path::new("/")).ours.iter().collect();
    let [first, second, ..] = ours[..] else { panic!("this test needs two CPUs, and there is {ours:?}") };
    let place = Place::new("placement").with("cores", 1).with("cpus", first).with("store-cpus", second);
    let server = place.start();
    let mut session = Session::open(server.addr, "client=alice");
    assert_eq!(session.deliver("bob", "1", "x")["type"], "ack");
    let on = |names: &str| -> Vec<String> {
        let threads = threads(server.pid());
        threads.into_iter().filter(|(name, _)| name.starts_with(names)).map(|(_, on)| on).collect()
    };
    // Each moves itself when it first runs: the core, the writer and both readers, and fjall's.
    let are_there = |names: &str, cpu: u16| {
        let on = on(names);
        !on.is_empty() && on.iter().all(|on| *on == cpu.to_string())
    };
    eventually("all are where they should be", || {
        are_there("core-", first) && are_there("store", second) && are_there("fjall", second)
    });
    assert_eq!((on("core-").len(), on("store").len()), (1, 3));
    assert!(server.log().contains("placement"), "{}", server.log());
    server.stop();
}
