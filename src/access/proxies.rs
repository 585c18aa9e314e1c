//! Whose word counts for where a connection comes from: the networks of `--proxy-from`.
//!
//! Who lies in one of them begins each connection with a PROXY header; nobody else's is taken. An IPv4 address mapped
//! into IPv6 is itself, in the list and in a peer, so that it is the same on a dual-stack socket.

use crate::limits::PROXY_NETWORKS;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The networks of `--proxy-from`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Box<[Network]>);

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    /// The first one.
    first: IpAddr,
    /// Bits that all of them share.
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadNetwork {
    /// What stands before the `/` is no IP address.
    Address,
    /// What stands behind it is no number of bits, or more than an address has.
    Prefix {
        /// Bits of an address of this family.
        most: u8,
    },
    /// The address has bits beyond the prefix.
    Inside {
        /// The network in which it lies.
        first: IpAddr,
        /// The network's bits.
        prefix: u8,
    },
    /// More than [`PROXY_NETWORKS`] of them.
    TooMany,
}

impl Proxies {
    /// Reads the entries of `--proxy-from`, addresses among them; an error names all that are wrong.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<(&'a str, BadNetwork)>> {
        let (mut networks, mut wrong) = (Vec::new(), Vec::new());
        for text in texts {
            match Network::parse(text) {
                Ok(_) if networks.len() == PROXY_NETWORKS => {
                    wrong.push((text, BadNetwork::TooMany));
                    break;
                }
                Ok(network) => networks.push(network),
                Err(bad) => wrong.push((text, bad)),
            }
        }
        if wrong.is_empty() { Ok(Self(networks.into_boxed_slice())) } else { Err(wrong) }
    }

    /// Whether this peer's connections begin with a PROXY header.
    pub fn contain(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(peer))
    }

    /// Nobody's word counts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether everybody with an address of one of the families is believed.
    pub fn contain_everybody(&self) -> bool {
        self.0.iter().any(|network| network.prefix == 0)
    }
}

impl Network {
    /// `10.0.0.0/8`, `2001:db8::/32`, or one address.
    fn parse(text: &str) -> Result<Self, BadNetwork> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| BadNetwork::Address)?;
        let most = bits(address);
        let prefix = match prefix {
            None => most,
            Some(prefix) => {
                let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
                let number = prefix.parse().ok().filter(|&number: &u8| is_number && number <= most);
                number.ok_or(BadNetwork::Prefix { most })?
            }
        };
        let first = first_of(address, prefix);
        if first != address {
            return Err(BadNetwork::Inside { first, prefix });
        }
        Ok(Self { first, prefix }.canonical())
    }

    /// The same addresses as IPv4, if they are all mapped from there.
    fn canonical(self) -> Self {
        match self.first.to_canonical() {
            first @ IpAddr::V4(_) if self.first.is_ipv6() && self.prefix >= 96 => {
                Self { first, prefix: self.prefix - 96 }
            }
            _ => self,
        }
    }

    fn contains(self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer.is_ipv4() == self.first.is_ipv4() && first_of(peer, self.prefix) == self.first
    }
}

/// Bits of an address.
fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first address of the network of so many bits in which this one lies.
fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    let kept = |bits: u8| u128::MAX.checked_shl(u32::from(bits - prefix)).unwrap_or(0);
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & kept(32) as u32).into()),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(v6.to_bits() & kept(128))),
    }
}

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => write!(f, "is no network; write it as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32"),
            Self::Prefix { most } => write!(f, "has a prefix that is not 0 to {most}; write it as /{most}"),
            Self::Inside { first, prefix } => {
                write!(f, "is an address inside a network; write {first}/{prefix} for all of it, or leave ")?;
                write!(f, "/{prefix} out for this one")
            }
            Self::TooMany => {
                write!(
                    f,
                    "is one more than the {PROXY_NETWORKS} that may be listed; write a shorter prefix for several"
                )
            }
        }
    }
}

