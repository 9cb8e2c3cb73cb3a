//! Reads the items for a batch of deliveries together.

use std::collections::HashMap;

use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::tenancy::organization::OrganizationState;
use crate::store::deliveries::item::DeliveryItem;
use crate::store::endpoints::EndpointItem;
use crate::store::events::EventItem;
use crate::store::item::read;
use crate::store::keys::Key;
use crate::store::organizations::state::read_state;
use crate::store::{Store, StoreError, keys};

/// The items to read. Each list must not contain duplicates.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Records of deliveries.
    pub deliveries: Vec<(EndpointId, DeliveryId)>,
    /// Endpoints.
    pub endpoints: Vec<(OrganizationId, EndpointId)>,
    /// Organizations, whose states are read.
    pub organizations: Vec<OrganizationId>,
    /// Events.
    pub events: Vec<(OrganizationId, EventId)>,
}

/// The items that were found. An item that cannot be read is an error of its own and does not affect the others.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Records of deliveries.
    pub deliveries: HashMap<DeliveryId, Result<Delivery, StoreError>>,
    /// Endpoints.
    pub endpoints: HashMap<EndpointId, Result<Endpoint, StoreError>>,
    /// The states of organizations.
    pub organizations: HashMap<OrganizationId, Result<OrganizationState, StoreError>>,
    /// Events.
    pub events: HashMap<EventId, Result<Event, StoreError>>,
}

impl Store {
    /// Reads all items with one BatchGetItem per 100 items. Missing items are left out. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if a call failed.
    pub async fn load(&self, wanted: &Wanted) -> Result<Loaded, StoreError> {
        let mut deliveries = by_key(&wanted.deliveries, |(endpoint, id)| (keys::delivery(*endpoint, *id), *id));
        let mut endpoints = by_key(&wanted.endpoints, |(of, id)| (keys::endpoint(of, *id), *id));
        let mut organizations = by_key(&wanted.organizations, |id| (keys::state(id, self.state_copy), id.clone()));
        let mut events = by_key(&wanted.events, |(of, id)| (keys::event(of, *id), *id));
        let all = deliveries.keys().chain(endpoints.keys()).chain(organizations.keys()).chain(events.keys());
        let mut loaded = Loaded::default();
        for item in self.get_all(all.cloned().collect()).await? {
            let Some(key) = Key::of(&item) else { continue };
            if let Some(id) = deliveries.remove(&key) {
                loaded.deliveries.insert(id, read::<DeliveryItem, _>(item));
            } else if let Some(id) = endpoints.remove(&key) {
                loaded.endpoints.insert(id, read::<EndpointItem, _>(item));
            } else if let Some(id) = organizations.remove(&key) {
                loaded.organizations.insert(id, read_state(&item));
            } else if let Some(id) = events.remove(&key) {
                loaded.events.insert(id, read::<EventItem, _>(item));
            }
        }
        Ok(loaded)
    }
}

fn by_key<T, Id>(wanted: &[T], key: impl Fn(&T) -> (Key, Id)) -> HashMap<Key, Id> {
    wanted.iter().map(key).collect()
}
