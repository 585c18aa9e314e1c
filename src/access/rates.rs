//! How fast somebody may go on: token buckets in whole numbers, whose time is passed in.
//!
//! A [`Rate`] is what is allowed and is shared; a [`Bucket`] is 16 bytes of what one peer has left. Tokens are
//! counted in thousandths, so that each millisecond adds a whole number of them and nothing is ever rounded away.
//! A full bucket takes also what is larger than itself and then stays in debt for the time that costs: a message
//! that is allowed by its size is never refused for ever by its rate.

use crate::limits::RATE_MOST;

/// What is allowed: so many a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

/// What one peer has left. New ones are full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Thousandths of a token; below zero is debt.
    level: i64,
    at_ms: u64,
}

impl Rate {
    /// A second's worth may come at once. `per_second` is 1 to [`RATE_MOST`]; outside, the nearest of them.
    pub fn per_second(per_second: u32) -> Self {
        let per_second = per_second.clamp(1, RATE_MOST);
        Self { per_second, burst: per_second }
    }

    /// So many a second, and after a pause `burst` at once.
    pub fn with_burst(per_second: u32, burst: u32) -> Self {
        Self { burst, ..Self::per_second(per_second) }
    }

    fn full(self) -> i64 {
        i64::from(self.burst) * 1_000
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self { level: i64::MAX, at_ms: 0 }
    }
}

impl Bucket {
    /// Takes `n` tokens, or says in how many milliseconds it could if nobody takes any until then.
    pub fn take(&mut self, rate: Rate, now_ms: u64, n: u32) -> Result<(), u64> {
        let wait_ms = self.wait_ms(rate, now_ms, n);
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        self.level -= i64::from(n) * 1_000;
        Ok(())
    }

    /// Brings the level up to now, and says how long until `n` could be taken: 0 if at once.
    fn wait_ms(&mut self, rate: Rate, now_ms: u64, n: u32) -> u64 {
        let passed_ms = now_ms.saturating_sub(self.at_ms).min(i64::MAX as u64) as i64;
        let gained = passed_ms.saturating_mul(i64::from(rate.per_second));
        self.level = self.level.saturating_add(gained).min(rate.full());
        self.at_ms = self.at_ms.max(now_ms);
        let missing = (i64::from(n) * 1_000).min(rate.full()) - self.level;
        if missing <= 0 { 0 } else { (missing as u64).div_ceil(u64::from(rate.per_second)) }
    }
}

/// What a session may send: messages and bytes a second, each off unless set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendRates {
    /// Messages: each recipient of a list is one.
    pub messages: Option<Rate>,
    /// Bytes of durable bodies: each recipient of a list has its own.
    pub bytes: Option<Rate>,
}

/// What a session has left of its [`SendRates`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendBuckets {
    messages: Bucket,
    bytes: Bucket,
}

