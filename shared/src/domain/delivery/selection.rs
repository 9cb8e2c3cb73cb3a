//! Which deliveries of an endpoint a list contains.

use super::attempt::Cause;
use super::recorded::ResponseStatusFilter;
use super::{Delivery, DeliveryStatus};
use crate::domain::event::selection::EventFilter;
use crate::domain::ids::EndpointId;

/// Which deliveries of an endpoint a list contains. Absent fields do not restrict it.
#[derive(Debug, Default)]
pub struct DeliveryFilter {
    /// Only deliveries of these events.
    pub event: EventFilter,
    /// Only deliveries with one of these statuses; all if there are none.
    pub statuses: Vec<DeliveryStatus>,
    /// Only deliveries whose last attempt got such a response.
    pub response_status: Option<ResponseStatusFilter>,
    /// Only deliveries with this cause of the last failure.
    pub error: Option<Cause>,
}

impl DeliveryFilter {
    /// Whether a delivery of an event with an id in the filter's range meets the other conditions.
    pub fn admits(&self, delivery: &Delivery) -> bool {
        self.event.admits(&delivery.event_type, &delivery.channels)
            && (self.statuses.is_empty() || self.statuses.contains(&delivery.status))
            && self.response_status.is_none_or(|wanted| delivery.response_status().is_some_and(|it| wanted.admits(it)))
            && self.error.is_none_or(|wanted| Some(wanted) == delivery.error)
    }
}

/// Which events a list contains.
#[derive(Debug)]
pub enum EventSelection {
    /// All events of the organization that the filter admits.
    All(EventFilter),
    /// The events that have a delivery to this endpoint which the filter admits.
    Delivered(EndpointId, DeliveryFilter),
}
