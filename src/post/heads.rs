//! How far this node has applied the partitions that it serves: as far as the slowest of its cores.

use crate::model::{Head, Partition};

/// The newest word of each core.
#[derive(Debug)]
pub(super) struct Heads {
    /// By core, each by partition. Nothing where a core has not spoken yet.
    cores: Vec<Vec<Head>>,
}

impl Heads {
    /// Of so many cores.
    pub fn new(cores: u16) -> Self {
        Self { cores: vec![Vec::new(); usize::from(cores)] }
    }

    /// A core's word, which replaces the one before.
    pub fn report(&mut self, core: u16, mut heads: Vec<Head>) {
        heads.sort_unstable_by_key(|head| head.partition);
        self.cores[usize::from(core)] = heads;
    }

    /// What all cores have applied of these partitions, which ascend. A partition is left out until all cores have it in
    /// one term.
    pub fn applied(&self, owned: &[Partition]) -> Vec<Head> {
        let (first, others) = self.cores.split_first().expect("a node has a core");
        let of = |heads: &[Head], partition: Partition| {
            heads.binary_search_by_key(&partition, |head| head.partition).ok().map(|at| heads[at])
        };
        let slowest = |head: &Head| {
            others.iter().try_fold(*head, |slowest, heads| {
                let other = of(heads, head.partition).filter(|other| other.term == head.term)?;
                Some(Head { position: slowest.position.min(other.position), ..slowest })
            })
        };
        let is_owned = |head: &&Head| owned.binary_search(&head.partition).is_ok();
        first.iter().filter(is_owned).filter_map(slowest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Position;

    fn head(partition: u16, term: u64, offset: u64) -> Head {
        Head { partition: Partition(partition), term, position: Position { leader_epoch: 0, offset } }
    }

    #[test]
    fn a_partition_is_as_far_as_its_slowest_core_and_only_where_all_have_it_in_one_term() {
        let owned = [0, 1, 2, 3].map(Partition);
        let mut heads = Heads::new(2);
        heads.report(0, vec![head(3, 1, 5), head(0, 1, 10), head(1, 2, 10), head(2, 1, 10), head(9, 1, 1)]);
        assert_eq!(heads.applied(&owned), [], "the other core has not spoken");
        heads.report(1, vec![head(0, 1, 7), head(1, 1, 20), head(3, 1, 6), head(9, 1, 1)]);
        assert_eq!(heads.applied(&owned), [head(0, 1, 7), head(3, 1, 5)]);
        heads.report(1, vec![head(1, 2, 20)]);
        assert_eq!(
            heads.applied(&owned),
            [head(1, 2, 10)],
            "the newest word of a core replaces the one before"
        );
        assert_eq!(heads.applied(&[]), []);
    }
}
