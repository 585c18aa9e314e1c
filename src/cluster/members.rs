//! One node's membership: what it says in the cluster log, and what the log makes of it.
//!
//! A pure state machine. Inputs are records of the log, answers, ticks; outputs are values that the shell carries out in
//! order. It speaks only while it knows the log to its end, and claims only what nobody holds. Once it has said
//! [`Output::Exit`] or [`Output::Left`] it says nothing more.
//!
//! The shell: reads the topic from its first offset and hands in every record with its offset; asks the broker for first
//! offset and end *after* each [`Output::ReadToEnd`]; ticks every [`ALIVE_MS`](crate::limits::ALIVE_MS); writes by one idempotent producer.

use super::claim::{Claim, FirstEnd, gives_way, is_free};
use super::reading::Reading;
use super::{
    Constants, Fold, FoldCounts, Incarnation, Protocols, Raw, Record, Refusal, Say, Taken, Unreadable, View,
};
use crate::limits::{ALIVES_UNSEEN, CLUSTER_PARTITIONS, NODE_TIMEOUT_LEAST_MS, NODE_TIMEOUT_MOST_MS, NODES};
use std::sync::Arc;

/// Who a node is and what it was configured with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Its ordinal, below [`NODES`].
    pub ordinal: u16,
    /// Which start it is, by its own clock; [`Members::incarnation`] may be greater.
    pub incarnation: Incarnation,
    /// What it can speak.
    pub protocols: Protocols,
    /// What must be equal on all nodes.
    pub constants: Constants,
}

/// One thing for the shell to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append this to the cluster log: [`Record::VERSION`] and [`Record::value`]. At most [`ALIVES_UNSEEN`] wait for it.
    Say(Record),
    /// Ask for the log's first offset and its end now, again until the broker answers, and pass that to
    /// [`Members::on_end`].
    ReadToEnd {
        /// To be handed back.
        request: u64,
    },
    /// These are alive. It differs from the one before, be it only in a `since`.
    View(Arc<View>),
    /// Stop, and exit with [`Refusal::exit_code`].
    Exit(Refusal),
    /// The last word was said: once it is written, the node may go.
    Left,
}

/// What became of the assignment of the node's own partition of the node topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodePartition {
    /// Its end was asked for and it is assigned at that very offset: nothing said to this node can be missed.
    Assigned,
    /// The topic has only so many partitions, and none of this ordinal.
    Missing {
        /// How many.
        partitions: u32,
    },
}

/// What happened, each a number since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberCounts {
    /// Of the fold.
    pub fold: FoldCounts,
    /// Times the loop was late.
    pub late: u64,
    /// Ticks at which nothing was said because too much was under way.
    pub withheld: u64,
    /// Views told.
    pub views: u64,
    /// Answers to requests that were not the newest.
    pub stale_ends: u64,
}

/// A node's membership.
#[derive(Debug)]
pub struct Members {
    me: Settings,
    incarnation: Incarnation,
    /// The highest other incarnation of this ordinal in the log.
    highest: Option<Incarnation>,
    fold: Fold,
    reading: Reading,
    claim: Claim,
    has_node_partition: bool,
    /// A tick has come and nothing was said yet: the one record that waits while it may not speak.
    is_due: bool,
    has_spoken: bool,
    /// It says with each word that it is about to go. For life.
    is_leaving: bool,
    /// Records said and neither seen in the log nor given up.
    unseen: u32,
    view: Arc<View>,
    /// The fold's view may be another than the one told.
    is_news: bool,
    counts: MemberCounts,
}

impl Settings {
    /// Why this node and that one cannot be in one cluster.
    pub(super) fn contradiction(
        &self,
        node: u16,
        protocols: Protocols,
        constants: Constants,
    ) -> Option<Refusal> {
        let differences = self.constants.differences(constants);
        if !differences.is_empty() {
            return Some(Refusal::OtherConstants { node, differences });
        }
        let refusal = Refusal::NoCommonProtocol { node, ours: self.protocols, theirs: protocols };
        (!self.protocols.meet(protocols)).then_some(refusal)
    }
}

