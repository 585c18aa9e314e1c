//! What one core counts, as plain numbers: the core adds, `admin` only renders a copy.
//!
//! Every refusal and every drop has a reason here, so that nothing is ever lost without a trace.

mod histogram;

use crate::words::words;

pub use histogram::{Bounds, COMMIT_US, Histogram, SIZES, TURN_US};

words! {
    /// What the log's memory is for: `corepost_memory_bytes{purpose}`.
    LogMemory {
        /// Blocks of tables, read and kept for who reads them next.
        Cache = "log_cache",
        /// Rows that are in no table yet: their bytes, not what keeps them in order.
        Memtables = "log_memtables",
        /// Of each table, where its blocks are and which keys it cannot hold.
        Tables = "log_tables",
        /// Keys of dedupe windows.
        Windows = "log_windows",
    }
}

words! {
    /// Which part of a message's way was timed: `corepost_end_to_end_seconds{stage}`.
    Stage {
        /// From a send's arrival to its ack.
        Ack = "ack",
        /// From append to the frame handed to a live session's socket.
        Deliver = "deliver",
        /// From then to when the kernel has taken it, for each write: none where the socket has room.
        Write = "write",
        /// From a session's upgrade, or from when it fell behind, to its `live` after replay.
        Replay = "replay",
    }
}

words! {
    /// Why something a peer asked was refused: `corepost_refusals_total{reason}`.
    Refusal {
        /// A frame or request that the client can mend.
        BadRequest = "bad_request",
        /// A frame of no known type.
        UnknownType = "unknown_type",
        /// A message over the limit.
        TooLarge = "too_large",
        /// Too many recipients.
        TooManyRecipients = "too_many_recipients",
        /// A recipient that is no client ID.
        BadClientId = "bad_client_id",
        /// No valid credential.
        Unauthorized = "unauthorized",
        /// Not permitted.
        Forbidden = "forbidden",
        /// A rate was exceeded.
        RateLimited = "rate_limited",
        /// A mailbox at its quota.
        MailboxFull = "mailbox_full",
        /// The log could not take it.
        Unavailable = "unavailable",
        /// Our mistake.
        Internal = "internal",
        /// A connection beyond the number in all, or of descriptors.
        TooManyConnections = "too_many_connections",
        /// A connection beyond the number of its address.
        TooManyPerAddress = "too_many_per_address",
        /// A connection beyond the rate.
        ConnectRate = "connect_rate",
        /// A request head that is too large.
        HeadTooLarge = "head_too_large",
        /// A request head that did not come in time.
        HeadTooSlow = "head_too_slow",
        /// A connection from an address in `--proxy-from` without a good PROXY header in time.
        ProxyHeader = "proxy_header",
        /// A TLS handshake that failed, or a plain request where TLS is spoken.
        TlsHandshake = "tls_handshake",
        /// A foreign origin, or proxy headers in development mode.
        ForeignOrigin = "foreign_origin",
        /// A client with as many sessions as it may have.
        TooManySessions = "too_many_sessions",
        /// A cursor that could not be resumed.
        Unresumed = "unresumed",
        /// A WebSocket protocol violation.
        ProtocolViolation = "protocol_violation",
        /// Partial messages of a core at their bound.
        PartialBytes = "partial_bytes",
        /// A partial message past its deadline.
        PartialTooSlow = "partial_too_slow",
        /// A message over what is even skimmed.
        TooBig = "too_big",
        /// A node that is draining.
        Draining = "draining",
        /// A home that did not answer an attach in time.
        NoWelcome = "no_welcome",
        /// A request about a client whose home, on another node, could not be asked or did not answer.
        NoHome = "no_home",
        /// A revocation in the log of a cluster that there was no room for: all tokens as old are refused.
        Unrevoked = "unrevoked",
    }
}

words! {
    /// Why a value was dropped: `corepost_drops_total{reason}`.
    Dropped {
        /// An ephemeral message for a client without a session.
        NobodyThere = "nobody_there",
        /// An ephemeral message for a session that is not live, or whose budget is full.
        NotLive = "not_live",
        /// A parcel for a session that is gone.
        SessionGone = "session_gone",
        /// A parcel whose client is not the session's.
        WrongClient = "wrong_client",
        /// An answer to a question that is not the newest one.
        StaleAsk = "stale_ask",
        /// An envelope at or below the session's position.
        AlreadyGiven = "already_given",
        /// A live envelope for a session that catches up: replay brings it.
        CatchingUp = "catching_up",
        /// An envelope beyond a hole: the session resumes where it stands.
        Hole = "hole",
        /// A duplicate record.
        Duplicate = "duplicate",
        /// A record that cannot be read.
        CorruptRecord = "corrupt_record",
        /// A peer that showed no sign of life.
        DeadPeer = "dead_peer",
        /// An ack or error for a session that is gone.
        AnswerUnheard = "answer_unheard",
        /// An answer of another node's home to a question whose time was over.
        LateAnswer = "late_answer",
    }
}

/// The counters of one core since its start.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Sessions open now.
    pub sessions: u64,
    /// Durable messages accepted from clients and the HTTP API.
    pub received_durable: u64,
    /// Ephemeral messages accepted.
    pub received_ephemeral: u64,
    /// Envelopes written out to sessions as they were appended.
    pub delivered_durable: u64,
    /// Ephemeral messages written out to sessions.
    pub delivered_ephemeral: u64,
    /// Acks written out.
    pub acks: u64,
    /// Envelopes written out to sessions in replay.
    pub replayed: u64,
    /// Times a live session fell behind.
    pub catchups: u64,
    /// Records applied.
    pub records_read: u64,
    /// By [`Refusal`].
    pub refusals: [u64; Refusal::ALL.len()],
    /// By [`Dropped`].
    pub drops: [u64; Dropped::ALL.len()],
    /// Bytes of recent envelopes held.
    pub recent_bytes: u64,
    /// How long each [`Stage`] took, microseconds.
    pub end_to_end_us: [Histogram; Stage::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            sessions: 0,
            received_durable: 0,
            received_ephemeral: 0,
            delivered_durable: 0,
            delivered_ephemeral: 0,
            acks: 0,
            replayed: 0,
            catchups: 0,
            records_read: 0,
            refusals: [0; Refusal::ALL.len()],
            drops: [0; Dropped::ALL.len()],
            recent_bytes: 0,
            end_to_end_us: [const { Histogram::new(COMMIT_US) }; Stage::ALL.len()],
        }
    }
}

impl Counters {
    /// Something was refused.
    pub fn refuse(&mut self, why: Refusal) {
        self.refusals[why as usize] += 1;
    }

    /// A part of a message's way took so many milliseconds: as fine as a turn's clock.
    #[inline]
    pub fn took(&mut self, stage: Stage, ms: u64) {
        self.end_to_end_us[stage as usize].observe(ms * 1_000);
    }

    /// Something was dropped.
    pub fn drop(&mut self, why: Dropped) {
        self.drops[why as usize] += 1;
    }
}