impl SendBuckets {
    /// To be carried elsewhere with its session.
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (bucket, half) in [&self.messages, &self.bytes].into_iter().zip(bytes.chunks_exact_mut(16)) {
            half[..8].copy_from_slice(&bucket.level.to_le_bytes());
            half[8..].copy_from_slice(&bucket.at_ms.to_le_bytes());
        }
        bytes
    }

    /// Reads back what [`to_bytes`](Self::to_bytes) gave; `None` for a debt that nobody can have made.
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        let most_owed = i64::from(u32::MAX) * 1_000;
        let (halves, _) = bytes.as_chunks::<8>();
        let bucket = |level: [u8; 8], at_ms: [u8; 8]| Bucket {
            level: i64::from_le_bytes(level),
            at_ms: u64::from_le_bytes(at_ms),
        };
        let read = Self { messages: bucket(halves[0], halves[1]), bytes: bucket(halves[2], halves[3]) };
        (read.messages.level >= -most_owed && read.bytes.level >= -most_owed).then_some(read)
    }

    /// Takes from both or from neither; the wait is the longer one.
    pub fn take(&mut self, rates: &SendRates, now_ms: u64, messages: u32, bytes: u32) -> Result<(), u64> {
        let wait =
            |bucket: &mut Bucket, rate: Option<Rate>, n| rate.map_or(0, |r| bucket.wait_ms(r, now_ms, n));
        let wait_ms =
            wait(&mut self.messages, rates.messages, messages).max(wait(&mut self.bytes, rates.bytes, bytes));
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        for (bucket, rate, n) in
            [(&mut self.messages, rates.messages, messages), (&mut self.bytes, rates.bytes, bytes)]
        {
            if let Some(rate) = rate {
                bucket.take(rate, now_ms, n).expect("it just said that it need not wait");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_at_once_then_one_by_one() {
        let (rate, mut bucket) = (Rate::per_second(10), Bucket::default());
        for _ in 0..10 {
            assert_eq!(bucket.take(rate, 5_000, 1), Ok(()));
        }
        assert_eq!(bucket.take(rate, 5_000, 1), Err(100));
        assert_eq!(bucket.take(rate, 5_099, 1), Err(1));
        assert_eq!(bucket.take(rate, 5_100, 1), Ok(()));
        assert_eq!(size_of::<Bucket>(), 16);
    }

    #[test]
    fn what_is_larger_than_the_bucket_waits_for_a_full_one_and_leaves_a_debt() {
        let (rate, mut bucket) = (Rate::per_second(1_000), Bucket::default());
        assert_eq!(bucket.take(rate, 0, 5_000), Ok(()));
        assert_eq!(bucket.take(rate, 0, 1), Err(4_001));
        assert_eq!(bucket.take(rate, 4_001, 5_000), Err(999));
        assert_eq!(bucket.take(rate, 5_000, 5_000), Ok(()));
    }

    #[test]
    fn nothing_is_taken_from_one_bucket_when_the_other_is_empty() {
        let rates = SendRates { messages: Some(Rate::per_second(2)), bytes: Some(Rate::per_second(100)) };
        let mut left = SendBuckets::default();
        assert_eq!(left.take(&rates, 0, 1, 100), Ok(()));
        assert_eq!(left.take(&rates, 0, 1, 100), Err(1_000));
        assert_eq!(left.take(&rates, 0, 1, 0), Ok(()));
        assert_eq!(SendBuckets::default().take(&SendRates::default(), 0, u32::MAX, u32::MAX), Ok(()));
    }

    proptest! {
        /// However it is asked, no window gives more than a burst, what the rate adds, and one last debt; the wait
        /// it names is exact.
        #[test]
        fn keeps_the_rate_and_names_the_exact_wait(
            per_second in 1u32..2_000,
            steps in proptest::collection::vec((0u64..700, 0u32..3_000), 1..60),
        ) {
            let (rate, mut bucket) = (Rate::per_second(per_second), Bucket::default());
            let (mut now_ms, mut taken, mut largest) = (0u64, 0u64, 0u64);
            for (step_ms, n) in steps {
                now_ms += step_ms;
                match bucket.take(rate, now_ms, n) {
                    Ok(()) => {
                        taken += u64::from(n);
                        largest = largest.max(u64::from(n));
                    }
                    Err(wait_ms) => {
                        prop_assert_eq!(bucket.clone().take(rate, now_ms + wait_ms, n), Ok(()));
                        prop_assert_eq!(bucket.clone().take(rate, now_ms + wait_ms - 1, n), Err(1));
                    }
                }
                let allowed = u64::from(per_second) * (1_000 + now_ms) + largest * 1_000;
                prop_assert!(taken * 1_000 <= allowed, "{taken} in {now_ms} ms");
            }
        }

        #[test]
        fn no_number_overflows(rate in any::<u32>(), asks in proptest::collection::vec((any::<u64>(), any::<u32>()), 1..20)) {
            let (rate, mut bucket) = (Rate::per_second(rate), Bucket::default());
            for (now_ms, n) in asks {
                let _ = bucket.take(rate, now_ms, n);
            }
        }
    }
}
