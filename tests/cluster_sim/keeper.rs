//! What the shell keeps for one partition that its node reads.

use corepost::log::Read;
use corepost::model::Position;
use corepost::tail::Tail;

/// One opening of one partition.
pub struct Keeper {
    /// Which opening: what was asked in another one is void.
    pub opening: u64,
    /// Its clients are at home here.
    pub is_owned: bool,
    /// `None` until it is known where it begins.
    pub tail: Option<Tail>,
    /// The cores were told that it is served, in this term.
    pub term: Option<u64>,
    pub is_fetching: bool,
    /// The epoch of the newest record that was read: the broker tells by it that the log is another one.
    pub last_epoch: Option<u32>,
    pub head_told: Position,
    pub fresh_told: u64,
    /// A chunk of history is being asked for.
    pub is_filling: bool,
    /// Reads that wait for history.
    pub waiting: Vec<Read>,
}

impl Keeper {
    pub fn new(opening: u64, is_owned: bool) -> Self {
        Self {
            opening,
            is_owned,
            tail: None,
            term: None,
            is_fetching: false,
            last_epoch: None,
            head_told: Position::START,
            fresh_told: 0,
            is_filling: false,
            waiting: Vec::new(),
        }
    }
}
