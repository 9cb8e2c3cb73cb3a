//! The health and the statistics of endpoints. The health of an endpoint that has not failed recently costs no read,
//! except for its last success.

use std::collections::HashMap;

use tracing::{error, warn};

use super::Administrator;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::circuit_breaker::Counters;
use crate::domain::endpoint::health::Health;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::statistics::{Span, Statistics};
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::store::{EndpointRef, Waiting};

/// Most held deliveries of a shard that are counted.
const MOST_HELD: usize = 100;

/// The counters of several endpoints.
#[derive(Debug)]
pub struct HealthOf(HashMap<EndpointId, Counters>);

impl Administrator {
    /// Up to `limit` suspended endpoints of all organizations, for operators, ordered by the time of their next probe.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be read.
    pub async fn suspended_endpoints(&self, limit: usize) -> Result<Vec<EndpointRef>, ServiceError> {
        Ok(self.store.suspended_endpoints(limit).await?)
    }

    /// Reads what is needed for the health of these endpoints. Eventually consistent. Endpoints whose counters cannot be read
    /// seem not to fail.
    pub async fn health_of(&self, endpoints: &[Endpoint]) -> HealthOf {
        let wanted: Vec<_> = endpoints.iter().filter(|it| Health::needs_counters(it)).map(|it| it.id).collect();
        if wanted.is_empty() {
            return HealthOf(HashMap::new());
        }
        let found = self.store.counters_of(&wanted, self.clock.now()).await.unwrap_or_else(|error| {
            warn!(%error, "the health of listed endpoints was not read");
            HashMap::new()
        });
        let readable = found.into_iter().filter_map(|(endpoint, counters)| match counters {
            Ok(counters) => Some((endpoint, counters)),
            Err(error) => {
                error!(%endpoint, %error, "the health counters of an endpoint cannot be read");
                None
            }
        });
        HealthOf(readable.collect())
    }

    /// The health of one of the endpoints that `health` was read for.
    pub fn health_in(&self, health: &HealthOf, endpoint: &Endpoint) -> Health {
        let counters = health.0.get(&endpoint.id).copied().unwrap_or_default();
        Health::of(endpoint, &counters, self.clock.now())
    }

    /// The health of one endpoint, with its last success. What cannot be read is left out.
    pub async fn full_health_of(&self, endpoint: &Endpoint) -> Health {
        let last_success = async {
            self.meter.last_success(endpoint.id).await.unwrap_or_else(|error| {
                warn!(endpoint = %endpoint.id, %error, "the last success at an endpoint was not read");
                None
            })
        };
        let (health, last_success_at) = tokio::join!(self.current_health_of(endpoint), last_success);
        Health { last_success_at, ..health }
    }

    /// The health of an endpoint as it is now, without the last success. If its counters cannot be read, it seems not to fail:
    /// an error would hide the endpoint, or lead the caller to repeat a change that was made.
    pub async fn current_health_of(&self, endpoint: &Endpoint) -> Health {
        let now = self.clock.now();
        let mut counters = Counters::default();
        if Health::needs_counters(endpoint) {
            counters = self.store.current_counters(endpoint.id, now).await.unwrap_or_else(|error| {
                warn!(endpoint = %endpoint.id, %error, "the health of an endpoint was not read");
                counters
            });
        }
        Health::of(endpoint, &counters, now)
    }

    /// How many deliveries wait until an endpoint accepts deliveries, and whether these are all: at most 100 of each
    /// shard are counted.
    ///
    /// # Errors
    /// [`ServiceError`] if they could not be counted.
    pub async fn count_held(&self, endpoint: EndpointId) -> Result<(usize, bool), ServiceError> {
        let counts = Waiting::held_shards(endpoint).map(|shard| self.store.count_waiting(shard, MOST_HELD));
        let counts = futures_util::future::try_join_all(counts).await?;
        Ok((counts.iter().sum(), counts.iter().all(|count| *count < MOST_HELD)))
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