impl Members {
    /// A node that starts.
    ///
    /// Panics if a setting is out of its bounds: they were checked with the configuration.
    pub fn new(me: Settings, now_ms: u64, out: &mut Vec<Output>) -> Self {
        let Constants { partitions, node_timeout_ms, log_epoch: _ } = me.constants;
        assert!(usize::from(me.ordinal) < NODES, "ordinal {} is none of a node", me.ordinal);
        assert!((1..=CLUSTER_PARTITIONS).contains(&partitions), "{partitions} partitions");
        assert!(
            (NODE_TIMEOUT_LEAST_MS..=NODE_TIMEOUT_MOST_MS).contains(&node_timeout_ms),
            "node_timeout {node_timeout_ms} ms"
        );
        assert!(me.protocols.min <= me.protocols.max, "a node speaks at least one version");
        let reading = Reading::new(node_timeout_ms, now_ms);
        out.push(Output::ReadToEnd { request: reading.request() });
        Self {
            me,
            incarnation: me.incarnation,
            highest: None,
            fold: Fold::new(node_timeout_ms),
            reading,
            claim: Claim::Looking(None),
            has_node_partition: false,
            is_due: false,
            has_spoken: false,
            is_leaving: false,
            unseen: 0,
            view: Arc::default(),
            is_news: false,
            counts: MemberCounts::default(),
        }
    }

    /// The next record of the cluster log.
    pub fn on_record(&mut self, raw: Raw<'_>, now_ms: u64, out: &mut Vec<Output>) {
        self.enter(now_ms, out);
        let Taken { said, begins, is_new_view } = self.fold.take(raw);
        self.is_news |= is_new_view;
        if begins {
            self.count_anew();
        }
        if let Some(refusal) = self.hear(&raw, said) {
            return self.end(refusal, out);
        }
        self.settle(out);
    }

    /// The answer to [`Output::ReadToEnd`]: the log held the offsets from `start` to below `end`.
    pub fn on_end(&mut self, request: u64, start: u64, end: u64, now_ms: u64, out: &mut Vec<Output>) {
        self.enter(now_ms, out);
        if !self.reading.answer(request, end) {
            self.counts.stale_ends += 1;
            return;
        }
        // An empty log has no record to tell the fold where it stands.
        if start == end && self.fold.next().is_none_or(|next| next < end) {
            self.fold.begin(end);
            self.is_news = true;
            self.count_anew();
        }
        self.settle(out);
    }

    /// The consumer was told that what it read is not what the log holds, or that its place is gone. It goes on at the
    /// log's first offset.
    pub fn on_lost_place(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.enter(now_ms, out);
        self.fold.lose_place();
        if self.claim != Claim::Over {
            self.reading.ask();
            out.push(Output::ReadToEnd { request: self.reading.request() });
        }
    }

    /// The node's own partition was looked for. Nothing is claimed before it is assigned.
    pub fn on_node_partition(&mut self, found: NodePartition, now_ms: u64, out: &mut Vec<Output>) {
        self.enter(now_ms, out);
        match found {
            NodePartition::Assigned => self.has_node_partition = true,
            NodePartition::Missing { partitions } => {
                self.end(Refusal::NoNodePartition { ordinal: self.me.ordinal, partitions }, out);
            }
        }
    }

    /// The producer has given up an `alive` or `look`: it will not come, or nobody knows. Each that is given up must be
    /// told here, or it counts as under way for ever.
    pub fn on_unwritten(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.enter(now_ms, out);
        self.unseen = self.unseen.saturating_sub(1);
    }

    /// Once every [`ALIVE_MS`](crate::limits::ALIVE_MS).
    pub fn on_tick(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.enter(now_ms, out);
        self.reading.tick(now_ms);
        self.is_due = true;
        self.settle(out);
    }