impl std::error::Error for BadNetwork {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_lies_in_a_network_or_does_not() {
        let list =
            Proxies::new(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::ffff:198.51.100.0/120"]).unwrap();
        for inside in
            ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3", "192.0.2.7", "2001:db8:ffff::1", "198.51.100.9"]
        {
            assert!(list.contain(at(inside)), "{inside}");
        }
        for outside in
            ["11.0.0.0", "9.255.255.255", "192.0.2.6", "2001:db9::", "::1", "::10.0.0.1", "198.51.101.0"]
        {
            assert!(!list.contain(at(outside)), "{outside}");
        }
        assert!(!Proxies::default().contain(at("127.0.0.1")));
    }

    #[test]
    fn a_prefix_of_nothing_is_everybody_of_its_family() {
        let all = Proxies::new(["0.0.0.0/0"]).unwrap();
        assert!(all.contain_everybody() && all.contain(at("203.0.113.9")) && !all.contain(at("2001:db8::1")));
        assert!(Proxies::new(["::/0"]).unwrap().contain(at("2001:db8::1")));
        assert!(!Proxies::new(["0.0.0.0/1", "::/1"]).unwrap().contain_everybody());
    }

    #[test]
    fn says_of_every_entry_what_is_wrong_with_it() {
        let inside = |first: &str, prefix| BadNetwork::Inside { first: at(first), prefix };
        for (text, why) in [
            ("", BadNetwork::Address),
            ("10.0.0/8", BadNetwork::Address),
            ("haproxy.internal", BadNetwork::Address),
            ("10.0.0.1:80", BadNetwork::Address),
            ("10.0.0.0/", BadNetwork::Prefix { most: 32 }),
            ("10.0.0.0/33", BadNetwork::Prefix { most: 32 }),
            ("10.0.0.0/+8", BadNetwork::Prefix { most: 32 }),
            ("10.0.0.0/255.0.0.0", BadNetwork::Prefix { most: 32 }),
            ("2001:db8::/129", BadNetwork::Prefix { most: 128 }),
            ("10.0.0.1/8", inside("10.0.0.0", 8)),
            ("2001:db8::1/64", inside("2001:db8::", 64)),
        ] {
            assert_eq!(Proxies::new([text]), Err(vec![(text, why)]), "{text}");
        }
        let wrong = Proxies::new(["10.0.0.1/8", "10.0.0.0/8", "x"]).unwrap_err();
        assert_eq!(wrong.iter().map(|(text, _)| *text).collect::<Vec<_>>(), ["10.0.0.1/8", "x"]);
        assert!(Proxies::new(vec!["10.0.0.1"; PROXY_NETWORKS]).is_ok());
        let many = Proxies::new(vec!["10.0.0.1"; PROXY_NETWORKS + 2]).unwrap_err();
        assert_eq!(many, [("10.0.0.1", BadNetwork::TooMany)]);
    }

    proptest! {
        #[test]
        fn a_network_holds_who_shares_its_bits(address: [u8; 16], prefix in 0..=128_u8, flipped in 0..128_u8) {
            let address = Ipv6Addr::from(address);
            prop_assume!(address.to_ipv4_mapped().is_none());
            let network = Network { first: first_of(address.into(), prefix), prefix };
            let read = Network::parse(&format!("{}/{prefix}", network.first));
            prop_assert!(read == Ok(network) || network.first.to_canonical().is_ipv4());
            let other = Ipv6Addr::from(address.to_bits() ^ (1 << (127 - flipped)));
            prop_assume!(other.to_ipv4_mapped().is_none());
            prop_assert!(network.contains(address.into()));
            prop_assert_eq!(network.contains(other.into()), flipped >= prefix);
        }

        #[test]
        fn nothing_written_panics(text in "[0-9a-f:./]{0,24}") {
            let _ = Proxies::new([text.as_str()]);
        }
    }
}
