//! Clients of a cluster whose home is one certain node, worked out as the nodes do.

use crate::args::Args;
use corepost::cluster::Assignment;
use corepost::model::{IdRef, Topology};

/// The IDs from `first` on of as many clients as a mode may number from 0 on. Without `--home` none.
pub fn at_home(args: &Args, first: u64) -> Result<Vec<u64>, String> {
    let Some(home) = args.home else { return Ok(Vec::new()) };
    let topology = Topology::new(args.partitions.max(1), 1);
    let assignment = Assignment::new(topology.partitions(), &args.nodes);
    if assignment.owned_by(home).next().is_none() {
        return Err(format!("node {home} would be nobody's home; --nodes lists all nodes"));
    }
    let lives_there = |id: &u64| {
        let text = format!("{id:016x}");
        let id = IdRef::new(&text).expect("sixteen digits are an ID");
        assignment.owner(topology.place(id).partition) == Some(home)
    };
    Ok((first..).filter(lives_there).take(args.skip + args.sockets).collect())
}
