//! What the stories are told with.

mod peer;

pub use peer::{Got, Peer, http, upgrade_request};

use corepost::net::Wish;
use corepost::node::{Figures, Node, NodeConfig, Running};
use std::time::{Duration, Instant};

/// A development node on a free port.
pub fn node(cores: usize, driver: Wish) -> Running {
    let listen = "127.0.0.1:0".parse().unwrap();
    Node::start(&NodeConfig { listen, cores, cpus: vec![], driver, development: true }).unwrap()
}

/// The drivers this machine has, for stories that must hold on each.
pub fn drivers() -> Vec<Wish> {
    let uring = corepost::net::choose(Wish::Uring);
    if let Err(refused) = &uring {
        eprintln!("only epoll is tested: {refused}");
    }
    if uring.is_ok() { vec![Wish::Uring, Wish::Epoll] } else { vec![Wish::Epoll] }
}

/// Waits until `holds`, or fails after ten seconds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All cores' figures together. They are about a second old.
pub fn total(node: &Running, of: impl Fn(&Figures) -> u64) -> u64 {
    node.figures().iter().map(of).sum()
}

/// Resident bytes of this process.
pub fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
