//! The consumer: a ladder from a batch of messages to a verdict on each.
//!
//! Batch → tasks → what they need → a step for each (decided in `domain`) → an attempt, a record.
//! Each record is a task of its own: neither a hanging receiver nor a panic disturbs the others. What may end the
//! process runs after the others and alone ([`Order`]).
//! A message that cannot be read stays in the queue and reaches the dead-letter queue by redrive.

mod message;
mod observed;
mod record;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, warn};

use super::Core;
use super::cache::Cache;
pub use message::Message;
use message::{Left, Verdict, read};
use observed::{Carried, Observations};
use record::{Attempted, Remembered, Unrecorded, after_conflict, stays, unrecorded};

use super::load::{EndpointCache, Work, endpoint_cache};
use crate::clock;
use crate::domain::delivery::{Delivery, DeliveryStatus, Step};
use crate::domain::fields::TimeoutSeconds;
use crate::domain::ids::DeliveryId;
use crate::domain::isolation::{Finished, Order, is_suspicious};
use crate::domain::lane::Lane;
use crate::domain::organization::OrganizationStatus;
use crate::domain::ticket::OnReceipt;
use crate::domain::time::Timestamp;
use crate::queue::{DeliverTask, Hide, Outgoing};
use crate::sender::{Attempt, Sender};
use crate::store::{Replaced, StoreError};
use crate::telemetry::metrics;

/// How long verdicts that hide messages are gathered, so that one request hides several.
const GATHER: Duration = Duration::from_millis(5);
/// How long a process remembers an attempt whose record DynamoDB refuses. The message comes back sooner, and then it is
/// remembered for as long again; other processes may receive it in between.
const UNRECORDED: Duration = Duration::from_secs(12 * 60 * 60);

/// A random number for a task that is suspicious.
fn suspicion(work: &Work) -> Option<u64> {
    let suspicious = is_suspicious(work.receipt, work.delivery.as_ref(), work.read_at);
    suspicious.then(|| u64::from_be_bytes(clock::id_bytes()))
}

/// Performs deliveries. One per process.
#[derive(Debug)]
pub struct Consumer {
    core: Arc<Core>,
    sender: Sender,
    endpoints: EndpointCache,
    /// Attempts that were made and whose records DynamoDB refuses.
    unrecorded: Cache<DeliveryId, Unrecorded>,
    finished: Mutex<Finished>,
    /// What attempts showed of their endpoints and is not counted yet.
    carried: Carried,
}

/// What a batch has to go by.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// The lane whose queue it came from.
    lane: Lane,
    /// When the function ends.
    deadline: Timestamp,
}

/// The verdict on a task's messages, when its work is done.
type Decided = Pin<Box<dyn Future<Output = Verdict> + Send>>;

impl Consumer {
    /// A consumer that delivers through this sender.
    pub fn new(core: Arc<Core>, sender: Sender) -> Arc<Self> {
        Arc::new(Self {
            core,
            sender,
            endpoints: endpoint_cache(),
            unrecorded: Cache::new(UNRECORDED),
            finished: Mutex::default(),
            carried: Carried::default(),
        })
    }

    /// What it works with.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Handles a batch of this lane's queue and returns the ids of the messages that must stay in the queue; those that
    /// wait for a retry are hidden for exactly as long as it takes.
    pub async fn handle(self: &Arc<Self>, lane: Lane, messages: Vec<Message>, deadline: Timestamp) -> Vec<String> {
        let (received, mut stay) = read(messages);
        let (tasks, messages): (Vec<_>, Vec<_>) =
            received.into_iter().map(|it| ((it.task, it.receipt), it.messages)).unzip();
        match self.core.load(tasks, &self.endpoints).await {
            Ok(work) => stay.extend(self.handle_each(messages, work, Batch { lane, deadline }).await),
            Err(error) => {
                warn!(%error, "a batch could not be loaded");
                stay.extend(messages.into_iter().flatten().map(|message| message.id));
            }
        }
        stay
    }

