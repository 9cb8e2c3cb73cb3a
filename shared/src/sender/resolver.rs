//! Resolves names, once per connection, to vetted addresses: the connection goes to these and no
//! others, so that a name cannot change its mind between the check and the connection.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::addresses::AddressPolicy;

/// The name leads to an address that deliveries may not go to.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that deliveries may not go to")]
pub(super) struct RefusedAddress;

/// The name could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the name could not be resolved")]
pub(super) struct Unresolved;

/// The system's resolver, with its answers vetted.
#[derive(Debug, Clone)]
pub(super) struct VettedResolver {
    addresses: AddressPolicy,
}

impl VettedResolver {
    pub(super) fn new(addresses: AddressPolicy) -> Self {
        Self { addresses }
    }
}

impl Resolve for VettedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.addresses.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| Unresolved)?;
            vet(&policy, found.collect())
        })
    }
}

/// The addresses, unless one of them is refused: a name that leads to a mix is not trusted at all.
fn vet(policy: &AddressPolicy, found: Vec<SocketAddr>) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
    if found.is_empty() {
        return Err(Unresolved.into());
    }
    if !found.iter().all(|address| policy.allows(address.ip())) {
        return Err(RefusedAddress.into());
    }
    Ok(Box::new(found.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_one_refused_address_is_refused() {
        let policy = AddressPolicy::default();
        let addresses = |list: &[&str]| list.iter().map(|a| SocketAddr::new(a.parse().unwrap(), 0)).collect::<Vec<_>>();
        let vetted = vet(&policy, addresses(&["8.8.8.8", "2606:4700::1111"])).unwrap();
        assert_eq!(vetted.count(), 2);
        for mix in [&["8.8.8.8", "127.0.0.1"][..], &["10.0.0.1", "8.8.8.8"], &["8.8.8.8", "::1"]] {
            let refusal = vet(&policy, addresses(mix)).err().unwrap();
            assert!(refusal.is::<RefusedAddress>(), "{mix:?}");
        }
        assert!(vet(&policy, Vec::new()).err().unwrap().is::<Unresolved>());
    }
}
