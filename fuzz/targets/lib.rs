//! Shared code of the fuzz targets: a second, independent implementation of the check for public addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the address is certainly not a public address of the internet. Returns false for addresses on which
/// implementations may differ.
pub fn is_certainly_not_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => match inner(address) {
            Some(inside) => is_special_v4(inside),
            None => is_special_v6(address),
        },
    }
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || a == 100 && b & 0xc0 == 64
        || a == 198 && b & 0xfe == 18
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.to_ipv4().is_some()
        || address.segments()[..2] == [0x2001, 0xdb8]
}

/// The IPv4 address to which a 6to4 or NAT64 gateway would send.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let v4 = |bits: u128| Ipv4Addr::from_bits(u32::try_from(bits & 0xffff_ffff).unwrap_or_default());
    if bits >> 112 == 0x2002 {
        Some(v4(bits >> 80))
    } else if bits >> 32 == 0x0064_ff9b << 64 {
        Some(v4(bits))
    } else {
        None
    }
}
