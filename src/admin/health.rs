//! Whether the node should be sent clients, and if not, why: `/readyz`.

use super::{LogTrouble, Phase, Reports};
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
    reasons
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
        Reports { cores, log: LogReport { trouble, ..LogReport::default() }, phase, resident_bytes: None }
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
}
