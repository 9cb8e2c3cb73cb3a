//! Which network addresses deliveries may connect to. A Lambda function can reach its own Runtime API without
//! authentication, so deliveries connect to public unicast addresses only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Invalid;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// IPv4 networks that are not global unicast (IANA special-purpose registry, multicast, reserved).
const REFUSED_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// IPv6 networks that are not global unicast. `::/8` holds `::`, `::1` and the v4-mapped and
/// v4-compatible addresses.
const REFUSED_V6: [Ipv6Net; 10] = [
    v6([0, 0, 0, 0, 0, 0, 0, 0], 8),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

/// NAT64 (well-known and local-use prefix) and 6to4. Such an address is public if the embedded IPv4 address is.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const NAT64_LOCAL: Ipv6Net = v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

/// Decides which addresses deliveries may connect to: public addresses, and the networks that the deployment's
/// configuration allows. By default it allows no other networks.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
}

impl AddressPolicy {
    /// A policy that allows public addresses and these networks.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Parses a comma-separated list of networks in CIDR notation.
    ///
    /// # Errors
    /// [`Invalid`] naming the first entry that is not a network.
    pub fn parse(list: &str) -> Result<Self, Invalid> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let network = |entry: &str| {
            // Parsers disagree about leading zeros: some read `010.0.0.0` as octal, others as decimal.
            let clear = entry.split('/').next().is_some_and(|address| address.parse::<IpAddr>().is_ok());
            let read = IpNet::from_str(entry).ok().filter(|_| clear);
            read.ok_or_else(|| Invalid::new(format!("{entry} is not a network such as 10.0.0.0/8")))
        };
        Ok(Self { allowed: entries.map(network).collect::<Result<_, _>>()? })
    }

    /// Whether a delivery may connect to this address.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(&address)) || is_public(address)
    }
}

/// Whether the address is global unicast.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !REFUSED_V4.iter().any(|network| network.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match embedded_v4(address) {
        Some(inside) => is_public_v4(inside),
        None => !REFUSED_V6.iter().any(|network| network.contains(&address)),
    }
}

