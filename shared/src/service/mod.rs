//! The operations of the product. They connect `domain`, `store`, `queue` and `sender`; rules belong to `domain`.

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
pub use sweeping::{Sweeping, Swept};

/// How long a process caches an API key.
const KEY_CACHE: Duration = Duration::from_secs(60);
/// How often a process records the use of a key.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long a process caches an endpoint, an organization, or the absence of a key.
const STATE_CACHE: Duration = Duration::from_secs(5);

/// The parts that all operations use. A process has one.
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
    /// Hashes of keys that do not exist.
    unknown_keys: Cache<KeyHash, ()>,
    limited: Remembered,
    meter: Meter,
}

impl Core {
    /// Connects to the table and the queues of a deployment. It sends no request.
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

    /// The settings of the deployment.
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The lane of the queue with this ARN.
    pub fn lane_of(&self, queue_arn: &str) -> Lane {
        self.queue.lane_of(queue_arn)
    }

    /// The clock that all operations read.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The earliest publishing time whose events and deliveries have not expired.
    fn oldest_kept(&self) -> Timestamp {
        self.clock.now().minus(self.deployment.retention).plus(Duration::from_millis(1))
    }

    /// Whether an item that was created at `created_at` has expired. DynamoDB deletes expired items with a delay,
    /// so readers must skip them.
    fn is_expired(&self, created_at: Timestamp) -> bool {
        created_at.plus(self.deployment.retention) <= self.clock.now()
    }
}