    /// The node is about to go: it says so at once, and with each `alive` from here on. It lives as before, but its
    /// partitions go to those that stay. There is no way back.
    pub fn on_drain(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.enter(now_ms, out);
        if self.is_leaving || matches!(self.claim, Claim::Leaving | Claim::Over) {
            return;
        }
        self.is_leaving = true;
        // Who claims nothing yet has nothing to hand over: its next word is soon enough.
        if self.claim == Claim::Held {
            self.is_due = true;
            self.settle(out);
        }
    }

    /// The node stops: it says `leave` as soon as it may, then [`Output::Left`]. Who has claimed nothing leaves at once.
    /// Called last, after its sessions are gone: from here on [`Members::may_speak`] is false.
    pub fn on_stop(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.enter(now_ms, out);
        match self.claim {
            Claim::Looking(_) => {
                self.claim = Claim::Over;
                out.push(Output::Left);
            }
            Claim::Held => {
                (self.claim, self.is_due) = (Claim::Leaving, true);
                self.settle(out);
            }
            Claim::Leaving | Claim::Over => {}
        }
    }

    /// Whether the node may say anything to others now; until it may, what it would say waits (see [`super::Unsaid`]).
    /// Asked before each saying, for the asking itself may find the loop late.
    pub fn may_speak(&mut self, now_ms: u64, out: &mut Vec<Output>) -> bool {
        self.enter(now_ms, out);
        self.claim == Claim::Held && self.reading.is_done() && self.fold.is_whole()
    }

    /// Whether the newest view it told has this node itself in it.
    pub fn holds(&self) -> bool {
        let mine = self.view.holder(self.me.ordinal);
        self.claim == Claim::Held && mine.is_some_and(|member| member.incarnation == self.incarnation)
    }

    /// Which start this is: final from its first `alive` on.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The newest view it told; empty before the first.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// What happened so far.
    pub fn counts(&self) -> MemberCounts {
        MemberCounts { fold: self.fold.counts(), ..self.counts }
    }

    /// Before each input: was the loop late?
    fn enter(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if self.claim != Claim::Over && self.reading.is_late(now_ms) {
            self.counts.late += 1;
            out.push(Output::ReadToEnd { request: self.reading.request() });
        }
    }

    /// What was under way may lie in what will never be read, and must not be waited for.
    fn count_anew(&mut self) {
        self.unseen = 0;
    }

    /// What a record means for this node alone. Why it ends this node, if it does.
    fn hear(&mut self, raw: &Raw<'_>, said: Result<Record, Unreadable>) -> Option<Refusal> {
        let said = said.ok();
        if let Some(record) = said.filter(|record| record.ordinal == self.me.ordinal) {
            if record.incarnation == self.incarnation && self.has_spoken {
                self.unseen = self.unseen.saturating_sub(1);
            } else {
                self.highest = self.highest.max(Some(record.incarnation));
            }
            let is_newer = record.say == Say::Alive && record.incarnation > self.incarnation;
            if is_newer && self.claim == Claim::Held && !crate::sabotaged!(OldestWins) {
                return Some(Refusal::Replaced { ordinal: record.ordinal, by: record.incarnation });
            }
        }
        let Claim::Looking(Some(first_end)) = self.claim else { return None };
        if raw.append_ms.is_none() && raw.offset >= first_end.offset {
            return Some(Refusal::NotLogAppendTime { offset: raw.offset });
        }
        first_end.refuses(&self.me, &self.fold, raw.offset, said.as_ref())
    }

    /// After an input: what follows from what is known now.
    fn settle(&mut self, out: &mut Vec<Output>) {
        if let Some(end) = self.fold.next().and_then(|next| self.reading.reach(next))
            && self.claim == Claim::Looking(None)
        {
            self.claim = Claim::Looking(Some(FirstEnd { offset: end, log_ms: self.fold.time_ms() }));
            if let Err(refusal) = self.raise() {
                return self.end(refusal, out);
            }
        }
        if !self.reading.is_done() {
            return;
        }
        if self.fold.is_whole()
            && let Some(refusal) = self.judge(out)
        {
            return self.end(refusal, out);
        }
        if std::mem::take(&mut self.is_due) {
            self.speak(out);
        }
    }

