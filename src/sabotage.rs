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
}

impl Sabotage {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::ResumeSkipsOne,
        Self::AckBeforeLog,
        Self::DeliverToAnyone,
        Self::NeverDetached,
        Self::DedupeWithoutRecipient,
        Self::CursorOmitted,
        Self::AdvancedWhileBehind,
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
