//! Where a client lives: its partition of the log and its core on a node.
//!
//! Both come from one hash, Kafka's default partitioner, so that any Kafka producer which sets a record's key to
//! a client ID reaches that client. The core is taken from what the partition leaves of the hash: it depends
//! neither on ownership nor on which partitions a node holds, so every core works on every host.

use super::IdRef;

/// A unit of order in the log and of ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u16);

/// How many partitions the log has and how many cores this node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    partitions: u16,
    cores: u16,
}

/// Where one client lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its partition of the log.
    pub partition: Partition,
    /// Its core on this node.
    pub core: u16,
}

impl Topology {
    /// Panics if either is 0: both were checked with the configuration.
    pub fn new(partitions: u16, cores: u16) -> Self {
        assert!(partitions > 0 && cores > 0, "a topology has at least one partition and one core");
        Self { partitions, cores }
    }

    /// `murmur2(client) & 0x7fffffff`, then the partition is the remainder by P and the core that of the quotient.
    pub fn place(self, client: IdRef<'_>) -> Place {
        let hash = murmur2(client.as_str().as_bytes()) & 0x7fff_ffff;
        let (rest, partition) = (hash / u32::from(self.partitions), hash % u32::from(self.partitions));
        Place { partition: Partition(partition as u16), core: (rest % u32::from(self.cores)) as u16 }
    }

    /// Its core alone: on a node of one core there is nothing to work out.
    pub fn core(self, client: IdRef<'_>) -> u16 {
        if self.cores == 1 { 0 } else { self.place(client).core }
    }

    /// How many partitions the log has.
    pub fn partitions(self) -> u16 {
        self.partitions
    }

    /// How many cores this node has.
    pub fn cores(self) -> u16 {
        self.cores
    }
}

/// MurmurHash2 with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mix = |k: u32| {
        let k = k.wrapping_mul(M);
        (k ^ (k >> 24)).wrapping_mul(M)
    };
    let mut h = 0x9747_b28c ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        h = h.wrapping_mul(M) ^ mix(u32::from_le_bytes(*word));
    }
    if !tail.is_empty() {
        for (i, &byte) in tail.iter().enumerate() {
            h ^= u32::from(byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Apache Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn agrees_with_kafka() {
        let vectors: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key) as i32, hash, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn cores_share_the_clients_of_every_partition() {
        let topology = Topology::new(64, 4);
        let mut seen = vec![[0u32; 4]; 64];
        for n in 0..64_000 {
            let place = topology.place(IdRef::new(&format!("client-{n}")).unwrap());
            seen[usize::from(place.partition.0)][usize::from(place.core)] += 1;
        }
        assert!(seen.iter().flatten().all(|&n| (150..350).contains(&n)), "{seen:?}");
    }
}
