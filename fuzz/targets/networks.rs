//! A deployment's list of networks allows the addresses in it, and no other address that is not public.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use pigeonpost_fuzz::is_certainly_not_public;
use shared::domain::network::{AddressPolicy, is_public};

fuzz_target!(|input: (bool, u128, &str)| {
    let (is_v4, bits, list) = input;
    let address = if is_v4 { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6(bits.into()) };
    assert!(!(is_public(address) && is_certainly_not_public(address)), "{address}");
    let Ok(policy) = AddressPolicy::parse(list) else { return };
    let mut networks = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let named = networks.any(|network| is_within(address, network));
    assert_eq!(policy.allows(address), named || is_public(address), "{address} of {list:?}");
});

/// Whether an address is in a network in CIDR notation.
fn is_within(address: IpAddr, network: &str) -> bool {
    let Some((first, prefix)) = network.split_once('/') else { return false };
    let (Ok(first), Ok(prefix)) = (first.parse(), prefix.parse::<u32>()) else { return false };
    let (bits, first, width) = match (address, first) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    (bits ^ first).checked_shr(width - prefix).unwrap_or(0) == 0
}
