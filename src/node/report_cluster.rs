//! What a node in a cluster says about its part in it: the post, the follower and the appender, in one report.

use super::post_shown::Shown;
use crate::admin::{ByWord, ClusterReport, Topic};
use crate::backplane::{KafkaLog, Reread, StateTrouble};
use crate::host::mono_ms;
use crate::links::Break;
use crate::post::{Drop, Sort};
use crate::tail::{Over, Unfit};

/// As of now.
pub(super) fn cluster_report(log: &KafkaLog, shown: &Shown) -> ClusterReport {
    let (post, reading, appends) = (shown.seen(), log.health().read(), log.appender().health().read());
    let counts = post.counts;
    let heard: u64 = counts.heard.iter().sum();
    let mut read = [0; Topic::ALL.len()];
    read[Topic::Mailbox as usize] = reading.records;
    read[Topic::Node as usize] = heard + counts.newer + counts.damaged;
    read[Topic::State as usize] = reading.revocations + reading.states_passed;
    read[Topic::Cluster as usize] = counts.members.fold.records;
    let mut written = [0; Topic::ALL.len()];
    written[Topic::Mailbox as usize] = appends.written;
    written[Topic::Node as usize] = counts.said.iter().sum();
    written[Topic::State as usize] = reading.states_written;
    written[Topic::Cluster as usize] = shown.words_written();
    let mut readers_made_anew = [0; Topic::ALL.len()];
    readers_made_anew[Topic::Mailbox as usize] = reading.readers_made_anew[0];
    readers_made_anew[Topic::State as usize] = reading.readers_made_anew[1];
    readers_made_anew[Topic::Node as usize] = post.readers_made_anew[0];
    readers_made_anew[Topic::Cluster as usize] = post.readers_made_anew[1];
    ClusterReport {
        is_member: post.is_member,
        nodes: post.nodes as u64,
        silent_ms: shown.silent_ms(mono_ms()),
        trouble: appends.trouble.or(post.trouble).or(reading.trouble).map(|trouble| trouble.to_string()),
        topics_broken: reading.suspended,
        index_failed: reading.index_failed,
        read,
        reread: by_word(Reread::ALL, Reread::as_str, &reading.reread),
        passed: vec![
            ("duplicate", reading.duplicates),
            ("nobodys", reading.nobodys),
            ("damaged", reading.damaged),
        ],
        written,
        node_read: by_word(Sort::ALL, Sort::as_str, &counts.heard),
        node_written: by_word(Sort::ALL, Sort::as_str, &counts.said),
        owned: reading.owned,
        served: reading.served,
        fresh: reading.fresh,
        lags: reading.lags,
        over: by_word(Over::ALL, Over::as_str, &reading.over),
        stores_dropped: by_word(Unfit::ALL, Unfit::as_str, &reading.unfit),
        index_errors: reading.index_errors,
        state_troubles: by_word(StateTrouble::ALL, StateTrouble::as_str, &reading.state_troubles),
        views: counts.members.views,
        links_broken: by_word(Break::ALL, Break::as_str, &counts.broken),
        links: [counts.uplinks as u64, counts.downlinks as u64],
        hellos: [counts.hellos_said, counts.hellos_taken],
        post_drops: by_word(Drop::ALL, Drop::as_str, &counts.dropped),
        waiting: [counts.waiting as u64, counts.waiting_bytes as u64],
        refused: [appends.refused_full, appends.refused_failed],
        under_way: [appends.under_way as u64, appends.under_way_bytes as u64],
        producers: appends.producers as u64,
        made_anew: appends.made_anew,
        brokers: appends.brokers as u64,
        readers_made_anew,
    }
}

fn by_word<W: Copy>(words: &[W], word: fn(W) -> &'static str, numbers: &[u64]) -> ByWord {
    words.iter().map(|&it| word(it)).zip(numbers.iter().copied()).collect()
}
