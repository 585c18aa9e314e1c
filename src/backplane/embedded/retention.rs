//! Time passing: buckets whose newest record is too old are dropped whole, and commits nobody needs with them.

use super::counts::{CountPuts, Moment};
use super::ledger::Ledger;
use super::meta;
use super::view::Bucket;
use crate::backplane::store::database::StoreError;
use fjall::AbstractTree;

/// Commits may pile up so far beyond what a start needs before whole tables of them are looked for.
const COMMITS_KEPT: u64 = 20_000;

impl Ledger {
    /// Takes the buckets that have expired out of the log, durably. They are to be dropped once nobody reads them.
    pub fn expire(&mut self) -> Result<Vec<Bucket>, StoreError> {
        let now_ms = self.at_ms.max((self.options.clock)());
        let is_over = |bucket: &Bucket| bucket.ended_ms.saturating_add(self.options.retention_ms) < now_ms;
        let expired = self.buckets.iter().take_while(|bucket| is_over(bucket)).count();
        if expired == 0 {
            return Ok(Vec::new());
        }
        let dropped: Vec<_> = self.buckets.drain(..expired).collect();
        let mut batch = self.store.durable_batch();
        for bucket in &dropped {
            batch.remove(&self.store.meta, meta::bucket_key(bucket.number));
        }
        // Counts are of all buckets together: they are read again from those that are left.
        let now = Moment { commit: self.commit, record: self.record, at_ms: self.at_ms, bucket: 0 };
        self.write_counts(now, true, &mut CountPuts::new(), &mut batch);
        self.counts.forget();
        let floors = self.floors();
        for (epochs, &floor) in self.epochs.iter_mut().zip(floors.iter()) {
            epochs.forget_below(floor);
        }
        batch.insert(&self.store.meta, meta::EPOCHS, meta::encode_epochs(&self.epochs));
        for guard in self.store.meta.prefix([meta::ERASED]) {
            let (key, value) = guard.into_inner()?;
            // Whoever is before an erase below the floor is before the floor.
            if meta::read_erase(&value).is_some_and(|(p, offset)| offset < floors[usize::from(p.0)]) {
                batch.remove(&self.store.meta, key);
            }
        }
        self.write_checkpoint(&mut batch);
        let keyspaces = [&self.store.meta, &self.commits].into_iter();
        self.store.wait_for_room(keyspaces.chain(self.buckets.iter().map(|bucket| &bucket.keyspace)))?;
        batch.commit()?;
        Ok(dropped)
    }

    /// Gives back the space of commits that no start will read: whole tables of them.
    pub fn forget_commits(&mut self) -> Result<(), StoreError> {
        if self.read_from < self.forgotten.saturating_add(COMMITS_KEPT) {
            return Ok(());
        }
        self.forgotten = self.read_from;
        let keys = 0u64.to_be_bytes()..self.read_from.to_be_bytes();
        self.commits.tree.drop_range(keys).map_err(fjall::Error::from)?;
        Ok(())
    }
}
