//! The backlog in the table by organization, for operators. It scans the whole `waiting` index, which the roles of
//! the functions do not allow.

use std::collections::{BTreeMap, HashMap};

use crate::domain::delivery::Mark;
use crate::domain::ids::{DeliveryId, EndpointId, OrganizationId};
use crate::store::keys::{Key, WAITING, WAITING_PK, WAITING_SK};
use crate::store::{Store, StoreError, Wanted, keys};

/// The backlog of one organization.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries that are parked until a time, and leased ones.
    pub due: usize,
    /// Deliveries that are parked until their endpoint is resumed or its suspension ends.
    pub held: usize,
    /// Suspended endpoints.
    pub suspended_endpoints: usize,
}

/// The backlog of one endpoint, and one of its deliveries. The delivery's record names the organization.
struct OfEndpoint {
    backlog: Backlog,
    example: DeliveryId,
}

impl Store {
    /// Counts the backlog of each organization that has one. Eventually consistent. The key `None` stands for
    /// deliveries whose organization is unknown, because they expired or moved during the count.
    ///
    /// # Errors
    /// [`StoreError`] if the index or the deliveries could not be read.
    pub async fn backlog(&self) -> Result<BTreeMap<Option<OrganizationId>, Backlog>, StoreError> {
        let mut found: BTreeMap<Option<OrganizationId>, Backlog> = BTreeMap::new();
        let mut endpoints: HashMap<EndpointId, OfEndpoint> = HashMap::new();
        let mut items = self.client.scan().table_name(&self.table).index_name(WAITING).into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item?;
            let text = |name| item.get(name).and_then(|value| value.as_s().ok());
            let (Some(key), Some(partition), Some(sort)) = (Key::of(&item), text(WAITING_PK), text(WAITING_SK)) else {
                continue;
            };
            if let Some(suspended) = keys::parse_endpoint(&key).filter(|_| keys::is_half_open(partition)) {
                found.entry(Some(suspended.organization)).or_default().suspended_endpoints += 1;
            }
            let Some((endpoint, example)) = keys::parse_delivery(&key) else { continue };
            let of_endpoint = || OfEndpoint { backlog: Backlog::default(), example };
            match keys::parse_mark(partition, sort) {
                Some(Mark::Due(_)) => endpoints.entry(endpoint).or_insert_with(of_endpoint).backlog.due += 1,
                Some(Mark::Held) => endpoints.entry(endpoint).or_insert_with(of_endpoint).backlog.held += 1,
                Some(Mark::Failed) | None => {}
            }
        }
        let deliveries = endpoints.iter().map(|(endpoint, of)| (*endpoint, of.example)).collect();
        let loaded = self.load(&Wanted { deliveries, ..Wanted::default() }).await?.deliveries;
        for OfEndpoint { backlog, example } in endpoints.into_values() {
            let delivery = loaded.get(&example).and_then(|delivery| delivery.as_ref().ok());
            let sum = found.entry(delivery.map(|delivery| delivery.organization.clone())).or_default();
            sum.due += backlog.due;
            sum.held += backlog.held;
        }
        Ok(found)
    }
}
