//! The consumer: it turns a batch of messages into a verdict on each message.
//!
//! The steps are: decode the tasks; load the items that they need; decide a step for each task (in `domain`); make
//! the attempts and record them. Each task runs in its own tokio task, so neither a slow receiver nor a panic
//! affects the others. Tasks that may crash the process run after the others, one at a time (`batch.rs`). A message
//! that cannot be decoded stays in the queue and reaches the dead-letter queue by redrive.

mod batch;
mod health;
mod load;
mod message;
mod observed;
mod record;
mod resend;
mod task;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::warn;

use batch::Batch;
use health::Health;
use load::Loader;
pub use message::Message;
use message::read;
use observed::Carried;
use record::Unrecorded;

use super::Parts;
use super::cache::Cache;
use super::caches::Caches;
use super::encryption::Encryption;
use super::meter::Meter;
use crate::clock::Clock;
use crate::domain::delivery::isolation::CompletedTasks;
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::lane::Lane;
use crate::domain::ids::DeliveryId;
use crate::domain::time::Timestamp;
use crate::queue::Queue;
use crate::sender::Sender;
use crate::store::Store;

/// How long a process caches the outcome of an attempt whose record DynamoDB rejects. The message is received again
/// earlier, which renews the entry. Other processes may receive it in between.
const UNRECORDED: Duration = Duration::from_secs(12 * 60 * 60);

/// The consumer of deliveries. A process has one.
#[derive(Debug)]
pub struct Deliverer {
    store: Arc<Store>,
    queue: Arc<Queue>,
    clock: Clock,
    deployment: Arc<Deployment>,
    sender: Sender,
    encryption: Arc<Encryption>,
    loader: Loader,
    health: Health,
    caches: Arc<Caches>,
    meter: Arc<Meter>,
    /// Outcomes of attempts whose records DynamoDB rejected.
    unrecorded: Cache<DeliveryId, Unrecorded>,
    completed: Mutex<CompletedTasks>,
    /// Outcomes that this process has not yet added to the endpoints' counters.
    carried: Carried,
}

impl Deliverer {
    pub(super) fn new(parts: &Parts, sender: Sender) -> Self {
        let health = Health::new(parts);
        let Parts { store, queue, clock, deployment, caches, encryption, meter, .. } = parts.clone();
        let loader = Loader { store: Arc::clone(&store), clock: clock.clone(), caches: Arc::clone(&caches) };
        Self {
            store,
            queue,
            clock,
            deployment,
            sender,
            encryption,
            loader,
            health,
            caches,
            meter,
            unrecorded: Cache::new(UNRECORDED),
            completed: Mutex::default(),
            carried: Carried::default(),
        }
    }

    /// The clock that the process uses.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The lane of the queue with this ARN.
    pub fn lane_of(&self, queue_arn: &str) -> Lane {
        self.queue.lane_of(queue_arn)
    }

    /// Counts the usage of organizations.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Processes a batch of messages from this lane's queue. Returns the ids of the messages that must stay in the
    /// queue. Messages that wait for a retry were hidden until its time. An attempt begins only if it can end
    /// before `deadline`.
    pub async fn handle(self: &Arc<Self>, lane: Lane, messages: Vec<Message>, deadline: Timestamp) -> Vec<String> {
        let (received, mut stay) = read(messages);
        let (tasks, messages): (Vec<_>, Vec<_>) =
            received.into_iter().map(|it| ((it.task, it.receipt), it.messages)).unzip();
        match self.loader.load(tasks).await {
            Ok(work) => stay.extend(self.handle_each(messages, work, Batch { lane, deadline }).await),
            Err(error) => {
                warn!(%error, "a batch could not be loaded");
                stay.extend(messages.into_iter().flatten().map(|message| message.id));
            }
        }
        stay
    }
}
