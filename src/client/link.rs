//! The state of a client's connection, and what the passing of time means for it.

use super::ending::Parting;
use crate::limits::{CLIENT_SLACK_MS, PING_INTERVAL_MS, PONG_TIMEOUT_MS, RETRY_MOST_MS, WELCOME_MS};

#[derive(Clone, Debug)]
pub(super) enum Link {
    /// No connection; the next attempt is due then.
    Waiting { until_ms: u64 },
    /// The shell was asked for a connection.
    Connecting { deadline_ms: u64 },
    /// Upgraded.
    Open(Open),
    /// The application was asked for a token.
    NeedsToken,
    /// No further attempt.
    Over,
}

/// An open connection.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// When it came to its `welcome`.
    pub(super) welcomed_ms: Option<u64>,
    /// Without a `welcome` by then, or without life by then, it is left.
    pub(super) deadline_ms: u64,
    /// Silence of so long asks for a ping.
    pub(super) quiet_ms: u64,
    pub(super) heard_ms: u64,
    pub(super) pinged: bool,
    /// The moment the server gave for leaving it.
    pub(super) leave_ms: Option<u64>,
    /// A cursor was presented, so that the `welcome` must say what became of it.
    pub(super) presented: bool,
}

/// What time asks of an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    Leave(Parting),
}

impl Open {
    pub(super) fn new(now_ms: u64, presented: bool) -> Self {
        Self {
            welcomed_ms: None,
            deadline_ms: now_ms + WELCOME_MS + CLIENT_SLACK_MS,
            quiet_ms: PING_INTERVAL_MS + CLIENT_SLACK_MS,
            heard_ms: now_ms,
            pinged: false,
            leave_ms: None,
            presented,
        }
    }

    /// The `welcome` came. A server that pings more rarely than ours is given the time it takes.
    pub(super) fn welcome(&mut self, now_ms: u64, ping_interval_ms: Option<u64>) {
        self.welcomed_ms = Some(now_ms);
        self.deadline_ms = u64::MAX;
        if let Some(ping_ms) = ping_interval_ms {
            self.quiet_ms = ping_ms.clamp(1_000, RETRY_MOST_MS) + CLIENT_SLACK_MS;
        }
    }

    /// Something came. It puts off the next ping, but not the time a `welcome` may take.
    pub(super) fn alive(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        if self.pinged {
            self.pinged = false;
            self.deadline_ms = u64::MAX;
        }
    }

    /// A ping goes out: something must come back.
    pub(super) fn ping(&mut self, now_ms: u64) {
        if self.welcomed_ms.is_some() {
            self.pinged = true;
            self.deadline_ms = now_ms + PONG_TIMEOUT_MS;
        }
    }

    /// When the next ping is due.
    pub(super) fn ping_ms(&self) -> Option<u64> {
        (!self.pinged && self.welcomed_ms.is_some()).then_some(self.heard_ms + self.quiet_ms)
    }

    pub(super) fn due(&self, now_ms: u64) -> Due {
        if self.leave_ms.is_some_and(|leave_ms| now_ms >= leave_ms) {
            Due::Leave(Parting::Drained)
        } else if now_ms >= self.deadline_ms {
            Due::Leave(if self.pinged { Parting::DeadPeer } else { Parting::TooSlow })
        } else if self.ping_ms().is_some_and(|ping_ms| now_ms >= ping_ms) {
            Due::Ping
        } else {
            Due::Nothing
        }
    }
}