    /// Tells the view if it is another; then, why it leaves no place for this node, if it does not.
    fn judge(&mut self, out: &mut Vec<Output>) -> Option<Refusal> {
        let is_new = std::mem::take(&mut self.is_news) && *self.fold.view() != *self.view;
        if is_new {
            self.view = Arc::new(self.fold.view().clone());
            self.counts.views += 1;
            out.push(Output::View(self.view.clone()));
        }
        match self.claim {
            Claim::Looking(Some(first_end)) => first_end.gives_up(&self.me, &self.fold),
            Claim::Held if is_new => {
                let mine = self.view.holder(self.me.ordinal);
                let mine = mine.filter(|member| member.incarnation == self.incarnation);
                gives_way(&self.me, mine, self.view.members())
            }
            _ => None,
        }
    }

    /// The record that is due.
    fn speak(&mut self, out: &mut Vec<Output>) {
        if self.claim == Claim::Leaving {
            self.say(Say::Leave, out);
            self.claim = Claim::Over;
            return out.push(Output::Left);
        }
        if self.claim == Claim::Over {
            return;
        }
        if self.unseen >= ALIVES_UNSEEN {
            self.counts.withheld += 1;
            return;
        }
        if let Claim::Looking(_) = self.claim
            && self.fold.is_whole()
            && self.has_node_partition
            && is_free(&self.me, &self.fold)
        {
            if let Err(refusal) = self.raise() {
                return self.end(refusal, out);
            }
            self.claim = Claim::Held;
        }
        // A holder whose fold does not count may have been replaced without knowing it. It says nothing to other nodes, but
        // its `alive` does no harm: of a newer one's it will hear within a second.
        let is_alive = self.claim == Claim::Held;
        self.unseen += 1;
        self.say(if is_alive { Say::Alive } else { Say::Look }, out);
    }

    fn say(&mut self, say: Say, out: &mut Vec<Output>) {
        self.has_spoken = true;
        let Settings { ordinal, protocols, constants, .. } = self.me;
        let (incarnation, is_leaving) = (self.incarnation, self.is_leaving);
        out.push(Output::Say(Record { say, ordinal, incarnation, protocols, constants, is_leaving }));
    }

    /// Above every incarnation of this ordinal in the log.
    fn raise(&mut self) -> Result<(), Refusal> {
        let Some(highest) = self.highest else { return Ok(()) };
        let no_more = Refusal::NoIncarnationLeft { ordinal: self.me.ordinal, highest };
        let raised = self.incarnation.above(highest).ok_or(no_more)?;
        if raised != self.incarnation {
            // What was said under the lower number will not be known for ours.
            (self.incarnation, self.unseen) = (raised, 0);
        }
        Ok(())
    }

    /// The end of a node that may not be one. A claim is given back if it may still speak.
    fn end(&mut self, refusal: Refusal, out: &mut Vec<Output>) {
        if self.claim == Claim::Over {
            return;
        }
        if self.claim == Claim::Held && self.reading.is_done() {
            self.say(Say::Leave, out);
        }
        self.claim = Claim::Over;
        out.push(Output::Exit(refusal));
    }

    /// Panics when what the type promises does not hold.
    pub fn invariants(&self) {
        self.fold.invariants();
        assert!(self.unseen <= ALIVES_UNSEEN, "{} records are under way", self.unseen);
        assert!(!self.is_due || !self.reading.is_done() || self.claim == Claim::Over, "what may be said is");
        if self.claim == Claim::Held {
            assert!(self.has_node_partition, "a node that claims can be spoken to");
            let highest_before = self.highest.filter(|highest| *highest == self.incarnation);
            assert!(highest_before.is_none(), "no other start has this number");
        }
    }
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
