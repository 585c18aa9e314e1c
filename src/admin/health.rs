//! Whether the node should be sent clients, and if not, why: `/readyz`.

use super::{ClusterReport, LogTrouble, Phase, Reports};
use crate::limits::KAFKA_SILENT_MS;
use serde::Serialize;

/// One reason for not being ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unready {
    /// A fixed word.
    pub reason: &'static str,
    /// What it means here, and what to do.
    pub message: String,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reasons: Vec<Unready>,
}

/// All reasons; none: ready.
pub fn unready(reports: &Reports) -> Vec<Unready> {
    let mut reasons = Vec::new();
    let mut because = |reason, message| reasons.push(Unready { reason, message });
    match reports.phase {
        Phase::Starting => because("starting", "the node is starting; wait".into()),
        Phase::Draining => because("draining", "the node is leaving; connect to another".into()),
        Phase::Serving => {}
    }
    let which = |is: fn(Option<&super::CoreReport>) -> bool| {
        let cores = reports.cores.iter().enumerate().filter(|(_, report)| is(report.as_ref()));
        cores.map(|(core, _)| core.to_string()).collect::<Vec<_>>().join(", ")
    };
    let silent = which(|report| report.is_none());
    if !silent.is_empty() {
        let message = format!("no answer within a second from core {silent}; see corepost_core_turn_seconds");
        because("core_silent", message);
    }
    let stale = which(|report| report.is_some_and(|report| !report.fresh));
    if !stale.is_empty() {
        because("log_silent", format!("nothing heard of the log for a second by core {stale}"));
    }
    if let Some(trouble) = reports.log.trouble {
        because(trouble.as_str(), explain(trouble).into());
    }
    if let Some(cluster) = &reports.cluster {
        apart(cluster, &mut because);
    }
    reasons
}

/// What keeps a node from its part in a cluster. One that owns no partition misses none.
fn apart(cluster: &ClusterReport, because: &mut impl FnMut(&'static str, String)) {
    let ClusterReport { is_member, silent_ms, index_failed, owned, served, fresh, .. } = *cluster;
    if let Some(trouble) = &cluster.trouble {
        because("kafka_refuses", format!("{trouble}; until then sends are refused"));
    }
    if silent_ms > KAFKA_SILENT_MS {
        let message = format!(
            "nothing heard of the cluster topic for {} s: see whether the brokers of --kafka run and can be reached; \
             sends are refused, sessions stay, and all resumes by itself",
            silent_ms / 1_000
        );
        because("kafka_silent", message);
    }
    if !is_member {
        let message = "this node is no member of its cluster: it is one within a second of a start, after \
                       --node-timeout where its ordinal was another's, or it says why not and ends";
        because("not_joined", message.into());
    }
    let not_served = owned.saturating_sub(served);
    if not_served > 0 {
        let message = format!(
            "{not_served} of {owned} partitions of this node are not served yet: it reads what came lately, for \
             seconds; longer, see corepost_partitions_over_total and this node's messages"
        );
        because("partitions_not_served", message);
    }
    let stale = owned.min(served).saturating_sub(fresh);
    if stale > 0 {
        let message = format!(
            "of {stale} of the {owned} partitions here it is not known that nothing is missing: their brokers do not \
             answer within a second, or this node is behind (corepost_partition_lag_records)"
        );
        because("partitions_stale", message);
    }
    if cluster.topics_broken {
        let message = "the topics break their contract: sends are refused until they keep it again; `corepost topics \
                       check` says what differs and the line that mends it";
        because("topics_broken", message.into());
    }
    if index_failed {
        let message = "the index under --data takes nothing, so who was away cannot catch up: see that the disk has \
                       room and is well; it is opened again by itself";
        because("index_failed", message.into());
    }
}

fn explain(trouble: LogTrouble) -> &'static str {
    match trouble {
        LogTrouble::DiskFull => "the disk is full: sends are refused until there is room",
        LogTrouble::RetentionFull => {
            "what is retained has reached --retention-size: sends are refused until it expires or that is raised"
        }
        LogTrouble::Unavailable => "the log cannot be written: sends are refused; see this node's messages",
        LogTrouble::Stopped => "the log has stopped: restart the node; see its messages",
    }
}

