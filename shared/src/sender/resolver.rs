//! Resolves names to vetted addresses, once per connection. The connection uses exactly these addresses, so a name
//! cannot resolve to another address between the check and the connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, io, vec};

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::task::spawn_blocking;
use tower::Service;

use crate::domain::delivery::attempt::Detail;
use crate::domain::network::AddressPolicy;

/// The name resolves to an address that the policy does not allow.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that deliveries may not connect to")]
pub(super) struct RefusedAddress;

/// The name could not be resolved.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    #[error("the name does not exist")]
    NotFound,
    #[error("the name has no address")]
    NoAddress,
    #[error("the name could not be looked up")]
    Failed,
}

impl Unresolved {
    /// The detail of the failure; `None` if it is unknown.
    pub(super) fn detail(&self) -> Option<Detail> {
        match self {
            Self::NotFound => Some(Detail::NameNotFound),
            Self::NoAddress => Some(Detail::NoAddress),
            Self::Failed => None,
        }
    }
}

/// A resolver of names. Clones share it.
#[derive(Clone)]
pub struct Lookup(Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>);

impl Lookup {
    /// The system's resolver.
    pub fn system() -> Self {
        Self::from_fn(async |name| spawn_blocking(move || look_up(&name)).await?)
    }

    /// A resolver that calls `find`. For a name that does not exist, `find` must return an error of the kind
    /// `NotFound`; for a name without an address, an empty list.
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

/// Calls the system's resolver. Tokio's lookup calls it as well, but its error does not contain the cause.
fn look_up(name: &str) -> io::Result<Vec<IpAddr>> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let failed = |error: LookupError| match error.kind() {
        LookupErrorKind::NoName => io::Error::new(io::ErrorKind::NotFound, error),
        _ => error.into(),
    };
    match getaddrinfo(Some(name), None, Some(hints)) {
        Ok(found) => found.map(|info| Ok(info?.sockaddr.ip())).collect(),
        Err(error) if matches!(error.kind(), LookupErrorKind::NoData) => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

/// A resolver that checks all addresses against the policy.
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

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Name> for VettedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = self.addresses.clone();
        let looking_up = (self.lookup.0)(name.as_str().to_owned());
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Unresolved::NotFound,
            _ => Unresolved::Failed,
        };
        Box::pin(async move { vet(&policy, looking_up.await.map_err(failed)?) })
    }
}

/// Returns the addresses, unless the policy refuses one of them: a name that resolves to both kinds is not trusted.
fn vet(policy: &AddressPolicy, found: Vec<IpAddr>) -> Result<vec::IntoIter<SocketAddr>, BoxError> {
    if found.is_empty() {
        return Err(Unresolved::NoAddress.into());
    }
    if !found.iter().all(|address| policy.allows(*address)) {
        return Err(RefusedAddress.into());
    }
    // Port 0 stands for the URL's port.
    let found: Vec<_> = found.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
    Ok(found.into_iter())
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
