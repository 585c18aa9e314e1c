//! What a post counts: every value that goes no further has its reason here.

use crate::cluster::MemberCounts;
use crate::links::Break;
use crate::model::ToSession;
use crate::wire::node_record::{Beside, Down, Says, Up};
use crate::words::words;

words! {
    /// Why a value went no further: `reason` of `corepost_post_drops_total`.
    Drop {
        /// To a home that is not alive: its clients will have another one.
        NotInView = "not_in_view",
        /// To a home without a link: the hello that is due brings what it would have said.
        Superseded = "superseded",
        /// To a gateway by a life of its link that is over.
        StaleVia = "stale_via",
        /// No room where it would have waited.
        NoRoom = "no_room",
        /// An ephemeral message while nothing may be said.
        MayNotSpeak = "may_not_speak",
        /// A record for another start of this node.
        OtherIncarnation = "other_incarnation",
        /// A record of an ordinal that no other node has.
        Stranger = "stranger",
        /// A hello that is not newer than what is known, or has no room.
        OldHello = "old_hello",
        /// Heard before, or of another life of its link.
        Seen = "seen",
        /// Something before it is missing.
        Gap = "gap",
        /// It came over no link.
        NoLink = "no_link",
        /// For a session on a core that we do not have.
        NoCore = "no_core",
        /// Of a client that is at home elsewhere, as far as is known here.
        NotItsHome = "not_its_home",
    }
}

words! {
    /// What a node record is for: `kind` of `corepost_node_records_total`.
    Sort {
        /// A link begins, and the sessions that come with it.
        Hello = "hello",
        /// A session comes, goes, or changes its state.
        Session = "session",
        /// A page for a session that catches up.
        Replay = "replay",
        /// A new message, for all sessions of its recipient at a gateway.
        Deliver = "deliver",
        /// How far a home is: once a second on each link.
        Mark = "mark",
        /// An ephemeral message.
        Ephemeral = "ephemeral",
        /// A question of the HTTP API, or its answer.
        Question = "question",
    }
}

impl Sort {
    pub(super) fn of(says: &Says) -> Self {
        match says {
            Says::Up { value: Up::Hello(_) | Up::More(_), .. } => Self::Hello,
            Says::Up { value: Up::Session { .. }, .. } => Self::Session,
            Says::Down { value: Down::Session { say: ToSession::Replay { .. }, .. }, .. } => Self::Replay,
            Says::Down { value: Down::Session { .. }, .. } => Self::Session,
            Says::Down { value: Down::Deliver { .. }, .. } => Self::Deliver,
            Says::Down { value: Down::Mark { .. }, .. } => Self::Mark,
            Says::Beside(Beside::Whisper { .. } | Beside::Ephemeral { .. }) => Self::Ephemeral,
            Says::Beside(Beside::Question { .. } | Beside::Findings { .. }) => Self::Question,
        }
    }
}

/// What happened, each a number since the start; and what is there now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostCounts {
    /// Of the membership, `views` among them.
    pub members: MemberCounts,
    /// Records of our partition that could be read, whether or not they were obeyed, by the number of [`Sort`].
    pub heard: [u64; Sort::ALL.len()],
    /// Records for other nodes, by the number of [`Sort`].
    pub said: [u64; Sort::ALL.len()],
    /// Links whose life ended, at either end of them, by the number of [`Break`]: `corepost_links_broken_total`.
    pub broken: [u64; Break::ALL.len()],
    /// Values that went no further, by the number of [`Drop`].
    pub dropped: [u64; Drop::ALL.len()],
    /// Hellos said.
    pub hellos_said: u64,
    /// Hellos taken.
    pub hellos_taken: u64,
    /// Records of a newer version.
    pub newer: u64,
    /// Records that no version of ours writes.
    pub damaged: u64,
    /// Now: links to homes.
    pub uplinks: usize,
    /// Now: links from gateways, whole ones.
    pub downlinks: usize,
    /// Now: values that wait until they may be said.
    pub waiting: usize,
    /// Now: their bytes.
    pub waiting_bytes: usize,
}

impl PostCounts {
    pub(super) fn broke(&mut self, why: Break) {
        self.broken[why as usize] += 1;
    }

    pub(super) fn dropped(&mut self, why: Drop) {
        self.dropped[why as usize] += 1;
    }
}