/// The JSON of an answer with these reasons.
pub(super) fn readiness(reasons: Vec<Unready>) -> Vec<u8> {
    let readiness = Readiness { ready: reasons.is_empty(), reasons };
    serde_json::to_vec(&readiness).expect("plain data is always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{CoreReport, LogReport};

    fn reports(phase: Phase, cores: Vec<Option<CoreReport>>, trouble: Option<LogTrouble>) -> Reports {
        let log = LogReport { trouble, ..LogReport::default() };
        Reports {
            cores,
            log,
            cluster: None,
            phase,
            resident_bytes: None,
            lines_left_out: 0,
            certificate_not_after_s: None,
        }
    }

    #[test]
    fn each_reason_is_said_and_none_without_one() {
        let well = || Some(CoreReport { fresh: true, ..CoreReport::default() });
        assert_eq!(unready(&reports(Phase::Serving, vec![well(), well()], None)), []);
        let stale = Some(CoreReport::default());
        let cores = vec![None, well(), stale, None];
        let reasons = unready(&reports(Phase::Draining, cores, Some(LogTrouble::DiskFull)));
        let words: Vec<_> = reasons.iter().map(|unready| unready.reason).collect();
        assert_eq!(words, ["draining", "core_silent", "log_silent", "disk_full"]);
        assert!(reasons[1].message.contains("core 0, 3;"), "{}", reasons[1].message);
        assert!(reasons[2].message.ends_with("core 2"), "{}", reasons[2].message);
        let starting = readiness(unready(&reports(Phase::Starting, vec![], None)));
        assert_eq!(
            String::from_utf8(starting).unwrap(),
            r#"{"ready":false,"reasons":[{"reason":"starting","message":"the node is starting; wait"}]}"#
        );
        assert_eq!(readiness(vec![]), br#"{"ready":true,"reasons":[]}"#);
    }

    fn in_a_cluster(cluster: ClusterReport) -> Vec<Unready> {
        unready(&Reports { cluster: Some(cluster), ..reports(Phase::Serving, vec![], None) })
    }

    #[test]
    fn a_member_that_serves_what_is_its_own_is_ready_also_if_that_is_nothing() {
        let member =
            ClusterReport { is_member: true, silent_ms: KAFKA_SILENT_MS, ..ClusterReport::default() };
        assert_eq!(in_a_cluster(member.clone()), []);
        assert_eq!(in_a_cluster(ClusterReport { owned: 22, served: 22, fresh: 22, ..member.clone() }), []);
        // It serves what was another's a moment ago and is not told to let go yet.
        assert_eq!(in_a_cluster(ClusterReport { owned: 1, served: 2, fresh: 2, ..member }), []);
    }

    #[test]
    fn in_a_cluster_each_reason_is_said_alone_with_its_numbers() {
        let well = || ClusterReport {
            is_member: true,
            owned: 22,
            served: 22,
            fresh: 22,
            ..ClusterReport::default()
        };
        let trouble = Some("SASL authentication failed".into());
        for (cluster, reason, said) in [
            (ClusterReport { is_member: false, ..well() }, "not_joined", "no member"),
            (ClusterReport { served: 20, fresh: 20, ..well() }, "partitions_not_served", "2 of 22"),
            (ClusterReport { fresh: 21, ..well() }, "partitions_stale", "1 of the 22"),
            (ClusterReport { silent_ms: 7_100, ..well() }, "kafka_silent", "for 7 s"),
            (ClusterReport { index_failed: true, ..well() }, "index_failed", "--data"),
            (ClusterReport { topics_broken: true, ..well() }, "topics_broken", "`corepost topics check`"),
            (ClusterReport { trouble, ..well() }, "kafka_refuses", "SASL authentication failed; until"),
        ] {
            let reasons = in_a_cluster(cluster);
            assert_eq!(reasons.iter().map(|unready| unready.reason).collect::<Vec<_>>(), [reason]);
            assert!(reasons[0].message.contains(said), "{}", reasons[0].message);
        }
        let nothing = in_a_cluster(ClusterReport { owned: 3, silent_ms: 4_000, ..ClusterReport::default() });
        let words: Vec<_> = nothing.iter().map(|unready| unready.reason).collect();
        assert_eq!(words, ["kafka_silent", "not_joined", "partitions_not_served"]);
    }
}
