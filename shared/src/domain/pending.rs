//! Lists of deliveries that were queued and have no record yet.

use std::collections::BTreeMap;

use super::delivery::Delivery;
use super::event_type::EventType;
use super::ids::{DeliveryId, EndpointId, OrganizationId};

/// The queued deliveries of one publish request to one endpoint and of one event type. A listed delivery without a
/// record is pending and was never attempted. So many new deliveries cost as much to store as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The organization that the deliveries belong to.
    pub organization: OrganizationId,
    /// The endpoint that the deliveries go to.
    pub endpoint: EndpointId,
    /// The type of the deliveries' events.
    pub event_type: EventType,
    /// The ids of the deliveries, sorted; at least one.
    pub deliveries: Vec<DeliveryId>,
}

impl Pending {
    /// The lists for the deliveries of one publish request. Parked deliveries are left out: they have a mark, and
    /// so a record.
    pub fn of<'a>(published: impl IntoIterator<Item = &'a Delivery>) -> Vec<Self> {
        let mut lists = BTreeMap::<_, Self>::new();
        for delivery in published.into_iter().filter(|delivery| delivery.mark.is_none()) {
            let list = lists.entry((delivery.endpoint, delivery.event_type.as_str())).or_insert_with(|| Self {
                organization: delivery.organization.clone(),
                endpoint: delivery.endpoint,
                event_type: delivery.event_type.clone(),
                deliveries: Vec::new(),
            });
            list.deliveries.push(delivery.id);
        }
        let mut lists: Vec<_> = lists.into_values().collect();
        lists.iter_mut().for_each(|list| list.deliveries.sort_unstable());
        lists
    }

    /// The last delivery of the list. A reader that goes from the newest delivery to the oldest reads the list
    /// before the records of the listed deliveries.
    pub fn last(&self) -> Option<DeliveryId> {
        self.deliveries.last().copied()
    }

    /// Whether the list contains one of these deliveries.
    pub fn contains_any(&self, deliveries: &[Delivery]) -> bool {
        deliveries.iter().any(|delivery| self.deliveries.binary_search(&delivery.id).is_ok())
    }

    /// The listed deliveries in their initial state.
    pub fn deliveries(&self) -> impl Iterator<Item = Delivery> {
        self.deliveries.iter().map(|id| self.delivery(*id))
    }

    /// The delivery with this id in its initial state.
    pub fn delivery(&self, id: DeliveryId) -> Delivery {
        Delivery::new(id, &self.organization, self.endpoint, &self.event_type, false)
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::tests::endpoint;
    use super::super::ids::EventId;
    use super::super::time::Timestamp;
    use super::*;

    #[test]
    fn queued_deliveries_are_listed_by_endpoint_and_type() {
        let organization = endpoint().organization;
        let first = EventId::new(Timestamp::from_unix_seconds(1), [0; 8]);
        let endpoints = [0, 1].map(|n| EndpointId::new(Timestamp::from_unix_seconds(n), [0; 8]));
        let made = |event: u32, endpoint: usize, event_type: &str, parked| {
            let event_type = EventType::parse(event_type).unwrap();
            let id = first.nth(event).delivery(endpoint).unwrap();
            Delivery::new(id, &organization, endpoints[endpoint], &event_type, parked)
        };
        let published = [
            made(2, 0, "a", false),
            made(0, 0, "a", false),
            made(1, 0, "b", false),
            made(0, 1, "a", false),
            made(1, 1, "a", true),
        ];
        let lists = Pending::of(&published);
        let found: Vec<_> = lists.iter().map(|list| (list.endpoint, list.event_type.as_str())).collect();
        assert_eq!(found, [(endpoints[0], "a"), (endpoints[0], "b"), (endpoints[1], "a")]);
        assert_eq!(lists[0].deliveries().collect::<Vec<_>>(), [published[1].clone(), published[0].clone()]);
        assert_eq!(lists[0].last(), Some(published[0].id));
    }
}