/// The IPv4 address that a NAT64 or 6to4 address embeds; `None` for any other address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = |i: [usize; 4]| Ipv4Addr::from(i.map(|i| octets[i]));
    if SIX_TO_FOUR.contains(&address) {
        Some(at([2, 3, 4, 5]))
    } else if NAT64.contains(&address) {
        Some(at([12, 13, 14, 15]))
    } else if NAT64_LOCAL.contains(&address) {
        // RFC 6052 for a /48 prefix: octet 8 is reserved and splits the address.
        Some(at([6, 7, 9, 10]))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each network, and whether the addresses just below and above it are public; `None` if there is no such
    /// address.
    const BOUNDARIES: [(&str, Option<bool>, Option<bool>); 26] = [
        ("0.0.0.0/8", None, Some(true)),
        ("10.0.0.0/8", Some(true), Some(true)),
        ("100.64.0.0/10", Some(true), Some(true)),
        ("127.0.0.0/8", Some(true), Some(true)),
        ("169.254.0.0/16", Some(true), Some(true)),
        ("172.16.0.0/12", Some(true), Some(true)),
        ("192.0.0.0/24", Some(true), Some(true)),
        ("192.0.2.0/24", Some(true), Some(true)),
        ("192.88.99.0/24", Some(true), Some(true)),
        ("192.168.0.0/16", Some(true), Some(true)),
        ("198.18.0.0/15", Some(true), Some(true)),
        ("198.51.100.0/24", Some(true), Some(true)),
        ("203.0.113.0/24", Some(true), Some(true)),
        ("224.0.0.0/4", Some(true), Some(false)),
        ("240.0.0.0/4", Some(false), None),
        ("::/8", None, Some(false)),
        ("100::/64", Some(false), Some(true)),
        ("2001::/23", Some(true), Some(true)),
        ("2001:db8::/32", Some(true), Some(true)),
        ("3fff::/20", Some(true), Some(true)),
        ("5f00::/16", Some(true), Some(true)),
        ("fc00::/7", Some(true), Some(true)),
        ("fe80::/10", Some(true), Some(false)),
        ("fec0::/10", Some(false), Some(false)),
        ("ff00::/8", Some(false), None),
        // The last 6to4 address embeds 255.255.255.255.
        ("2002:ffff:ffff::/48", Some(false), Some(true)),
    ];

    fn below(address: IpAddr) -> Option<IpAddr> {
        match address {
            IpAddr::V4(address) => address.to_bits().checked_sub(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
            IpAddr::V6(address) => address.to_bits().checked_sub(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
        }
    }

    fn above(address: IpAddr) -> Option<IpAddr> {
        match address {
            IpAddr::V4(address) => address.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
            IpAddr::V6(address) => address.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
        }
    }

    #[test]
    fn every_refused_network_is_refused_from_its_first_to_its_last_address() {
        for (network, before, after) in BOUNDARIES {
            let net: IpNet = network.parse().unwrap();
            assert!(!is_public(net.network()), "first of {network}");
            assert!(!is_public(net.broadcast()), "last of {network}");
            assert_eq!(below(net.network()).map(is_public), before, "below {network}");
            assert_eq!(above(net.broadcast()).map(is_public), after, "above {network}");
        }
        let known = BOUNDARIES.map(|(network, ..)| network.parse().unwrap());
        let refused = REFUSED_V4.map(IpNet::V4).into_iter().chain(REFUSED_V6.map(IpNet::V6));
        assert!(refused.clone().all(|network| known.contains(&network)), "the table is complete");
        assert_eq!(refused.count() + 1, known.len());
    }

    #[test]
    fn a_translated_address_is_public_if_the_embedded_one_is_at_every_boundary() {
        let networks = REFUSED_V4.map(|net| [Some(net.network().into()), Some(net.broadcast().into())]);
        let edges = networks.into_iter().flatten().flatten();
        let around: Vec<_> = edges.flat_map(|edge| [below(edge), Some(edge), above(edge)]).flatten().collect();
        assert!(around.len() > 80);
        for address in around {
            let IpAddr::V4(inside) = address else { panic!("{address}") };
            let [a, b, c, d] = inside.octets();
            let (first, second) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let (before_gap, after_gap) = (u16::from(c), u16::from_be_bytes([d, 0]));
            let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, first, second);
            let local = Ipv6Addr::new(0x64, 0xff9b, 1, first, before_gap, after_gap, 0, 0);
            let six_to_four = Ipv6Addr::new(0x2002, first, second, 0, 0, 0, 0, 1);
            for outside in [nat64, local, six_to_four] {
                assert_eq!(is_public(outside.into()), is_public(address), "{outside} with {address}");
            }
            let compatible = Ipv6Addr::new(0, 0, 0, 0, 0, 0, first, second);
            for outside in [inside.to_ipv6_mapped(), compatible] {
                assert!(!is_public(outside.into()), "{outside} with {address}");
            }
        }
    }

    #[test]
    fn translated_addresses_are_public_if_the_embedded_ones_are() {
        let table = [
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::a9fe:6401", false),
            ("64:ff9b::808:808", true),
            ("64:ff9b:1:7f00:0:100::", false),
            ("64:ff9b:1:808:8:800::", true),
            ("2002:7f00:1::", false),
            ("2002:c0a8:101::1", false),
            ("2002:808:808::1", true),
            ("::ffff:8.8.8.8", false),
            ("::ffff:127.0.0.1", false),
            ("::8.8.8.8", false),
            ("2606:4700::1111", true),
        ];
        for (address, expected) in table {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_deployment_allows_the_configured_networks() {
        let policy = AddressPolicy::parse("127.0.0.0/8, ::1/128").unwrap();
        for (address, expected) in [("127.0.0.1", true), ("::1", true), ("10.0.0.1", false), ("8.8.8.8", true)] {
            assert_eq!(policy.allows(address.parse().unwrap()), expected, "{address}");
        }
        for list in ["localhost", "10.0.0.0", "10.0.0.0/33", "010.0.0.0/8", "10.0.00.0/8", "::1/128, 127.1/8"] {
            assert!(AddressPolicy::parse(list).is_err(), "{list}");
        }
        assert!(!AddressPolicy::parse("").unwrap().allows("127.0.0.1".parse().unwrap()));
    }
}
