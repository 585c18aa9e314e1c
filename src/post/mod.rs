//! One node's way to all others: what its cores have for other nodes leaves by here, and what comes for them comes by
//! here (DESIGN.md §6).
//!
//! A pure state machine around three others: [`cluster`](crate::cluster) knows who is alive and who owns what,
//! [`links`](crate::links) numbers what goes and judges what comes, [`wire::node_record`](crate::wire::node_record) is
//! what a record says. The post joins them: it tells the cores where every client's home is, says hello where a link has
//! to begin, tells the two ends of a link's sessions apart by [`Via`](crate::model::Via), and says marks.
//!
//! Always holds: nothing is said to another node unless the node may speak, and a value has its number only as it leaves;
//! a core hears where homes are before anything that follows from it; what another node says changes nothing that is not
//! its own, whatever it says.
//!
//! Reading order: [`Post`], whose methods are the inputs; [`Output`]; `gateway` and `home`, the two sides of this node;
//! `desk`, what both work at; then the small ones.

mod attention;
mod counts;
mod desk;
mod gateway;
mod greetings;
mod handover;
mod heads;
mod home;
mod machine;
mod output;
mod saying;
mod vias;
mod whereabouts;

pub use counts::{Drop, PostCounts, Sort};
pub use machine::{Post, Settings};
pub use output::{Output, Own};

#[cfg(test)]
mod rig;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod toy_core;
