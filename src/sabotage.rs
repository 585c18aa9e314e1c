//! Faults on purpose: each breaks one promise in one place, so that the tests can show that they would notice.
//!
//! Only with the feature `sabotage`, which a release build refuses, and only on a thread that has chosen one.

use std::cell::Cell;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A resume skips the first envelope that was missed.
    ResumeSkipsOne,
    /// A send is acknowledged before the log has spoken.
    AckBeforeLog,
    /// An envelope is written out to whoever has the slot now.
    DeliverToAnyone,
    /// A session that is gone stays attached.
    NeverDetached,
    /// Two recipients of one message are taken for one.
    DedupeWithoutRecipient,
    /// A client is not told that its session has moved on without messages.
    CursorOmitted,
    /// A session that lies behind moves on with those that do not.
    AdvancedWhileBehind,
    /// A reader is served from before what is covered.
    ServedOutsideCoverage,
    /// A partition is served before its dedupe window was read.
    ServedBeforeWindow,
    /// A duplicate opens no window of its own.
    DuplicateOpensNoWindow,
    /// A mark moves who became live in another term.
    MarkOfAnotherTerm,
    /// A session is live when its old home says so, or in answer to an old question.
    StaleLiveObeyed,
    /// A gateway does not look at the echo in marks.
    EchoIgnored,
    /// Links of a node that the view lacks are kept for ever.
    StrangersKept,
    /// A session asks its home once to go on, and never again: neither with new credit nor because nobody has answered.
    NoSecondResume,
    /// Of several incarnations of an ordinal the oldest holds it.
    OldestWins,
    /// A node that drains takes the new route of a partition for the word that it is live there.
    LeavesUnheard,
    /// A node that drains does not say so, and keeps what it owns.
    DrainsUnsaid,
}

impl Sabotage {
    /// Those that show on a node alone.
    pub const ALONE: &[Self] = &[
        Self::ResumeSkipsOne,
        Self::AckBeforeLog,
        Self::DeliverToAnyone,
        Self::NeverDetached,
        Self::DedupeWithoutRecipient,
        Self::CursorOmitted,
        Self::AdvancedWhileBehind,
    ];

    /// Those that show in a cluster.
    pub const CLUSTERED: &[Self] = &[
        Self::ServedOutsideCoverage,
        Self::ServedBeforeWindow,
        Self::DuplicateOpensNoWindow,
        Self::MarkOfAnotherTerm,
        Self::StaleLiveObeyed,
        Self::EchoIgnored,
        Self::StrangersKept,
        Self::NoSecondResume,
        Self::OldestWins,
        Self::LeavesUnheard,
        Self::DrainsUnsaid,
    ];
}

thread_local! {
    static CHOSEN: Cell<Option<Sabotage>> = const { Cell::new(None) };
}

/// From now on this thread has this fault, or none.
pub fn choose(sabotage: Option<Sabotage>) {
    CHOSEN.set(sabotage);
}

/// Whether this thread has this fault.
pub fn is(sabotage: Sabotage) -> bool {
    CHOSEN.get() == Some(sabotage)
}