    async fn handle_each(
        self: &Arc<Self>,
        messages: Vec<Vec<Message>>,
        work: Vec<Result<Work, StoreError>>,
        batch: Batch,
    ) -> Vec<String> {
        let tasks: Vec<_> = work.iter().map(|work| work.as_ref().ok().and_then(suspicion)).collect();
        let order = Order::of(&tasks, self.finished().are_many(self.core.clock.now()));
        let mut waiting: Vec<_> = messages.into_iter().zip(work).map(Some).collect();
        let mut take = |task: &usize| waiting[*task].take();
        let mut left = Left::default();
        let together: Vec<_> = order.together.iter().filter_map(&mut take).collect();
        let endpoint = |(_, work): &(_, Result<Work, StoreError>)| work.as_ref().ok().map(|work| work.task.endpoint);
        let observations = Observations::shared(together.iter().map(endpoint));
        let together = together.into_iter().zip(observations);
        let together = together.map(|((messages, work), it)| (messages, self.decided(work, it, batch)));
        self.run(together, batch, &mut left).await;
        let alone: Vec<_> = order.alone.iter().filter_map(&mut take).collect();
        let observations = Observations::shared(alone.iter().map(endpoint));
        let mut alone = alone.into_iter().zip(observations);
        while TimeoutSeconds::SHORTEST.fits(self.left(batch))
            && let Some(((messages, work), observations)) = alone.next()
        {
            let decided = self.decided_alone(work, observations, batch);
            self.run([(messages, decided)], batch, &mut left).await;
        }
        let now = self.core.clock.now();
        let (postponed, observations): (Vec<_>, Vec<_>) = alone.unzip();
        postponed.into_iter().for_each(|(messages, _)| left.note(messages, Verdict::Postpone(now)));
        self.hide(batch.lane, &mut left.hidden).await;
        for observations in observations {
            // Boxed, it adds nothing to the future of each batch.
            Box::pin(self.count_if_last(observations)).await;
        }
        left.stay
    }

    /// What becomes of a task. The last task of an endpoint counts what all of them showed of it.
    fn decided(self: &Arc<Self>, work: Result<Work, StoreError>, observations: Observations, batch: Batch) -> Decided {
        let consumer = Arc::clone(self);
        // What an attempt keeps in mind is 16 KB, the SDK's and the HTTP client's part included. Boxed, it stays where
        // it is when the task is made.
        Box::pin(async move {
            let verdict = match work {
                Ok(work) => {
                    let suspicious = is_suspicious(work.receipt, work.delivery.as_ref(), work.read_at);
                    let verdict = consumer.decide(work, &observations, batch).await;
                    if suspicious && verdict.is_finished() {
                        consumer.finished().note(consumer.core.clock.now());
                    }
                    verdict
                }
                Err(error) => stays(&error),
            };
            consumer.count_if_last(observations).await;
            verdict
        })
    }

    /// The same for a task that had to wait for others: what it needs is read again.
    fn decided_alone(
        self: &Arc<Self>,
        work: Result<Work, StoreError>,
        observations: Observations,
        batch: Batch,
    ) -> Decided {
        let consumer = Arc::clone(self);
        Box::pin(async move {
            let again = match work {
                Ok(work) => consumer.core.load_one((work.task, work.receipt), &consumer.endpoints).await,
                Err(error) => Err(error),
            };
            consumer.decided(again, observations, batch).await
        })
    }

    /// Runs tasks at the same time. When it returns, what became of each is recorded, and messages that wait for a retry
    /// are hidden.
    async fn run(
        self: &Arc<Self>,
        tasks: impl IntoIterator<Item = (Vec<Message>, Decided)>,
        batch: Batch,
        left: &mut Left,
    ) {
        let mut running = JoinSet::new();
        let mut open = HashMap::new();
        for (messages, decided) in tasks {
            let task = running.spawn(decided);
            open.insert(task.id(), messages);
        }
        loop {
            let next = match timeout(GATHER, running.join_next_with_id()).await {
                Ok(next) => next,
                Err(_) if left.hidden.is_empty() => running.join_next_with_id().await,
                Err(_) => {
                    self.hide(batch.lane, &mut left.hidden).await;
                    continue;
                }
            };
            let (id, verdict) = match next {
                None => break,
                Some(Ok((id, verdict))) => (id, verdict),
                Some(Err(panic)) => {
                    error!(%panic, "a record panicked");
                    (panic.id(), Verdict::Stay)
                }
            };
            left.note(open.remove(&id).unwrap_or_default(), verdict);
        }
        self.hide(batch.lane, &mut left.hidden).await;
    }

    fn finished(&self) -> MutexGuard<'_, Finished> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much time is left to a batch.
    fn left(&self, batch: Batch) -> Duration {
        batch.deadline.since(self.core.clock.now())
    }

