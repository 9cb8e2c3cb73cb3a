//! Tests of filters: whether an endpoint would receive an event.

use super::Administrator;
use crate::domain::endpoint::filter::{MAX_FILTER_STEPS, Mismatch, Steps};
use crate::domain::event::NewEvent;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::service::ServiceError;

/// Why an endpoint would receive an event, or not.
#[derive(Debug)]
pub struct FilterTest {
    /// Whether the endpoint subscribes to the type.
    pub subscribed: bool,
    /// Whether the endpoint's edition includes the event.
    pub edition: bool,
    /// Whether the endpoint's channels include the event.
    pub channels: bool,
    /// Whether the filter matches; `None` if that would take too long. True without a filter.
    pub filter: Option<bool>,
    /// The parts of the filter that do not match.
    pub mismatches: Vec<Mismatch>,
}

impl Administrator {
    /// Says whether an endpoint would receive an event if it were enabled. Nothing is published.
    ///
    /// # Errors
    /// As [`Administrator::endpoint`].
    pub async fn test_filter(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        event: &NewEvent,
    ) -> Result<FilterTest, ServiceError> {
        let target = self.endpoint(organization, id).await?.target();
        let (mut filter, mut mismatches) = (Some(true), Vec::new());
        if let Some(own) = &target.filter {
            let view = event.view(organization).map_err(|error| ServiceError::Internal(error.to_string()))?;
            filter = own.matches(&view, &Steps::new(MAX_FILTER_STEPS));
            if filter == Some(false) {
                mismatches = own.explain(&view, &Steps::new(2 * MAX_FILTER_STEPS));
            }
        }
        Ok(FilterTest {
            subscribed: target.subscribes_to(event),
            edition: target.is_of_edition(event),
            channels: target.is_in_channel(event),
            filter,
            mismatches,
        })
    }
}
