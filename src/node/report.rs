//! What a node says about itself when the admin server asks: each core in its next turn, the log from its atomics.

use super::core::{Core, Mail, State};
use super::report_cluster::cluster_report;
use super::start::Running;
use crate::admin::{
    CoreMemory, CoreReport, Drain, LogReport, LogTrouble, Phase, Progress, Sources, Supervisor,
};
use crate::backplane::{Embedded, KafkaLog, Log, Trouble};
use crate::counters::{COMMIT_US, Histogram, SIZES, Stage, TURN_US};
use crate::host::unix_ms;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How far a node's life is, for who asks from another thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Life(Arc<AtomicU8>);

impl Life {
    pub(super) fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }
}

impl Running {
    /// What the admin server is told of a drain: `begin` is how one is asked for, `within_ms` how long it would take at most.
    pub fn drain_by(
        &self,
        begin: impl Fn() + Send + 'static,
        within_ms: impl Fn() -> u64 + Send + 'static,
    ) -> Drain {
        let (life, gate, started_ms) = (self.life.clone(), Arc::clone(&self.gate), unix_ms());
        let shown = self.posting.as_ref().map(|posting| Arc::clone(posting.shown()));
        let progress = move || Progress {
            draining: life.phase() == Phase::Draining,
            sessions: gate.busy() as u64,
            partitions: shown.as_ref().map_or(0, |shown| shown.handing_over().len() as u64),
            within_ms: within_ms(),
            started_ms,
        };
        Drain { begin: Box::new(begin), progress: Box::new(progress) }
    }

    /// What the admin server asks. `build`: labels of `corepost_build_info`.
    pub fn sources(
        &self,
        drain: Drain,
        lines_left_out: impl Fn() -> u64 + Send + 'static,
        certificate_not_after_s: impl Fn() -> Option<u64> + Send + 'static,
        supervisor: Supervisor,
        build: Vec<(&'static str, String)>,
    ) -> Sources {
        let (addresses, log, life) = (self.addresses.0.clone(), self.log().cloned(), self.life.clone());
        let shown = self.posting.as_ref().map(|posting| Arc::clone(posting.shown()));
        Sources {
            cores: addresses.len() as u16,
            ask: Box::new(move |core, question| addresses[usize::from(core)].post(vec![Mail::Ask(question)])),
            cluster: Box::new({
                let log = log.clone();
                move || match (&log, &shown) {
                    (Some(Log::Kafka(log)), Some(shown)) => Some(cluster_report(log, shown)),
                    _ => None,
                }
            }),
            log: Box::new(move || log.as_ref().map_or_else(LogReport::default, log_report)),
            phase: Box::new(move || life.phase()),
            drain,
            lines_left_out: Box::new(lines_left_out),
            certificate_not_after_s: Box::new(certificate_not_after_s),
            supervisor,
            build,
        }
    }
}

impl Core {
    /// This core about itself.
    pub(super) fn report(&self, state: &mut State) -> CoreReport {
        let load = self.config.address.load();
        let (figures, appends) = (&state.figures, state.shard.append_bytes_in_flight());
        let mut counters = state.shard.counters().clone();
        counters.refusals.iter_mut().zip(figures.refusals).for_each(|(all, here)| *all += here);
        counters.end_to_end_us[Stage::Write as usize] = figures.writes_us();
        let (mut outbound, mut held, mut tls) = (0, 0, 0);
        for (_, connection) in state.table.iter_mut() {
            outbound += connection.remainder().unsent.len();
            held += connection.held_bytes();
            tls += connection.line.key_bytes();
        }
        let mut memory = [0; CoreMemory::ALL.len()];
        memory[CoreMemory::Recent as usize] = counters.recent_bytes;
        memory[CoreMemory::Buffers as usize] = (state.pool.bytes() + state.scratch.capacity()) as u64;
        memory[CoreMemory::Partial as usize] = state.partials.used() as u64;
        memory[CoreMemory::Requests as usize] = (figures.arrival_bytes + figures.body_bytes) as u64;
        memory[CoreMemory::Outbound as usize] = outbound as u64;
        memory[CoreMemory::Held as usize] = held as u64;
        memory[CoreMemory::Appends as usize] = appends as u64;
        memory[CoreMemory::Tls as usize] = tls as u64;
        CoreReport {
            fresh: state.shard.is_fresh(state.now),
            accept_pauses: figures.accept_pauses,
            busy_us: figures.busy.as_micros() as u64,
            turns_us: Histogram::of(TURN_US, &figures.turns, figures.busy.as_micros() as u64),
            late_turns: figures.late_turns - figures.starved_turns,
            starved_turns: figures.starved_turns,
            end_to_end_us: counters.end_to_end_us.clone(),
            mesh_batches: state.mesh_batches.clone(),
            mesh_depth: load.depth,
            mesh_wakes: load.wakes,
            memory,
            counters,
        }
    }
}

fn log_report(log: &Log) -> LogReport {
    match log {
        Log::Embedded(log) => own_log_report(log),
        Log::Kafka(log) => kafka_log_report(log),
    }
}

/// What keeps it from taking messages is told with the cluster.
fn kafka_log_report(log: &KafkaLog) -> LogReport {
    let (reading, appends) = (log.health().read(), log.appender().health().read());
    LogReport {
        trouble: None,
        commit_us: appends.commit_us,
        batch_records: appends.commit_records,
        records_written: appends.written,
        retained_bytes: reading.bytes,
        memory: reading.memory,
    }
}

fn own_log_report(log: &Embedded) -> LogReport {
    let reading = log.health().read();
    LogReport {
        trouble: match reading.trouble {
            Trouble::None => None,
            Trouble::DiskFull => Some(LogTrouble::DiskFull),
            Trouble::Full => Some(LogTrouble::RetentionFull),
            Trouble::Io => Some(LogTrouble::Unavailable),
            Trouble::Shortened | Trouble::Stopped => Some(LogTrouble::Stopped),
        },
        commit_us: Histogram::of(COMMIT_US, &reading.commit_us, reading.commit_us_sum),
        batch_records: Histogram::of(SIZES, &reading.commit_records, reading.commit_records_sum),
        records_written: reading.rows,
        retained_bytes: reading.bytes,
        memory: reading.memory,
    }
}
