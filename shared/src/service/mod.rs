//! Verbs: they put the rooms in order, and decide nothing that `domain` could decide.

mod access;
mod cache;
mod deliveries;
mod delivering;
mod endpoints;
mod error;
mod fan_out;
mod health;
mod jobs;
mod keys;
mod limits;
mod lists;
mod load;
mod metering;
mod operational;
mod organizations;
mod publishing;
mod releasing;
mod stock;
mod sweeping;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;

use crate::clock::Clock;
use crate::domain::api_key::{ApiKey, KeyHash};
use crate::domain::deployment::Deployment;
use crate::domain::ids::{KeyId, OrganizationId};
use crate::domain::lane::{ByLane, Lane};
use crate::domain::organization::{Organization, OrganizationStatus};
use crate::domain::time::Timestamp;
use crate::queue::Queue;
use crate::store::Store;
use cache::Cache;
use fan_out::FanOutCache;
use limits::Remembered;
use metering::Meter;

pub use access::Caller;
pub use deliveries::DeliveryDetail;
pub use delivering::{Consumer, Message};
pub use error::ServiceError;
pub use fan_out::CurrentState;
pub use jobs::Recovering;
pub use keys::Issued;
pub use lists::{Counted, DeliveryReader, EventReader, MOST_COUNTED, Page};
pub use publishing::{Idempotency, Numbered, Published};
pub use sweeping::Swept;

/// How long a process trusts what it read about a key.
const KEY_CACHE: Duration = Duration::from_secs(60);
/// How often a process notes that a key is in use.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long a process trusts what it read about an endpoint or an organization, and that there is no such key.
const STATE_CACHE: Duration = Duration::from_secs(5);

/// What every verb works with. One per process.
#[derive(Debug)]
pub struct Core {
    store: Store,
    queue: Queue,
    clock: Clock,
    deployment: Deployment,
    keys: Cache<KeyHash, ApiKey>,
    noted_uses: Cache<KeyId, ()>,
    organizations: Cache<OrganizationId, Organization>,
    statuses: Cache<OrganizationId, OrganizationStatus>,
    fan_outs: FanOutCache,
    /// Keys that nobody was found to hold.
    unknown_keys: Cache<KeyHash, ()>,
    limited: Remembered,
    meter: Meter,
}

impl Core {
    /// Connects to the table and the queues of a deployment. Nothing is sent before it is needed.
    pub fn new(
        sdk: &SdkConfig,
        table: &str,
        queue_urls: ByLane<String>,
        deployment: Deployment,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Store::new(sdk, table, deployment.retention),
            queue: Queue::new(sdk, queue_urls),
            keys: Cache::new(KEY_CACHE),
            noted_uses: Cache::new(USE_NOTED_EVERY),
            organizations: Cache::new(STATE_CACHE),
            statuses: Cache::new(STATE_CACHE),
            fan_outs: FanOutCache::default(),
            unknown_keys: Cache::new(STATE_CACHE),
            limited: Remembered::default(),
            meter: Meter::default(),
            clock,
            deployment,
        })
    }

    /// The deployment's settings.
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The lane whose queue has this ARN.
    pub fn lane_of(&self, queue_arn: &str) -> Lane {
        self.queue.lane_of(queue_arn)
    }

    /// The clock that everything here reads.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The first millisecond of which nothing is past its retention.
    fn oldest_kept(&self) -> Timestamp {
        self.clock.now().minus(self.deployment.retention).plus(Duration::from_millis(1))
    }

    /// Whether something made at `created_at` is past its retention. DynamoDB removes expired items
    /// late, so readers leave them out.
    fn is_expired(&self, created_at: Timestamp) -> bool {
        created_at.plus(self.deployment.retention) <= self.clock.now()
    }
}
