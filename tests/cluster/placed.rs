//! Threads of a node in a cluster stay on the CPUs that were named for them, librdkafka's own among them.

use crate::device::{Device, all_live};
use crate::fleet::{Fleet, client_in};
use crate::kafka_support::is_asked_for;
use crate::support::{PATIENCE, eventually};
use crate::threads::threads;
use corepost::host::read_host;
use std::path::Path;

#[test]
fn librdkafkas_threads_run_on_the_cpus_of_the_backplane_and_those_of_the_index_on_the_stores() {
    if !is_asked_for() {
        return;
    }
    let ours: Vec<u16> = read_host(Path::new("/")).ours.iter().collect();
    let [first, second, ..] = ours[..] else { panic!("this test needs two CPUs, and there is {ours:?}") };
    let mut fleet = Fleet::start("placed", 0);
    let place = fleet.place(0).with("cores", 1).with("cpus", first);
    let place = place.with("backplane-cpus", second).with("store-cpus", second);
    fleet.raise_at(place);
    // So that all producers and readers there are have been made.
    let devices: Vec<Device> =
        (0..4).map(|n| Device::new(&fleet.balancer, 0, &client_in(n, "placed"))).collect();
    all_live(&devices, PATIENCE);
    let of_log = ["rdk:", "kafka-", "store", "fjall", "post"];
    let roles = of_log.map(|role| (role, second)).into_iter().chain([("core-", first)]);
    let roles: Vec<(&str, u16)> = roles.collect();
    let process = fleet.node(0).pid();
    // Each thread of ours moves itself when it first runs.
    eventually("all are where they should be", || {
        let threads = threads(process);
        roles.iter().all(|(role, cpu)| {
            let mut of_role = threads.iter().filter(|(name, _)| name.starts_with(role)).peekable();
            of_role.peek().is_some() && of_role.all(|(_, on)| *on == cpu.to_string())
        })
    });
}
