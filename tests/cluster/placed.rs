//! Threads of a node in a cluster stay on the CPUs that were named for them, librdkafka's own among them.

use crate::device::{Device, all_live};
use crate::fleet::{Fleet, client_in};
use crate::kafka_support::is_asked_for;
use crate::support::PATIENCE;
use crate::threads::threads;
use corepost::host::read_host;
use std::path::Path;

#[test]
fn librdkafkas_threads_run_on_the_cpus_of_the_backplane_and_those_of_the_index_on_the_stores() {
    if !is_asked_for() {
        return;
    }
    let ours: Vec<u16> = read_host(Path::new("/")).ours.iter().collect();
    let [first, second] = ours[..2] else { panic!("this test needs two CPUs, and there is {ours:?}") };
    let mut fleet = Fleet::start("placed", 0);
    let place = fleet.place(0).with("cores", 1).with("cpus", first);
    let place = place.with("backplane-cpus", second).with("store-cpus", second);
    fleet.raise_at(place);
    // So that all producers and readers there are have been made.
    let devices: Vec<Device> =
        (0..4).map(|n| Device::new(&fleet.balancer, 0, &client_in(n, "placed"))).collect();
    all_live(&devices, PATIENCE);
    let threads = threads(fleet.node(0).pid());
    let is_of_core = |name: &str| name.starts_with("core-");
    let of_log = ["rdk:", "kafka-", "store", "fjall", "post"];
    for prefix in of_log {
        assert!(threads.iter().any(|(name, _)| name.starts_with(prefix)), "{prefix}: {threads:?}");
    }
    for (name, on) in &threads {
        let named = if is_of_core(name) {
            Some(first)
        } else {
            of_log.iter().any(|p| name.starts_with(p)).then_some(second)
        };
        if let Some(cpu) = named {
            assert_eq!(*on, cpu.to_string(), "{name}: {threads:?}");
        }
    }
}
