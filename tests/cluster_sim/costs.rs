//! What a message costs in records, in clusters of 1 to 100 nodes: DESIGN.md §3.6 in numbers.
//!
//! A message is one record of the mailbox log, read by its home alone, and one record for each *other* gateway that holds a
//! session of its recipient. What nodes say to each other whatever is sent is counted apart.

use crate::plan::Plan;
use crate::world::World;
use corepost::model::ClientId;
use corepost::wire::node_record::{Down, NodeRecord, Says, Unreadable};
use std::collections::BTreeSet;

/// Records so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    /// Of the mailbox log: written, read by the home that serves the partition, and read otherwise.
    pub mail_written: u64,
    pub mail_read: u64,
    pub mail_reread: u64,
    /// Of the nodes' topic, as they are read: deliveries, marks, and all else (hellos, attaches, asks, answers).
    pub delivers: u64,
    pub marks: u64,
    pub others: u64,
    /// Of the cluster log, over all readers.
    pub cluster_read: u64,
}

impl Costs {
    /// A node reads a record of its partition.
    pub fn count(&mut self, read: &Result<NodeRecord, Unreadable>) {
        let count = match read.as_ref().map(|record| &record.says) {
            Ok(Says::Down { value: Down::Deliver { .. }, .. }) => &mut self.delivers,
            Ok(Says::Down { value: Down::Mark { .. }, .. }) => &mut self.marks,
            _ => &mut self.others,
        };
        *count += 1;
    }
}

/// A cluster of so many nodes in which nothing goes wrong, when all sessions are live.
fn at_rest(nodes: u16) -> World {
    let usual = Plan::of(u64::from(nodes));
    let mut world = World::new(Plan {
        nodes,
        cores: 1,
        partitions: 128,
        clients: 12,
        devices: 30,
        storm_ms: 0,
        faults: Vec::new(),
        node_losses: 0,
        older: 0,
        standby: false,
        outbound_bytes: 64_000,
        tick_ms: 200,
        kafka_ms: 2,
        ..usual
    });
    world.is_rough = false;
    world.populate();
    world.pass(15_000);
    assert!(world.devices.iter().all(|device| device.client.is_welcome()), "everybody is there");
    world
}

impl World {
    /// Nodes that hold a session of that client and are not its home.
    fn other_gateways(&self, client: &ClientId) -> usize {
        let partition = self.partition(client);
        let served = (0..self.conns.len()).filter(|&at| self.conns[at].is_served);
        let hosts: BTreeSet<u32> =
            served.filter(|&at| self.conns[at].client == *client).map(|at| self.hosts[at]).collect();
        let is_home = |life: &&u32| self.processes[*life].own.owned.contains(&partition);
        hosts.iter().filter(|life| !is_home(life)).count()
    }
}

#[test]
fn a_message_costs_one_record_at_its_home_and_one_for_each_other_gateway_however_many_nodes_there_are() {
    const MESSAGES: u64 = 300;
    println!("    |      records per message      |   records per second, over all nodes");
    println!("  n | written home gateways (other) |  marks  the rest  cluster log");
    // A hundred nodes take a while unless they are optimised, as they are where many seeds are asked for.
    let most = if std::env::var_os("COREPOST_SEEDS").is_some() { 100 } else { 32 };
    for nodes in [1, 2, 4, 6, 10, 32, 100].into_iter().filter(|&nodes| nodes <= most) {
        let mut world = at_rest(nodes);
        let (before, began_ms) = (world.costs, world.now.mono_ms);
        let mut gateways = 0;
        for _ in 0..MESSAGES {
            let (device, to) = (world.pick_device().expect("there are some"), world.pick_client());
            gateways += world.other_gateways(&to) as u64;
            world.say(device, vec![to], false);
            world.pass(10);
        }
        world.pass(1_000);
        let seconds = (world.now.mono_ms - began_ms) as f64 / 1_000.0;
        let costs = world.costs;
        let each = |now: u64, then: u64| (now - then) as f64 / MESSAGES as f64;
        let per_s = |now: u64, then: u64| (now - then) as f64 / seconds;
        println!(
            "{nodes:>3} | {:>7.3} {:>4.3} {:>8.3} {:>7.3} | {:>6.1} {:>9.1} {:>12.1}",
            each(costs.mail_written, before.mail_written),
            each(costs.mail_read, before.mail_read),
            each(costs.delivers, before.delivers),
            gateways as f64 / MESSAGES as f64,
            per_s(costs.marks, before.marks),
            per_s(costs.others, before.others),
            per_s(costs.cluster_read, before.cluster_read),
        );
        assert_eq!(costs.mail_written - before.mail_written, MESSAGES);
        assert_eq!(costs.mail_read - before.mail_read, MESSAGES, "each is read once, by its home");
        assert_eq!(costs.mail_reread, before.mail_reread, "and by nobody else");
        assert_eq!(costs.delivers - before.delivers, gateways, "and said once to each other gateway");
    }
}
