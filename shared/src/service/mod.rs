//! The operations of the product. They connect `domain`, `store`, `queue` and `sender`; rules belong to `domain`.
//!
//! Each function has a type whose methods are its operations: [`Publisher`], [`Administrator`] (of the API and the portal),
//! [`Deliverer`], [`Sweeper`], [`Ingestor`]. They are composed of [`Parts`], each of which has only the parts that it needs.

mod access;
mod administrator;
mod announcer;
mod cache;
mod caches;
mod catalogue;
mod deliverer;
mod encryption;
mod endpoints;
mod error;
mod event_writer;
mod ingestor;
mod job_runner;
mod limiter;
mod meter;
mod publisher;
mod quotas;
mod receivers;
mod releaser;
mod replayer;
mod sweeper;
mod targets;
mod tasks;

use std::sync::Arc;

use aws_config::SdkConfig;

use crate::clock::Clock;
use crate::domain::deployment::{Deployment, IngestQueues};
use crate::domain::endpoint::lane::ByLane;
use crate::queue::{IngestQueue, Queue};
use crate::sender::{OwnAccount, Sender};
use crate::store::Store;
use announcer::Announcer;
use caches::Caches;
use catalogue::EventTypes;
use encryption::Encryption;
use endpoints::Endpoints;
use event_writer::EventWriter;
use job_runner::JobRunner;
use limiter::Limiter;
use quotas::Quotas;
use releaser::Releaser;
use replayer::Replayer;
use targets::Targets;

pub(crate) use crate::queue::RECEIVES;
pub use crate::queue::{DeadLetter, DelayedCopy, Hide};
pub use access::{Access, Caller};
pub use administrator::{
    Administrator, AttemptPage, Begun, Counted, DeliveryDetail, DeliveryHistory, DeliveryReader, EventPart,
    EventReader, FilterTest, HealthOf, Issued, JobSelection, MOST_COUNTED, MessageReader, Page, Recovering, TypeFilter,
};
pub use deliverer::{Deliverer, Message};
pub use error::ServiceError;
pub use event_writer::{Numbered, Published};
pub use ingestor::Ingestor;
pub use meter::Meter;
pub use publisher::{Accepted, Duplicate, Idempotency, PublishRequest, Publisher};
pub use sweeper::{Sweeper, Sweeping, Swept};
pub use targets::CurrentState;
pub(crate) use tasks::run_each;

/// The parts that the operations of a process share. Clones refer to the same parts.
#[derive(Debug, Clone)]
pub struct Parts {
    store: Arc<Store>,
    queue: Arc<Queue>,
    clock: Clock,
    deployment: Arc<Deployment>,
    caches: Arc<Caches>,
    meter: Arc<Meter>,
    targets: Arc<Targets>,
    limiter: Arc<Limiter>,
    event_types: Arc<EventTypes>,
    access: Arc<Access>,
    encryption: Arc<Encryption>,
    endpoints: Arc<Endpoints>,
    writer: Arc<EventWriter>,
    announcer: Arc<Announcer>,
    releaser: Arc<Releaser>,
    replayer: Arc<Replayer>,
    quotas: Arc<Quotas>,
    job_runner: Arc<JobRunner>,
    own_account: OwnAccount,
}

impl Parts {
    /// Connects to the table, the queues and the encryption keys of a deployment: a client each for DynamoDB, SQS and, if the keys
    /// are in a parameter, SSM. It sends no request.
    pub fn new(sdk: &SdkConfig, table: &str, queue_urls: ByLane<String>, deployment: Deployment, clock: Clock) -> Self {
        let store = Arc::new(Store::new(sdk, table, deployment.retention));
        let queue = Arc::new(Queue::new(sdk, queue_urls));
        let deployment = Arc::new(deployment);
        let own_account = OwnAccount::new(
            deployment.internal_targets.clone(),
            sdk.credentials_provider(),
            sdk.endpoint_url().map(str::to_owned),
        );
        let caches = Arc::new(Caches::default());
        let meter = Arc::new(Meter::new(Arc::clone(&store), clock.clone(), deployment.statistics));
        let targets = Arc::new(Targets::new(Arc::clone(&store), clock.clone(), Arc::clone(&deployment)));
        let limiter = Arc::new(Limiter::new(Arc::clone(&store), clock.clone(), Arc::clone(&meter)));
        let event_types = Arc::new(EventTypes::new(Arc::clone(&store), clock.clone(), Arc::clone(&deployment)));
        let access = Arc::new(Access {
            store: Arc::clone(&store),
            clock: clock.clone(),
            deployment: Arc::clone(&deployment),
            caches: Arc::clone(&caches),
            targets: Arc::clone(&targets),
        });
        let encryption = Arc::new(Encryption::new(sdk, &deployment.encryption_keys, clock.clone()));
        let endpoints = Arc::new(Endpoints {
            store: Arc::clone(&store),
            clock: clock.clone(),
            deployment: Arc::clone(&deployment),
            targets: Arc::clone(&targets),
        });
        let writer = Arc::new(EventWriter {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            clock: clock.clone(),
            meter: Arc::clone(&meter),
        });
        let announcer = Arc::new(Announcer {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            clock: clock.clone(),
            targets: Arc::clone(&targets),
            writer: Arc::clone(&writer),
            meter: Arc::clone(&meter),
        });
        let releaser = Arc::new(Releaser {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            clock: clock.clone(),
            deployment: Arc::clone(&deployment),
            meter: Arc::clone(&meter),
        });
        let replayer = Arc::new(Replayer {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            clock: clock.clone(),
            deployment: Arc::clone(&deployment),
            meter: Arc::clone(&meter),
        });
        let quotas = Arc::new(Quotas { store: Arc::clone(&store), clock: clock.clone() });
        let job_runner = Arc::new(JobRunner {
            store: Arc::clone(&store),
            clock: clock.clone(),
            access: Arc::clone(&access),
            releaser: Arc::clone(&releaser),
            replayer: Arc::clone(&replayer),
            quotas: Arc::clone(&quotas),
        });
        Self {
            store,
            queue,
            clock,
            deployment,
            caches,
            meter,
            targets,
            limiter,
            event_types,
            access,
            encryption,
            endpoints,
            writer,
            announcer,
            releaser,
            replayer,
            quotas,
            job_runner,
            own_account,
        }
    }

    /// The operations of the publish function.
    pub fn publisher(&self) -> Arc<Publisher> {
        Arc::new(Publisher::new(self))
    }

    /// The operations of the ingest function. It receives its messages from `queues`.
    pub fn ingestor(&self, sdk: &SdkConfig, queues: IngestQueues) -> Arc<Ingestor> {
        Arc::new(Ingestor::new(self.publisher(), IngestQueue::new(sdk, queues)))
    }

    /// The operations of the API function.
    pub fn administrator(&self) -> Arc<Administrator> {
        Arc::new(Administrator::new(self))
    }

    /// The operations of the delivery function. It makes its attempts with `sender`, also at the resources of the deployment's
    /// own account that its settings allow.
    pub fn deliverer(&self, sender: Sender) -> Arc<Deliverer> {
        Arc::new(Deliverer::new(self, sender.with_own_account(self.own_account.clone())))
    }

    /// The operations of the sweep function.
    pub fn sweeper(&self) -> Arc<Sweeper> {
        Arc::new(Sweeper::new(self))
    }

    /// Counts the usage of organizations and the statistics of endpoints.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }
}
