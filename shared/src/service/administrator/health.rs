//! The health and the statistics of endpoints. The health of an endpoint that has not failed recently costs no read,
//! except for its last success.

use std::collections::HashMap;

use tracing::warn;

use super::Administrator;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::circuit_breaker::Counters;
use crate::domain::endpoint::health::Health;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::statistics::{Span, Statistics};
use crate::domain::time::Timestamp;
use crate::service::ServiceError;

/// The counters of several endpoints.
#[derive(Debug)]
pub struct HealthOf(HashMap<EndpointId, Counters>);

impl Administrator {
    /// Reads what is needed for the health of these endpoints. Eventually consistent.
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be read.
    pub async fn health_of(&self, endpoints: &[&Endpoint]) -> Result<HealthOf, ServiceError> {
        let wanted: Vec<_> = endpoints.iter().filter(|it| Health::needs_counters(it)).map(|it| it.id).collect();
        if wanted.is_empty() {
            return Ok(HealthOf(HashMap::new()));
        }
        Ok(HealthOf(self.store.counters_of(&wanted, self.clock.now()).await?))
    }

    /// The health of one of the endpoints that `health` was read for.
    pub fn health_in(&self, health: &HealthOf, endpoint: &Endpoint) -> Health {
        let counters = health.0.get(&endpoint.id).copied().unwrap_or_default();
        Health::of(endpoint, &counters, self.clock.now())
    }

    /// The health of one endpoint, with its last success.
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be read.
    pub async fn full_health_of(&self, endpoint: &Endpoint) -> Result<Health, ServiceError> {
        let (counters, last_success_at) =
            tokio::try_join!(self.counters_of(endpoint), self.meter.last_success(endpoint.id))?;
        Ok(Health { last_success_at, ..Health::of(endpoint, &counters, self.clock.now()) })
    }

    /// The health of an endpoint that was just changed. If its counters cannot be read, it seems not to fail: the change
    /// was made, and an error would lead the caller to repeat it.
    pub async fn health_after_change(&self, endpoint: &Endpoint) -> Health {
        let counters = self.counters_of(endpoint).await.unwrap_or_else(|error| {
            warn!(endpoint = %endpoint.id, %error, "the health of a changed endpoint was not read");
            Counters::default()
        });
        Health::of(endpoint, &counters, self.clock.now())
    }

    async fn counters_of(&self, endpoint: &Endpoint) -> Result<Counters, ServiceError> {
        if !Health::needs_counters(endpoint) {
            return Ok(Counters::default());
        }
        Ok(self.store.current_counters(endpoint.id, self.clock.now()).await?)
    }

    /// The statistics of an endpoint in each interval of a span, in order, with the interval's start.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id.
    pub async fn endpoint_statistics(
        &self,
        organization: &OrganizationId,
        id: EndpointId,
        span: Span,
    ) -> Result<Vec<(Timestamp, Statistics)>, ServiceError> {
        if !self.store.has_endpoint(organization, id).await? {
            return Err(ServiceError::NotFound("endpoint"));
        }
        self.meter.statistics(id, span).await
    }
}
