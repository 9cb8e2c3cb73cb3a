//! Organizations with many endpoints. Creating these through the API would take long.

use futures_util::{StreamExt, stream};
use shared::clock;
use shared::domain::endpoint::fan_out::{FanOutGroup, FanOutSize};
use shared::domain::endpoint::subscription::Subscription;
use shared::domain::endpoint::url::EndpointUrl;
use shared::domain::endpoint::{Endpoint, EndpointSettings, WantedStatus};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::signing::key::{SigningKey, SigningKeyId};
use shared::domain::signing::secret::SigningSecret;
use shared::domain::text::Name;

use super::{Tenant, World};

/// The number of endpoints that are written concurrently.
const CONCURRENT_WRITES: usize = 16;

impl World {
    /// Creates endpoints that subscribe to these event types with the store's operations, in the same order and groups
    /// as the API.
    pub(crate) async fn make_endpoints(&self, tenant: &Tenant, count: usize, event_types: &[&str]) {
        let (store, organization) = (self.store(), OrganizationId::parse(&tenant.id).unwrap());
        let before = store.organization_state(&organization).await.unwrap().unwrap().size.endpoints;
        let endpoint = |number: u64| {
            let settings = EndpointSettings::new(
                Name::parse("Receiver").unwrap(),
                EndpointUrl::stored("https://example.com/").unwrap(),
                event_types.iter().map(|it| Subscription::parse(it).unwrap()).collect(),
            );
            let id = EndpointId::new(self.clock.now(), clock::id_bytes());
            let secret = SigningSecret::generate(clock::secret_bytes());
            let secret = SigningKey::new(SigningKeyId::new(clock::secret_bytes()), secret);
            let new = Endpoint::new(id, &organization, settings, secret, WantedStatus::Active, self.clock.now());
            Endpoint { fan_out_group: FanOutGroup::of_new(id, before + number), ..new }
        };
        let endpoints: Vec<_> = (0..count as u64).map(endpoint).collect();
        let group = |group: FanOutGroup| endpoints.iter().filter(move |endpoint| endpoint.fan_out_group == group);
        let used: Vec<_> = FanOutGroup::all().filter(|used| group(*used).next().is_some()).collect();
        for used in used.iter().copied() {
            store.open_group(&organization, used).await.unwrap();
        }
        let writes: Vec<_> = endpoints.iter().map(|endpoint| store.create_endpoint(endpoint)).collect();
        let written: Vec<_> = stream::iter(writes).buffer_unordered(CONCURRENT_WRITES).collect().await;
        written.into_iter().collect::<Result<(), _>>().unwrap();
        for used in used {
            let size = group(used).map(Endpoint::target).collect();
            store.raise_revision(&organization, used, FanOutSize::default(), size).await.unwrap();
        }
    }
}
