//! The metrics of a node in a cluster. One without Kafka has none of them.
//!
//! One label has as many values as there are partitions; all others are closed lists of words.

use super::families::{Family, Kind, Series, Value};
use super::report::{ByWord, ClusterReport, Reports};
use std::borrow::Cow;

impl Series {
    /// One for each word.
    fn by_word(&mut self, reports: &Reports, read: fn(&ClusterReport) -> &ByWord) {
        for &(word, number) in reports.cluster.iter().flat_map(read) {
            self.add([word], number);
        }
    }

    /// Two, by these words.
    fn pair(&mut self, reports: &Reports, words: [&'static str; 2], read: fn(&ClusterReport) -> [u64; 2]) {
        if let Some(cluster) = &reports.cluster {
            words.into_iter().zip(read(cluster)).for_each(|(word, number)| self.add([word], number));
        }
    }

    fn one(&mut self, reports: &Reports, read: fn(&ClusterReport) -> u64) {
        if let Some(cluster) = &reports.cluster {
            self.add([], read(cluster));
        }
    }
}

/// All of them.
pub const CLUSTER_FAMILIES: &[Family] = &[
    Family {
        name: "corepost_cluster_member",
        help: "1 while the newest view of the cluster has this node.",
        kind: Kind::Gauge,
        labels: &[],
        read: |reports, series| series.one(reports, |cluster| cluster.is_member.into()),
    },
    Family {
        name: "corepost_cluster_nodes",
        help: "Nodes of the newest view of the cluster.",
        kind: Kind::Gauge,
        labels: &[],
        read: |reports, series| series.one(reports, |cluster| cluster.nodes),
    },
    Family {
        name: "corepost_view_changes_total",
        help: "Times the view of the cluster has changed.",
        kind: Kind::Counter,
        labels: &[],
        read: |reports, series| series.one(reports, |cluster| cluster.views),
    },
    Family {
        name: "corepost_partitions",
        help: "Partitions of this node: its own, those of them that it serves, those of which nothing is missing.",
        kind: Kind::Gauge,
        labels: &["state"],
        read: |reports, series| {
            if let Some(cluster) = &reports.cluster {
                series.add(["owned"], cluster.owned);
                series.add(["served"], cluster.served);
                series.add(["fresh"], cluster.fresh);
            }
        },
    },
    Family {
        name: "corepost_partition_lag_records",
        help: "Offsets of a partition that this node serves and has not read yet.",
        kind: Kind::Gauge,
        labels: &["partition"],
        read: |reports, series| {
            for (partition, lag) in reports.cluster.iter().flat_map(|cluster| &cluster.lags) {
                let labels = vec![Cow::Owned(partition.to_string())];
                series.0.push((labels, Value::Number(*lag as f64)));
            }
        },
    },
    Family {
        name: "corepost_partitions_over_total",
        help: "Partitions that were begun anew, cold, or given up to a newer version, by reason.",
        kind: Kind::Counter,
        labels: &["reason"],
        read: |reports, series| series.by_word(reports, |cluster| &cluster.over),
    },
    Family {
        name: "corepost_records_reread_total",
        help: "Records of the mailbox topic read beside corepost_records_read_total, by why.",
        kind: Kind::Counter,
        labels: &["why"],
        read: |reports, series| series.by_word(reports, |cluster| &cluster.reread),
    },
    Family {
        name: "corepost_records_passed_total",
        help: "Records read at the end of partitions that became no message, by why.",
        kind: Kind::Counter,
        labels: &["why"],
        read: |reports, series| series.by_word(reports, |cluster| &cluster.passed),
    },
    Family {
        name: "corepost_stores_dropped_total",
        help: "Times that what the index had of a partition was worth nothing, by reason.",
        kind: Kind::Counter,
        labels: &["reason"],
        read: |reports, series| series.by_word(reports, |cluster| &cluster.stores_dropped),
    },
    Family {
        name: "corepost_index_errors_total",
        help: "Times the index took nothing.",
        kind: Kind::Counter,
        labels: &[],
        read: |reports, series| series.one(reports, |cluster| cluster.index_errors),
    },
    Family {
        name: "corepost_state_troubles_total",
        help: "Times the state topic could not be read or written, by what: revocations stand in it.",
        kind: Kind::Counter,
        labels: &["what"],
        read: |reports, series| series.by_word(reports, |cluster| &cluster.state_troubles),
    },
    Family {
        name: "corepost_node_records_total",
        help: "Records from and for other nodes, by what they are for.",
        kind: Kind::Counter,
        labels: &["way", "kind"],
        read: |reports, series| {
            if let Some(cluster) = &reports.cluster {
                cluster.node_read.iter().for_each(|&(kind, many)| series.add(["read", kind], many));
                cluster.node_written.iter().for_each(|&(kind, many)| series.add(["written", kind], many));
            }
        },
    },
    Family {
        name: "corepost_links",
        help: "Links to other nodes: to homes of sessions here, from gateways with sessions of clients here.",
        kind: Kind::Gauge,
        labels: &["to"],
        read: |reports, series| series.pair(reports, ["home", "gateway"], |cluster| cluster.links),
    },
    Family {
        name: "corepost_links_broken_total",
        help: "Links whose life ended, by reason; each begins anew if its nodes are alive.",
        kind: Kind::Counter,
        labels: &["reason"],
        read: |reports, series| series.by_word(reports, |cluster| &cluster.links_broken),
    },
    Family {
        name: "corepost_hellos_total",
        help: "Links begun: said by this node, taken from others.",
        kind: Kind::Counter,
        labels: &["way"],
        read: |reports, series| series.pair(reports, ["said", "taken"], |cluster| cluster.hellos),
    },
    Family {
        name: "corepost_post_drops_total",
        help: "Values between nodes that went no further, by reason; none of these loses a durable message.",
        kind: Kind::Counter,
        labels: &["reason"],
        read: |reports, series| series.by_word(reports, |cluster| &cluster.post_drops),
    },
    Family {
        name: "corepost_post_waiting",
        help: "Values that wait until they may be said to other nodes, and their bytes.",
        kind: Kind::Gauge,
        labels: &["unit"],
        read: |reports, series| series.pair(reports, ["values", "bytes"], |cluster| cluster.waiting),
    },
    Family {
        name: "corepost_appends_under_way",
        help: "Messages given to Kafka and not answered yet, and their bytes with what each costs beside itself.",
        kind: Kind::Gauge,
        labels: &["unit"],
        read: |reports, series| series.pair(reports, ["records", "bytes"], |cluster| cluster.under_way),
    },
    Family {
        name: "corepost_appends_refused_total",
        help: "Messages refused: full, because too much was under way; failed, because Kafka did not acknowledge them.",
        kind: Kind::Counter,
        labels: &["reason"],
        read: |reports, series| series.pair(reports, ["full", "failed"], |cluster| cluster.refused),
    },
    Family {
        name: "corepost_producers",
        help: "Producers of messages.",
        kind: Kind::Gauge,
        labels: &[],
        read: |reports, series| series.one(reports, |cluster| cluster.producers),
    },
    Family {
        name: "corepost_producers_made_anew_total",
        help: "Producers of messages that had failed for good and were made anew.",
        kind: Kind::Counter,
        labels: &[],
        read: |reports, series| series.one(reports, |cluster| cluster.made_anew),
    },
    Family {
        name: "corepost_brokers",
        help: "Brokers that lead a partition of the mailbox topic, as of a minute ago.",
        kind: Kind::Gauge,
        labels: &[],
        read: |reports, series| series.one(reports, |cluster| cluster.brokers),
    },
    Family {
        name: "corepost_readers_made_anew_total",
        help: "Readers that read nothing of partitions that had gone on, and were made anew, by topic.",
        kind: Kind::Counter,
        labels: &["topic"],
        read: |reports, series| {
            if let Some(cluster) = &reports.cluster {
                series.topics(&cluster.readers_made_anew, |topic| vec![topic.into()]);
            }
        },
    },
];
