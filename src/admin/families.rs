//! Every metric in one table: its name, which is fixed for ever (DESIGN.md §9), what it means, and where it is read.
//!
//! Never a label per client, session or address: the number of series depends on the number of cores alone.

use super::report::{CoreMemory, CoreReport, Reports, Topic};
use crate::counters::{Dropped, Histogram, LogMemory, Refusal, Stage};
use std::borrow::Cow;

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by size.
    Sizes,
    /// Counts by duration: observed in microseconds, told in seconds.
    Seconds,
}

/// One metric.
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// Names of its labels, in the order they are written; a label that says nothing for a series is left out there.
    pub labels: &'static [&'static str],
    /// Reads its series.
    pub(super) read: fn(&Reports, &mut Series),
}

/// What a series counts up to.
pub(super) enum Value {
    Number(f64),
    Histogram(Histogram),
}

/// The series of one metric: values of its labels, in order, and its own.
#[derive(Default)]
pub(super) struct Series(pub Vec<(Vec<Cow<'static, str>>, Value)>);

impl Series {
    pub(super) fn add<const N: usize>(&mut self, labels: [&'static str; N], value: u64) {
        self.0.push((labels.map(Cow::Borrowed).to_vec(), Value::Number(value as f64)));
    }

    /// One for each topic.
    pub(super) fn topics(
        &mut self,
        records: &[u64; Topic::ALL.len()],
        labels: impl Fn(&'static str) -> Vec<Cow<'static, str>>,
    ) {
        for (&topic, &records) in Topic::ALL.iter().zip(records) {
            self.0.push((labels(topic.as_str()), Value::Number(records as f64)));
        }
    }

    /// One for each core that answered.
    fn cores(&mut self, reports: &Reports, read: impl Fn(&CoreReport) -> f64) {
        self.each(reports, |core, report, series| {
            series.push((vec![core.into()], Value::Number(read(report))));
        });
    }

    /// One for each core and value of a second label.
    fn words<W: Copy>(
        &mut self,
        reports: &Reports,
        words: &[W],
        word: fn(W) -> &'static str,
        read: impl Fn(&CoreReport, usize) -> u64,
    ) {
        self.each(reports, |core, report, series| {
            for (index, &which) in words.iter().enumerate() {
                let labels = vec![core.clone().into(), word(which).into()];
                series.push((labels, Value::Number(read(report, index) as f64)));
            }
        });
    }

    /// A histogram for each core.
    fn histograms(&mut self, reports: &Reports, read: impl Fn(&CoreReport) -> &Histogram) {
        self.each(reports, |core, report, series| {
            series.push((vec![core.into()], Value::Histogram(read(report).clone())));
        });
    }

    fn each(
        &mut self,
        reports: &Reports,
        read: impl Fn(String, &CoreReport, &mut Vec<(Vec<Cow<'static, str>>, Value)>),
    ) {
        for (core, report) in reports.cores.iter().enumerate() {
            if let Some(report) = report {
                read(core.to_string(), report, &mut self.0);
            }
        }
    }
}

/// The two classes of messages.
const CLASSES: [&str; 2] = ["durable", "ephemeral"];

/// All of them, but those of a cluster, and `corepost_build_info`, which is no report's.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "corepost_sessions",
        help: "Sessions open now.",
        kind: Kind::Gauge,
        labels: &["core"],
        read: |reports, series| series.cores(reports, |core| core.counters.sessions as f64),
    },
    Family {
        name: "corepost_messages_received_total",
        help: "Messages accepted from clients and the HTTP API.",
        kind: Kind::Counter,
        labels: &["core", "class"],
        read: |reports, series| {
            series.words(
                reports,
                &CLASSES,
                |class| class,
                |core, class| [core.counters.received_durable, core.counters.received_ephemeral][class],
            );
        },
    },
    Family {
        name: "corepost_messages_delivered_total",
        help: "Messages written out to live sessions; those of replay are corepost_replayed_total.",
        kind: Kind::Counter,
        labels: &["core", "class"],
        read: |reports, series| {
            series.words(
                reports,
                &CLASSES,
                |class| class,
                |core, class| [core.counters.delivered_durable, core.counters.delivered_ephemeral][class],
            );
        },
    },
    Family {
        name: "corepost_acks_total",
        help: "Acks written out.",
        kind: Kind::Counter,
        labels: &["core"],
        read: |reports, series| series.cores(reports, |core| core.counters.acks as f64),
    },
    Family {
        name: "corepost_replayed_total",
        help: "Messages written out in replay.",
        kind: Kind::Counter,
        labels: &["core"],
        read: |reports, series| series.cores(reports, |core| core.counters.replayed as f64),
    },
    Family {
        name: "corepost_catchups_total",
        help: "Times a live session fell behind and went back to replay.",
        kind: Kind::Counter,
        labels: &["core"],
        read: |reports, series| series.cores(reports, |core| core.counters.catchups as f64),
    },
    Family {
        name: "corepost_refusals_total",
        help: "Refusals of what peers asked, by reason.",
        kind: Kind::Counter,
        labels: &["core", "reason"],
        read: |reports, series| {
            series.words(reports, Refusal::ALL, Refusal::as_str, |core, why| core.counters.refusals[why]);
        },
    },
    Family {
        name: "corepost_drops_total",
        help: "Values dropped on their way, by reason; none of these loses a durable message.",
        kind: Kind::Counter,
        labels: &["core", "reason"],
        read: |reports, series| {
            series.words(reports, Dropped::ALL, Dropped::as_str, |core, why| core.counters.drops[why]);
        },
    },
    Family {
        name: "corepost_log_commit_seconds",
        help: "How long a commit of the log took, fsync included where it is asked for.",
        kind: Kind::Seconds,
        labels: &[],
        read: |reports, series| series.0.push((vec![], Value::Histogram(reports.log.commit_us.clone()))),
    },
    Family {
        name: "corepost_log_batch_records",
        help: "Records in one commit of the log.",
        kind: Kind::Sizes,
        labels: &[],
        read: |reports, series| series.0.push((vec![], Value::Histogram(reports.log.batch_records.clone()))),
    },
    Family {
        name: "corepost_log_bytes",
        help: "Bytes of retained records (key, headers and body), which --retention-size bounds.",
        kind: Kind::Gauge,
        labels: &[],
        read: |reports, series| series.add([], reports.log.retained_bytes),
    },
    Family {
        name: "corepost_mesh_batch_messages",
        help: "Messages in one batch posted to a core.",
        kind: Kind::Sizes,
        labels: &["core"],
        read: |reports, series| series.histograms(reports, |core| &core.mesh_batches),
    },
    Family {
        name: "corepost_mesh_depth",
        help: "Messages waiting in a core's inbox.",
        kind: Kind::Gauge,
        labels: &["core"],
        read: |reports, series| series.cores(reports, |core| core.mesh_depth as f64),
    },
    Family {
        name: "corepost_mesh_wakes_total",
        help: "Times a core had to be woken for a batch.",
        kind: Kind::Counter,
        labels: &["core"],
        read: |reports, series| series.cores(reports, |core| core.mesh_wakes as f64),
    },
    Family {
        name: "corepost_core_busy_seconds_total",
        help: "Time a core spent in turns.",
        kind: Kind::Counter,
        labels: &["core"],
        read: |reports, series| series.cores(reports, |core| core.busy_us as f64 / MICROS),
    },
    Family {
        name: "corepost_core_turn_seconds",
        help: "How long one turn of a core took; every session of a core waits for its turns.",
        kind: Kind::Seconds,
        labels: &["core"],
        read: |reports, series| series.histograms(reports, |core| &core.turns_us),
    },
    Family {
        name: "corepost_accept_pauses_total",
        help: "Times a core could not accept for want of descriptors or memory, and waited before it tried again.",
        kind: Kind::Counter,
        labels: &["core"],
        read: |reports, series| series.cores(reports, |core| core.accept_pauses as f64),
    },
    Family {
        name: "corepost_core_late_turns_total",
        help: "Turns over 50 ms: own, by what they did; starved, because the host gave the thread no CPU.",
        kind: Kind::Counter,
        labels: &["core", "cause"],
        read: |reports, series| {
            series.words(
                reports,
                &["own", "starved"],
                |cause| cause,
                |core, cause| [core.late_turns, core.starved_turns][cause],
            );
        },
    },
    Family {
        name: "corepost_end_to_end_seconds",
        help: "How long a part of a message's way took: ack from send, deliver from append, write (of all that a turn has for a socket) from then to the kernel, replay from attach.",
        kind: Kind::Seconds,
        labels: &["core", "stage"],
        read: |reports, series| {
            series.each(reports, |core, report, all| {
                for (stage, histogram) in Stage::ALL.iter().zip(&report.end_to_end_us) {
                    let labels = vec![core.clone().into(), stage.as_str().into()];
                    all.push((labels, Value::Histogram(histogram.clone())));
                }
            });
        },
    },
    Family {
        name: "corepost_records_read_total",
        help: "Records read, by topic: of the embedded log by the core of their recipient; of Kafka's mailbox topic once each, by the node that serves their partition (the rest is corepost_records_reread_total).",
        kind: Kind::Counter,
        labels: &["core", "topic"],
        read: |reports, series| match &reports.cluster {
            Some(cluster) => series.topics(&cluster.read, |topic| vec!["".into(), topic.into()]),
            None => {
                series.words(reports, &[Topic::Mailbox], Topic::as_str, |core, _| core.counters.records_read);
            }
        },
    },
    Family {
        name: "corepost_records_written_total",
        help: "Records written, by topic.",
        kind: Kind::Counter,
        labels: &["topic"],
        read: |reports, series| match &reports.cluster {
            Some(cluster) => series.topics(&cluster.written, |topic| vec![topic.into()]),
            None => series.add([Topic::Mailbox.as_str()], reports.log.records_written),
        },
    },
    Family {
        name: "corepost_memory_bytes",
        help: "Memory by purpose; process is all of it that is in RAM.",
        kind: Kind::Gauge,
        labels: &["core", "purpose"],
        read: |reports, series| {
            series.words(reports, CoreMemory::ALL, CoreMemory::as_str, |core, purpose| core.memory[purpose]);
            for &purpose in LogMemory::ALL {
                series.add(["", purpose.as_str()], reports.log.memory[purpose as usize]);
            }
            if let Some(bytes) = reports.resident_bytes {
                series.add(["", "process"], bytes);
            }
        },
    },
    Family {
        name: "corepost_tls_certificate_not_after_seconds",
        help: "When the certificate that clients are shown ends, in seconds since 1970; absent without TLS.",
        kind: Kind::Gauge,
        labels: &[],
        read: |reports, series| {
            reports.certificate_not_after_s.into_iter().for_each(|end_s| series.add([], end_s))
        },
    },
    Family {
        name: "corepost_log_lines_left_out_total",
        help: "Lines that the program's own log left out, for there were too many of their kind or they could not be written.",
        kind: Kind::Counter,
        labels: &[],
        read: |reports, series| series.add([], reports.lines_left_out),
    },
];

/// Microseconds of a second.
pub(super) const MICROS: f64 = 1e6;
