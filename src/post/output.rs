//! What the post has for its shell to do, in order.

use crate::cluster::{Record, Refusal};
use crate::model::{Parcel, Partition};
use crate::wire::node_record::{NodeRecord, Unreadable};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append this to the cluster log. If the producer gives it up, [`Post::on_unwritten`](super::Post::on_unwritten).
    Append(Record),
    /// Ask for the cluster log's first offset and its end now, again until the broker answers, and pass that to
    /// [`Post::on_end`](super::Post::on_end).
    ReadToEnd {
        /// To be handed back.
        request: u64,
    },
    /// Stop, and exit with [`Refusal::exit_code`].
    Exit(Refusal),
    /// The last word was said: once it is written, the node may go.
    Left,
    /// From now on all records but those of the cluster log are written in this version of the protocol, to other nodes
    /// and to the mailbox log: everybody in the view reads it. Before the first nothing is said to other nodes.
    Speak {
        /// What all speak.
        version: u16,
    },
    /// From now on these partitions are ours.
    Own(Own),
    /// Append this to that ordinal's partition of the node topic. Records to one ordinal keep their order; of one that
    /// the producer does not take or gives up, [`Post::on_given_up`](super::Post::on_given_up) is told.
    ToNode {
        /// The partition.
        ordinal: u16,
        /// What.
        record: NodeRecord,
    },
    /// For one core, behind all that was for it before.
    ToCore {
        /// Below [`Topology::cores`](crate::model::Topology::cores).
        core: u16,
        /// What.
        parcel: Parcel,
    },
    /// For every core, behind all that was for it before.
    ToCores(Parcel),
    /// A record of our node partition says nothing to us: to be logged. Told once of each kind, and counted.
    Unreadable(Unreadable),
}

/// What a node has of the mailbox log. Both ascend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Their clients are at home here.
    pub owned: Vec<Partition>,
    /// They would be, without the node that owns them.
    pub standby: Vec<Partition>,
}
