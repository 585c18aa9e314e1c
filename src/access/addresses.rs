//! How many connections each address holds: a table no larger than the connections there are.
//!
//! An entry exists only while its address holds a connection, so the bound on connections bounds the table too.
//! Of IPv6 the first 64 bits count, for a host is given all the rest; an IPv4 address mapped into IPv6 is itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Connections by address, each at most `most`.
#[derive(Debug)]
pub struct Addresses {
    held: BTreeMap<Network, u32>,
    most: u32,
}

/// What counts as one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Network {
    V4(u32),
    V6(u64),
}

/// The address holds as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyOfAddress;

impl Addresses {
    /// Each address may hold `most` connections.
    pub fn new(most: u32) -> Self {
        Self { held: BTreeMap::new(), most }
    }

    /// A connection came: counted until [`leave`](Self::leave), or refused and not counted.
    pub fn enter(&mut self, address: IpAddr) -> Result<(), TooManyOfAddress> {
        if self.most == 0 {
            return Err(TooManyOfAddress);
        }
        let held = self.held.entry(Network::of(address)).or_insert(0);
        if *held >= self.most {
            return Err(TooManyOfAddress);
        }
        *held += 1;
        Ok(())
    }

    /// A connection that was let in has gone.
    pub fn leave(&mut self, address: IpAddr) {
        let network = Network::of(address);
        let held = self.held.get_mut(&network).expect("only who was let in leaves");
        *held -= 1;
        if *held == 0 {
            self.held.remove(&network);
        }
    }
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_share_and_a_place_again_when_one_leaves() {
        let mut table = Addresses::new(2);
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(table.enter(at("10.0.0.1")), Ok(()));
        assert_eq!(table.enter(at("::ffff:10.0.0.1")), Ok(()), "the same host through a dual-stack socket");
        assert_eq!(table.enter(at("10.0.0.1")), Err(TooManyOfAddress));
        assert_eq!(table.enter(at("10.0.0.2")), Ok(()));
        assert_eq!(table.enter(at("2001:db8::1")), Ok(()));
        assert_eq!(table.enter(at("2001:db8::ffff:1")), Ok(()));
        assert_eq!(
            table.enter(at("2001:db8::2")),
            Err(TooManyOfAddress),
            "one network of 64 bits is one peer"
        );
        table.leave(at("10.0.0.1"));
        assert_eq!(table.enter(at("10.0.0.1")), Ok(()));
    }

    #[test]
    fn an_address_without_connections_takes_no_room() {
        let mut table = Addresses::new(1);
        let at = |n: u32| IpAddr::V4(n.into());
        for n in 0..1_000 {
            table.enter(at(n)).unwrap();
            assert!(table.enter(at(n)).is_err());
            table.leave(at(n));
        }
        assert!(table.held.is_empty());
    }
}
