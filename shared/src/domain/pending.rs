//! Deliveries that were made and have nothing to say yet.

use std::collections::BTreeMap;

use super::delivery::Delivery;
use super::event_type::EventType;
use super::ids::{DeliveryId, EndpointId, OrganizationId};

/// What one publishing made for one endpoint, of one type, to be queued. A delivery that is listed here and has no
/// record of its own is pending and was never attempted, so that many of them cost what one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Whose they are.
    pub organization: OrganizationId,
    /// Where they go.
    pub endpoint: EndpointId,
    /// The type of their events.
    pub event_type: EventType,
    /// Which they are, in order and at least one.
    pub deliveries: Vec<DeliveryId>,
}

impl Pending {
    /// The lists for the deliveries of one publishing, as far as they are to be queued: what is parked has a mark, and so a
    /// record of its own.
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

    /// The last of them: whoever goes through deliveries from the newest on meets the list before what it lists.
    pub fn last(&self) -> Option<DeliveryId> {
        self.deliveries.last().copied()
    }

    /// Whether one of these deliveries is in the list.
    pub fn contains_any(&self, deliveries: &[Delivery]) -> bool {
        deliveries.iter().any(|delivery| self.deliveries.binary_search(&delivery.id).is_ok())
    }

    /// The deliveries, as nobody has attempted them.
    pub fn deliveries(&self) -> impl Iterator<Item = Delivery> {
        self.deliveries.iter().map(|id| self.delivery(*id))
    }

    /// One of them.
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
    fn a_publishing_lists_what_it_queues_by_endpoint_and_type() {
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
