//! Organizations with many endpoints. Creating these through the API would take long.

use futures_util::{StreamExt, stream};
use shared::clock;
use shared::domain::endpoint::{Endpoint, EndpointSettings, WantedStatus};
use shared::domain::event_type::Subscription;
use shared::domain::fan_out::{FanOutGroup, FanOutSize};
use shared::domain::fields::{EndpointUrl, Headers, Name, TimeoutSeconds};
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::secret::SigningSecret;

use super::{Tenant, World};

/// The number of endpoints that are written concurrently.
const AT_ONCE: usize = 16;

impl World {
    /// Creates endpoints that subscribe to these event types with the store's operations, in the same order and groups
    /// as the API.
    pub(crate) async fn make_endpoints(&self, tenant: &Tenant, count: usize, event_types: &[&str]) {
        let (store, organization) = (self.store(), OrganizationId::parse(&tenant.id).unwrap());
        let before = store.organization_state(&organization).await.unwrap().unwrap().size.endpoints;
        let endpoint = |number: u64| {
            let settings = EndpointSettings {
                name: Name::parse("Receiver").unwrap(),
                url: EndpointUrl::stored("https://example.com/").unwrap(),
                subscriptions: event_types.iter().map(|it| Subscription::parse(it).unwrap()).collect(),
                headers: Headers::default(),
                timeout: TimeoutSeconds::default(),
                edition: None,
                retry_schedule: None,
            };
            let id = EndpointId::new(self.clock.now(), clock::id_bytes());
            let secret = SigningSecret::generate(clock::secret_bytes());
            let made = Endpoint::new(id, &organization, settings, secret, WantedStatus::Active, self.clock.now());
            Endpoint { fan_out_group: FanOutGroup::of_new(id, before + number), ..made }
        };
        let endpoints: Vec<_> = (0..count as u64).map(endpoint).collect();
        let group = |group: FanOutGroup| endpoints.iter().filter(move |endpoint| endpoint.fan_out_group == group);
        let used: Vec<_> = FanOutGroup::all().filter(|used| group(*used).next().is_some()).collect();
        for used in used.iter().copied() {
            store.open_group(&organization, used).await.unwrap();
        }
        let writes: Vec<_> = endpoints.iter().map(|endpoint| store.create_endpoint(endpoint)).collect();
        let written: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
        written.into_iter().collect::<Result<(), _>>().unwrap();
        for used in used {
            let size = group(used).map(Endpoint::target).collect();
            store.raise_revision(&organization, used, FanOutSize::default(), size).await.unwrap();
        }
    }
}