    /// Hides messages until their times, rounded up to whole seconds.
    async fn hide(&self, lane: Lane, hidden: &mut Vec<(String, Timestamp)>) {
        if hidden.is_empty() {
            return;
        }
        let now = self.core.clock.now();
        let seconds = |until: Timestamp| u32::try_from(until.since(now).as_micros().div_ceil(1_000_000));
        let hide = |(receipt_handle, until): (String, Timestamp)| Hide {
            receipt_handle,
            seconds: seconds(until).unwrap_or(u32::MAX),
        };
        let messages: Vec<_> = hidden.drain(..).map(hide).collect();
        if let Err(error) = self.core.queue.hide(lane, &messages).await {
            // They come back after the queue's own timeout instead, which is late but safe.
            warn!(%error, count = messages.len(), "messages could not be hidden");
        }
    }

    async fn decide(&self, work: Work, observations: &Observations, batch: Batch) -> Verdict {
        match work.receipt.on_receipt(work.delivery.as_ref(), work.read_at) {
            OnReceipt::Process => {}
            OnReceipt::Acknowledge => return Verdict::Acknowledge,
            OnReceipt::HideUntil(until) => return Verdict::HideUntil(until),
        }
        let now = self.core.clock.now();
        let delivery = work.delivery.clone().unwrap_or_else(|| unrecorded(&work.task));
        let status = work.organization.unwrap_or(OrganizationStatus::Active);
        let moved = match delivery.step(work.endpoint.as_ref(), status, work.task.probe, now) {
            // Only attempts are made on what was true a moment ago.
            Step::Park | Step::Fail(_) if work.remembered => {
                return match self.core.refresh(work, &self.endpoints).await {
                    Ok(work) => Box::pin(self.decide(work, observations, batch)).await,
                    Err(error) => stays(&error),
                };
            }
            Step::Attempt => return self.attempt(delivery, work, observations, batch).await,
            Step::HideUntil(due) => return Verdict::Postpone(due),
            Step::Park => delivery.parked(now),
            Step::Fail(cause) => delivery.failed(cause, now),
        };
        match self.core.store.replace_delivery(work.delivery.as_ref(), &moved).await {
            Ok(Replaced::Written) => {
                let cause = moved.error.filter(|_| moved.status == DeliveryStatus::Failed);
                cause.inspect(|cause| metrics::failed(*cause, 1));
                Verdict::Acknowledge
            }
            Ok(Replaced::Found(found)) => after_conflict(work.receipt, found.as_deref(), now),
            Err(error) => stays(&error),
        }
    }

    async fn attempt(&self, delivery: Delivery, work: Work, observations: &Observations, batch: Batch) -> Verdict {
        let (Some(endpoint), Some(body)) = (work.endpoint, work.body) else {
            // Retention ends for an event and its deliveries at about the same time.
            if self.core.is_expired(delivery.id.created_at()) {
                return Verdict::Acknowledge;
            }
            error!(delivery = %delivery.id, "the event is gone");
            metrics::unreadable();
            return Verdict::Stay;
        };
        let settings = &endpoint.settings;
        let now = self.core.clock.now();
        let Work { delivery: seen, task, receipt, .. } = work;
        let endpoint = &endpoint;
        let attempted = Attempted { seen, task, receipt, endpoint, observations, was_refused: false };
        match self.remembered(&delivery, receipt, now) {
            Some(Remembered::Outcome(outcome)) => {
                return self.record(Attempted { was_refused: true, ..attempted }, outcome).await;
            }
            Some(Remembered::Copy) => return Verdict::Acknowledge,
            None => {}
        }
        if batch.lane.forwards_to(endpoint.lane) {
            let suspect = is_suspicious(receipt, attempted.seen.as_ref(), work.read_at);
            return self.forward(DeliverTask { suspect, ..attempted.task }, endpoint.lane).await;
        }
        if !settings.timeout.fits(batch.deadline.since(now)) {
            return Verdict::Postpone(now);
        }
        let attempt = Attempt {
            url: &settings.url,
            headers: &settings.headers,
            secrets: endpoint.secrets.signing_at(now),
            delivery: delivery.id,
            event_type: &delivery.event_type,
            number: delivery.attempts + 1,
            body: Bytes::from(body),
            timeout: settings.timeout.duration(),
        };
        let outcome = self.sender.post(&attempt).await;
        self.record(attempted, outcome).await
    }

    /// Sends a task that is due to another lane. It keeps its ticket, so it owns the delivery as before.
    async fn forward(&self, task: DeliverTask, lane: Lane) -> Verdict {
        match self.core.queue.send(vec![Outgoing::new(task, lane)]).await {
            Ok(()) => Verdict::Forwarded,
            Err(error) => {
                warn!(%error, lane = lane.as_str(), "a message could not be forwarded");
                Verdict::Stay
            }
        }
    }
}
