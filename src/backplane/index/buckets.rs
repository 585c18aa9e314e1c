//! The buckets: which of them takes a row of some time.

use crate::backplane::store::database::{Store, StoreError};
use crate::limits::STORE_BUCKETS_MOST;
use fjall::Keyspace;

/// Rows of a time, dropped whole.
#[derive(Clone)]
pub struct Bucket {
    pub number: u32,
    /// Its time, Unix milliseconds: from here on…
    pub from_ms: u64,
    /// …and before this. All its rows are of it, and no other bucket has any of it.
    pub until_ms: u64,
    /// Key, headers and body of its rows.
    pub bytes: u64,
    pub keyspace: Keyspace,
}

/// All buckets, in order of their times.
#[derive(Clone)]
pub struct Buckets {
    all: Vec<Bucket>,
    /// Numbers are not used twice while it is open.
    next_number: u32,
    /// How long a new one is, less where another one begins or ends.
    bucket_ms: u64,
}

impl Buckets {
    pub fn new(mut all: Vec<Bucket>, next_number: u32, bucket_ms: u64) -> Self {
        all.sort_unstable_by_key(|bucket| bucket.from_ms);
        Self { all, next_number, bucket_ms }
    }

    pub fn all(&self) -> &[Bucket] {
        &self.all
    }

    /// The bucket of this moment; it is made if there is none. Where there may be no more, the one before it takes it,
    /// and is longer from then on.
    pub fn at(&mut self, at_ms: u64, store: &Store) -> Result<&mut Bucket, StoreError> {
        let after = self.all.partition_point(|bucket| bucket.from_ms <= at_ms);
        let before = after.saturating_sub(1);
        if self.all.get(before).is_some_and(|bucket| bucket.from_ms <= at_ms && at_ms < bucket.until_ms) {
            return Ok(&mut self.all[before]);
        }
        if self.all.len() >= STORE_BUCKETS_MOST {
            let bucket = &mut self.all[before];
            bucket.from_ms = bucket.from_ms.min(at_ms);
            bucket.until_ms = bucket.until_ms.max(at_ms.saturating_add(1));
            return Ok(bucket);
        }
        // The others are mostly over, and who fills history goes from one to the next.
        self.all.iter().try_for_each(|bucket| store.write_out(&bucket.keyspace))?;
        let begin_ms = at_ms - at_ms % self.bucket_ms;
        let free_from = after.checked_sub(1).map_or(0, |before| self.all[before].until_ms);
        let free_until = self.all.get(after).map_or(u64::MAX, |next| next.from_ms);
        let bucket = Bucket {
            number: self.next_number,
            from_ms: begin_ms.max(free_from),
            until_ms: begin_ms.saturating_add(self.bucket_ms).min(free_until),
            bytes: 0,
            keyspace: store.bucket(self.next_number)?,
        };
        self.next_number += 1;
        self.all.insert(after, bucket);
        Ok(&mut self.all[after])
    }

    /// Takes out those that ended so long ago.
    pub fn take_expired(&mut self, retention_ms: u64, now_ms: u64) -> Vec<Bucket> {
        let is_over = |bucket: &mut Bucket| bucket.until_ms.saturating_add(retention_ms) <= now_ms;
        self.all.extract_if(.., is_over).collect()
    }
}
