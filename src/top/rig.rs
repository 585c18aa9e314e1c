//! What tests of several files look at.

use super::{Reading, Scrape, Seen};

/// Two nodes of a cluster after a second, the second of them silent.
pub fn two_nodes() -> Vec<Seen> {
    let text = |n: u32| {
        format!(
            "corepost_sessions{{core=\"0\"}} 5\ncorepost_sessions{{core=\"1\"}} 7\n\
             corepost_messages_received_total{{core=\"0\",class=\"durable\"}} {}\n\
             corepost_messages_received_total{{core=\"1\",class=\"durable\"}} 0\n\
             corepost_core_busy_seconds_total{{core=\"0\"}} {}\ncorepost_core_busy_seconds_total{{core=\"1\"}} 0.5\n\
             corepost_core_turn_seconds_bucket{{core=\"0\",le=\"0.001\"}} {n}\n\
             corepost_core_turn_seconds_bucket{{core=\"0\",le=\"+Inf\"}} {n}\n\
             corepost_core_turn_seconds_bucket{{core=\"1\",le=\"0.001\"}} 0\n\
             corepost_core_turn_seconds_bucket{{core=\"1\",le=\"+Inf\"}} {n}\n\
             corepost_memory_bytes{{purpose=\"process\"}} 104857600\n\
             corepost_cluster_member 1\ncorepost_cluster_nodes 2\n\
             corepost_partitions{{state=\"owned\"}} 3\ncorepost_partitions{{state=\"served\"}} 2\n\
             corepost_partition_lag_records{{partition=\"2\"}} 0\ncorepost_partition_lag_records{{partition=\"10\"}} 12\n",
            n * 1_000,
            f64::from(n) / 4.0
        )
    };
    let mut up = Seen::new("10.0.0.1:9090".into());
    for n in 1..3 {
        let scrape = Scrape::parse(&text(n)).unwrap();
        up.hear(Ok(Reading { at_ms: u64::from(n) * 1_000, scrape }));
    }
    let mut silent = Seen::new("10.0.0.2:9090".into());
    silent.hear(Err("cannot reach 10.0.0.2:9090".into()));
    vec![up, silent]
}
