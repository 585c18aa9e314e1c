//! How many producers there are, and which has which partition (FINDINGS.md §4).
//!
//! librdkafka puts one partition into each request, and an idempotent producer has five requests under way per broker. So
//! each producer gets so few partitions that it has about five at a broker.

use crate::limits::{KAFKA_PARTITIONS_PER_BROKER, KAFKA_PRODUCERS};

/// Producers for so many partitions at so many brokers.
pub(super) fn producers(partitions: usize, brokers: usize) -> usize {
    partitions.div_ceil(per_producer(brokers)).clamp(1, KAFKA_PRODUCERS)
}

/// Partitions that one producer may have.
pub(super) fn per_producer(brokers: usize) -> usize {
    KAFKA_PARTITIONS_PER_BROKER * brokers.max(1)
}

/// Which of so many producers has a partition. Neighbours go together: Kafka gives neighbours to different brokers, and a
/// remainder might give all that one producer has to the same.
pub(super) fn producer_of(partition: usize, partitions: usize, producers: usize) -> usize {
    partition * producers / partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_producer_has_more_than_five_partitions_at_a_broker() {
        for partitions in 1..=256 {
            for brokers in 1..=12 {
                let producers = producers(partitions, brokers);
                if producers == KAFKA_PRODUCERS {
                    continue;
                }
                let mut at = vec![vec![0; brokers]; producers];
                for partition in 0..partitions {
                    // As Kafka chooses leaders where nobody else does.
                    at[producer_of(partition, partitions, producers)][partition % brokers] += 1;
                }
                let most = at.iter().flatten().max().copied().unwrap_or(0);
                assert!(most <= KAFKA_PARTITIONS_PER_BROKER, "{partitions} at {brokers}: {most}");
                assert!(
                    at.iter().all(|one| one.iter().sum::<usize>() > 0),
                    "{partitions} at {brokers}: idle"
                );
            }
        }
    }

    #[test]
    fn the_default_at_one_and_at_three_brokers() {
        assert_eq!((producers(64, 1), producers(64, 3), producers(1, 3)), (13, 5, 1));
        assert_eq!(producers(1_024, 1), KAFKA_PRODUCERS);
    }
}
