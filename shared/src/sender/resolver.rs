//! Resolves names, once per connection, to vetted addresses: the connection goes to these and no
//! others, so that a name cannot change its mind between the check and the connection.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
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

/// Finds the addresses of a name. Cloning it shares it.
#[derive(Clone)]
pub struct Lookup(Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>);

impl Lookup {
    /// The system's resolver.
    pub fn system() -> Self {
        Self::from_fn(async |name| {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    /// A resolver that finds addresses elsewhere.
    pub fn from_fn<F>(find: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |name| Box::pin(find(name))))
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}

/// A look-up, with its answers vetted.
#[derive(Debug, Clone)]
pub(super) struct VettedResolver {
    addresses: AddressPolicy,
    lookup: Lookup,
}

impl VettedResolver {
    pub(super) fn new(addresses: AddressPolicy, lookup: Lookup) -> Self {
        Self { addresses, lookup }
    }
}

impl Resolve for VettedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.addresses.clone();
        let looking_up = (self.lookup.0)(name.as_str().to_owned());
        Box::pin(async move { vet(&policy, looking_up.await.map_err(|_| Unresolved)?) })
    }
}

/// The addresses, unless one of them is refused: a name that leads to a mix is not trusted at all.
fn vet(policy: &AddressPolicy, found: Vec<IpAddr>) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
    if found.is_empty() {
        return Err(Unresolved.into());
    }
    if !found.iter().all(|address| policy.allows(*address)) {
        return Err(RefusedAddress.into());
    }
    // Port 0 stands for the URL's own.
    Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_one_refused_address_is_refused() {
        let policy = AddressPolicy::default();
        let addresses = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let vetted = vet(&policy, addresses(&["8.8.8.8", "2606:4700::1111"])).unwrap();
        assert_eq!(vetted.count(), 2);
        for mix in [&["8.8.8.8", "127.0.0.1"][..], &["10.0.0.1", "8.8.8.8"], &["8.8.8.8", "::1"]] {
            let refusal = vet(&policy, addresses(mix)).err().unwrap();
            assert!(refusal.is::<RefusedAddress>(), "{mix:?}");
        }
        assert!(vet(&policy, Vec::new()).err().unwrap().is::<Unresolved>());
    }
}
