//! What a gateway and a home on two nodes say to each other: in order, each once, and no loss goes unnoticed.
//!
//! Between nodes a value travels as a record in the other node's partition, where records may be lost, doubled and
//! passed by later ones. A *link* makes of that what a call is on one node: it has a generation, chosen by the gateway,
//! and a dense number each way. A number that was seen is dropped, a missing one breaks the link, and so does silence;
//! then the gateway says `hello`, which begins a generation and tells the home of all its sessions there. So the last
//! record before a long silence may be lost too, and no message is (DESIGN.md §6).
//!
//! Always holds: of one generation each end obeys the other's values in the order they were said, without a gap. What
//! the values are is nobody's concern here, nor how they travel; a home that is its own gateway runs the same machine.
//!
//! Reading order: [`Uplink`] and [`Downlink`], one link's two ends; [`Uplinks`] and [`Downlinks`], a node's.

mod downlink;
mod downlinks;
mod uplink;
mod uplinks;

pub use downlink::Downlink;
pub use downlinks::{Downlinks, Mark};
pub use uplink::Uplink;
pub use uplinks::Uplinks;

use crate::model::Peer;
use crate::words::words;
use std::collections::BTreeMap;

/// How long a gateway waits for a mark, and for the echo of what it said. Marks come once a second.
pub const PATIENCE_MS: u64 = 3_000;

/// Most links of a node each way: twice the ordinals there can be, as each may be there as the one that left and the
/// one that came. A hello beyond is dropped, and said again [`PATIENCE_MS`] later.
pub const LINKS: usize = 2_048;

/// Since when a node is alive: the offset of the membership record that made it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since(pub u64);

/// Who is alive. Of each ordinal one start at most.
pub type Alive = BTreeMap<Peer, Since>;

words! {
    /// `reason` of `corepost_links_broken_total`: why a link's life has ended.
    Break {
        /// A number is missing.
        Gap = "gap",
        /// The home has not heard what was said to it.
        Echo = "echo",
        /// No mark came.
        Silence = "silence",
        /// The other node left and came back, or this one did.
        Since = "since",
        /// The other node is not alive.
        Gone = "gone",
        /// Records of this node's partition were deleted before they were read.
        Range = "range",
        /// Something that was to be said on it was lost before it left this node.
        Unsaid = "unsaid",
    }
}

/// What is to be done with a value that came over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Heard {
    /// It is the next one.
    Obey,
    /// It was heard before, or belongs to another life of the link.
    Drop,
    /// Something before it is missing. The link's life is over.
    Broken,
    /// There is no such link.
    Unknown,
}

/// Judges the next number of one direction, of which `heard` was the last.
fn judge(heard: &mut u64, number: u64) -> Heard {
    match number.checked_sub(*heard) {
        None | Some(0) => Heard::Drop,
        Some(1) => {
            *heard = number;
            Heard::Obey
        }
        Some(_) => Heard::Broken,
    }
}

#[cfg(test)]
mod stories;
