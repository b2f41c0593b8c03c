//! Networks of addresses, as they are written in the configuration, and what of them is one sender.
//!
//! An IPv4 address is the same whether it comes as one or mapped into IPv6, as it does on a socket that takes both.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// Some networks. None of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }
}

/// Reads a network (`10.0.0.0/8`, `2001:db8::/32`) or one address.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Networks of mapped addresses hold IPv4 addresses.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let mapped = |network: ipnet::Ipv6Net| {
        let first = network.network().to_ipv4_mapped()?;
        Ipv4Net::new(first, network.prefix_len().checked_sub(MAPPED_BITS)?).ok()
    };
    match network {
        IpNet::V6(six) => mapped(six).map_or(network, IpNet::V4),
        IpNet::V4(_) => network,
    }
}

/// What one sender has: an IPv4 address, or the /64 of an IPv6 address.
#[must_use]
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn are_read_and_hold_what_they_say() {
        let networks: Networks = ["10.0.0.0/8", "192.0.2.7", "::ffff:198.51.100.0/120", "2001:db8::/32"]
            .map(|t| network(t).unwrap())
            .into_iter()
            .collect();
        for inside in ["10.9.8.7", "::ffff:10.9.8.7", "192.0.2.7", "198.51.100.9", "::ffff:198.51.100.9", "2001:db8::1"]
        {
            assert!(networks.contains(address(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "198.51.101.1", "2001:db9::1", "::1", "::a09:807"] {
            assert!(!networks.contains(address(outside)), "{outside}");
        }
        assert!(Networks::default().is_empty() && !Networks::default().contains(address("10.0.0.1")));
        for text in ["", "10", "10.0.0.0/33", "10.0.0/8", "smile", "10.0.0.1-10.0.0.9", " 10.0.0.1"] {
            assert_eq!(network(text), None, "{text:?}");
        }
    }

    #[test]
    fn ipv6_senders_have_a_network_and_ipv4_senders_an_address() {
        assert_eq!(neighbourhood(address("2001:db8::1")), neighbourhood(address("2001:db8::2:3")));
        assert_ne!(neighbourhood(address("2001:db8::1")), neighbourhood(address("2001:db8:0:1::1")));
        assert_eq!(neighbourhood(address("::ffff:192.0.2.1")), address("192.0.2.1"));
        assert_ne!(neighbourhood(address("192.0.2.1")), neighbourhood(address("192.0.2.2")));
    }
}
