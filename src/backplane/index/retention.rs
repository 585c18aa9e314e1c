//! Time passing: buckets all of which is too old are dropped whole, and what they held is covered no more.

use super::buckets::Bucket;
use super::ledger::Ledger;
use super::meta;
use super::values::Cut;
use crate::backplane::store::database::{StoreError, damaged};
use crate::model::Partition;
use std::sync::Arc;

impl Ledger {
    /// Takes the buckets that have expired out of the index, durably: their files go next, and must not be missed. They
    /// are to be dropped once readers see the rest.
    pub fn expire(&mut self, now_ms: u64) -> Result<(Vec<Bucket>, Vec<Cut>), StoreError> {
        let mut buckets = self.buckets.clone();
        let expired = buckets.take_expired(self.options.retention_ms, now_ms);
        if expired.is_empty() {
            return Ok((expired, Vec::new()));
        }
        let (mut batch, mut partitions, mut cuts) =
            (self.store.durable_batch(), self.partitions.clone(), Vec::new());
        for bucket in &expired {
            batch.remove(&self.store.meta, meta::bucket_key(bucket.number));
        }
        for (p, held) in (0..).zip(&mut partitions) {
            let (partition, Some(held)) = (Partition(p), held) else { continue };
            let held = Arc::make_mut(held);
            let from = held.coverage.from;
            for extent in
                held.extents.extract_if(.., |extent| expired.iter().any(|b| b.number == extent.bucket))
            {
                batch.remove(&self.store.meta, meta::extent_key(partition, extent.bucket));
                held.coverage.from = held.coverage.from.max(extent.last + 1);
            }
            if held.coverage.from > from {
                let row = self.store.meta.get(meta::partition_key(partition))?;
                let row = row.ok_or_else(|| damaged("a partition's row"))?;
                let (seed, _, state) =
                    meta::read_partition(&row).ok_or_else(|| damaged("a partition's row"))?;
                let row = meta::encode_partition(seed, held.coverage, state);
                batch.insert(&self.store.meta, meta::partition_key(partition), row);
                cuts.push(Cut { partition, from: held.coverage.from });
            }
        }
        // Whoever is before an erase that is not covered is not covered either; those of dropped partitions are void.
        for guard in self.store.meta.prefix([meta::ERASED]) {
            let (key, value) = guard.into_inner()?;
            let held = meta::partition_of(&key).and_then(|p| partitions.get(usize::from(p.0))?.as_ref());
            let is_needed =
                |(seed, offset)| held.is_some_and(|held| held.seed == seed && held.coverage.from <= offset);
            if !meta::read_pair(&value).is_some_and(is_needed) {
                batch.remove(&self.store.meta, key);
            }
        }
        self.store.wait_for_room([&self.store.meta].into_iter())?;
        batch.commit()?;
        (self.buckets, self.partitions) = (buckets, partitions);
        Ok((expired, cuts))
    }

    /// Gives the space of expired buckets back.
    pub fn drop_buckets(&mut self, expired: Vec<Bucket>) -> Result<(), StoreError> {
        expired.into_iter().try_for_each(|bucket| self.store.drop_bucket(bucket.keyspace))
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::IndexOptions;
    use super::super::recover;
    use super::super::values::{Coverage, Erase, Portion, Put};
    use super::*;
    use crate::backplane::store::directory::{Directory, Kind};
    use crate::log::Epochs;
    use crate::model::{ClientId, Envelope, EnvelopeParts, IdRef, Kind as Asked};

    const HOUR: u64 = 3_600_000;

    fn row(offset: u64, at_ms: u64) -> Put {
        let to = IdRef::new("bob").ok();
        let parts =
            EnvelopeParts { kind: Asked::Message, to, from: None, id: None, copied_to: b"", body: b"1" };
        Put { offset, at_ms, envelope: Envelope::new(parts) }
    }

    fn portion(partition: u16, rows: Vec<Put>, erases: &[(&str, u64)]) -> Portion {
        let erase =
            |&(client, offset): &(&str, u64)| Erase { client: ClientId::new(client).unwrap(), offset };
        Portion {
            partition: Partition(partition),
            rows,
            erases: erases.iter().map(erase).collect(),
            coverage: Coverage { from: 0, next: 10 },
            epochs: Epochs::default(),
            state: Vec::new(),
        }
    }

    /// Erases are remembered one by one, so there must be an end to each.
    #[test]
    fn erases_that_nobody_can_be_before_are_forgotten() {
        let dir = std::env::temp_dir().join(format!("corepost-erases-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let options = IndexOptions { retention_ms: 8 * HOUR, ..IndexOptions::new(1, 2) };
        let directory = Directory::open(&dir, Kind::Index).unwrap();
        let (mut ledger, _) = recover::open(&directory, &options).unwrap();
        let rows = vec![row(2, HOUR), row(4, HOUR), row(6, 5 * HOUR)];
        let kept = portion(0, rows, &[("bob", 3), ("eve", 5)]);
        ledger.commit(vec![kept, portion(1, Vec::new(), &[("carol", 9)])]).unwrap();
        ledger.drop_partitions(&[Partition(1)]).unwrap();
        let (expired, cuts) = ledger.expire(10 * HOUR).unwrap();
        assert_eq!((expired.len(), cuts), (1, vec![Cut { partition: Partition(0), from: 5 }]));
        let erases = ledger.store.meta.prefix([meta::ERASED]).map(|guard| guard.key().unwrap().to_vec());
        let left = meta::erase_key(Partition(0), IdRef::new("eve").unwrap());
        assert_eq!(
            erases.collect::<Vec<_>>(),
            [left],
            "bob's is below the cut, carol's of a dropped partition"
        );
        drop((ledger, expired));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
