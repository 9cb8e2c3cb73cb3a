//! What a batch of deliveries needs, read together.

use std::collections::HashMap;

use super::deliveries::DeliveryItem;
use super::endpoints::EndpointItem;
use super::events::EventItem;
use super::items::read;
use super::keys::Key;
use super::state::read_state;
use super::{Store, StoreError, keys};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::organization::OrganizationState;

/// What is wanted. Nothing may be named twice.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Deliveries.
    pub deliveries: Vec<(EndpointId, DeliveryId)>,
    /// Endpoints.
    pub endpoints: Vec<(OrganizationId, EndpointId)>,
    /// Organizations whose states are wanted.
    pub organizations: Vec<OrganizationId>,
    /// Events.
    pub events: Vec<(OrganizationId, EventId)>,
}

/// What was found of it. An item that cannot be read is an error of its own and spoils no other.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Deliveries.
    pub deliveries: HashMap<DeliveryId, Result<Delivery, StoreError>>,
    /// Endpoints.
    pub endpoints: HashMap<EndpointId, Result<Endpoint, StoreError>>,
    /// The states of organizations.
    pub organizations: HashMap<OrganizationId, Result<OrganizationState, StoreError>>,
    /// Events.
    pub events: HashMap<EventId, Result<Event, StoreError>>,
}

impl Store {
    /// Reads all of it in one request (per 100 items), strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
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
