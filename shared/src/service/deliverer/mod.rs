//! The consumer: it turns a batch of messages into a verdict on each message.
//!
//! The steps are: decode the tasks; load the items that they need; decide a step for each task (in `domain`); make
//! the attempts and record them. Each task runs in its own tokio task, so neither a slow receiver nor a panic
//! affects the others. Tasks that may crash the process run after the others, one at a time ([`Order`]). A message
//! that cannot be decoded stays in the queue and reaches the dead-letter queue by redrive.

mod health;
mod load;
mod message;
mod observed;
mod record;
mod resend;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, warn};

use health::Health;
use load::{Loader, Work};
pub use message::Message;
use message::{Left, Verdict, read};
use observed::{Carried, Observations};
use record::{Attempted, Remembered, Unrecorded, after_conflict, stays, unrecorded};

use super::Parts;
use super::cache::Cache;
use super::caches::Caches;
use super::encryption::{DecryptError, Encryption};
use super::meter::Meter;
use crate::clock::{self, Clock};
use crate::domain::delivery::attempt::Outcome;
use crate::domain::delivery::decision::Decision;
use crate::domain::delivery::isolation::{CompletedTasks, Order, is_suspicious, is_suspicious_resend};
use crate::domain::delivery::ticket::OnReceipt;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::confidential::Fields;
use crate::domain::endpoint::lane::Lane;
use crate::domain::endpoint::timeout::TimeoutSeconds;
use crate::domain::event::payload::Payload;
use crate::domain::ids::DeliveryId;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::time::Timestamp;
use crate::queue::{DeliverTask, Hide, Outgoing, Queue};
use crate::sender::{Attempt, Sender};
use crate::store::{Replaced, Store, StoreError};
use crate::telemetry::metrics;

/// How long verdicts that hide messages are collected before one call hides them.
const HIDE_DELAY: Duration = Duration::from_millis(5);
/// How long a process caches the outcome of an attempt whose record DynamoDB rejects. The message is received again
/// earlier, which renews the entry. Other processes may receive it in between.
const UNRECORDED: Duration = Duration::from_secs(12 * 60 * 60);

/// Whether an earlier receive of the task's message left no result, so that the task may crash the process.
fn may_crash(work: &Work) -> bool {
    match work.task.trigger {
        Trigger::Resend => is_suspicious_resend(work.receipt),
        _ => is_suspicious(work.receipt, work.delivery.as_ref(), work.read_at),
    }
}

/// A random number for a suspicious task; `None` for any other task.
fn suspicion(work: &Work) -> Option<u64> {
    may_crash(work).then(|| u64::from_be_bytes(clock::id_bytes()))
}

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

/// The properties of a batch.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// The lane of the queue that the batch was received from.
    lane: Lane,
    /// When the function's run ends.
    deadline: Timestamp,
}

/// The future of the verdict on a task's messages.
type Decided = Pin<Box<dyn Future<Output = Verdict> + Send>>;

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

    async fn handle_each(
        self: &Arc<Self>,
        messages: Vec<Vec<Message>>,
        work: Vec<Result<Work, StoreError>>,
        batch: Batch,
    ) -> Vec<String> {
        let tasks: Vec<_> = work.iter().map(|work| work.as_ref().ok().and_then(suspicion)).collect();
        let order = Order::of(&tasks, self.completed().are_many(self.clock.now()));
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
        let now = self.clock.now();
        let (postponed, observations): (Vec<_>, Vec<_>) = alone.unzip();
        postponed.into_iter().for_each(|(messages, _)| left.record_verdict(messages, Verdict::Postpone(now)));
        self.hide(batch.lane, &mut left.hidden).await;
        for observations in observations {
            // Boxed, this future does not enlarge the future of each batch.
            Box::pin(self.count_if_last(observations)).await;
        }
        left.stay
    }

    /// Processes one task. The last task of an endpoint adds the outcomes of all its tasks to the counters.
    fn decided(self: &Arc<Self>, work: Result<Work, StoreError>, observations: Observations, batch: Batch) -> Decided {
        let deliverer = Arc::clone(self);
        // The future of an attempt is about 16 KB, including those of the SDK and of the HTTP client. Boxing it
        // avoids a copy when the task is spawned.
        Box::pin(async move {
            let verdict = match work {
                Ok(work) => {
                    let suspicious = may_crash(&work);
                    let verdict = deliverer.decide(work, &observations, batch).await;
                    if suspicious && verdict.completes_task() {
                        deliverer.completed().record(deliverer.clock.now());
                    }
                    verdict
                }
                Err(error) => stays(&error),
            };
            deliverer.count_if_last(observations).await;
            verdict
        })
    }

    /// As [`decided`](Self::decided), for a task that waited for others: the items that it needs are read again.
    fn decided_alone(
        self: &Arc<Self>,
        work: Result<Work, StoreError>,
        observations: Observations,
        batch: Batch,
    ) -> Decided {
        let deliverer = Arc::clone(self);
        Box::pin(async move {
            let again = match work {
                Ok(work) => deliverer.loader.load_one((work.task, work.receipt)).await,
                Err(error) => Err(error),
            };
            deliverer.decided(again, observations, batch).await
        })
    }

    /// Runs tasks concurrently. When it returns, their results are recorded, and messages that wait for a retry are
    /// hidden.
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
            let next = match timeout(HIDE_DELAY, running.join_next_with_id()).await {
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
                    error!(%panic, "processing a message panicked");
                    (panic.id(), Verdict::Stay)
                }
            };
            left.record_verdict(open.remove(&id).unwrap_or_default(), verdict);
        }
        self.hide(batch.lane, &mut left.hidden).await;
    }

    fn completed(&self) -> MutexGuard<'_, CompletedTasks> {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that is left for a batch.
    fn left(&self, batch: Batch) -> Duration {
        batch.deadline.since(self.clock.now())
    }

    /// Hides messages until their times, rounded up to whole seconds.
    async fn hide(&self, lane: Lane, hidden: &mut Vec<(String, Timestamp)>) {
        if hidden.is_empty() {
            return;
        }
        let now = self.clock.now();
        let seconds = |until: Timestamp| u32::try_from(until.since(now).as_micros().div_ceil(1_000_000));
        let hide = |(receipt_handle, until): (String, Timestamp)| Hide {
            receipt_handle,
            seconds: seconds(until).unwrap_or(u32::MAX),
        };
        let messages: Vec<_> = hidden.drain(..).map(hide).collect();
        if let Err(error) = self.queue.hide(lane, &messages).await {
            // The messages become visible after the queue's visibility timeout instead. That is late, but no
            // delivery is lost.
            warn!(%error, count = messages.len(), "messages could not be hidden");
        }
    }

    async fn decide(&self, work: Work, observations: &Observations, batch: Batch) -> Verdict {
        if work.task.trigger == Trigger::Resend {
            return Box::pin(self.resend(work, batch)).await;
        }
        match work.receipt.on_receipt(work.delivery.as_ref(), work.read_at) {
            OnReceipt::Process => {}
            OnReceipt::Done => return Verdict::Acknowledge,
            OnReceipt::WaitUntil(until) => return Verdict::HideUntil(until),
        }
        let now = self.clock.now();
        let delivery = work.delivery.clone().unwrap_or_else(|| unrecorded(&work.task));
        // An organization that does not exist was deleted.
        let status = work.organization.unwrap_or(OrganizationStatus::Deleting);
        let is_probe = work.task.trigger == Trigger::HalfOpen;
        let moved = match delivery.decide(work.endpoint.as_ref(), status, is_probe, now) {
            // Cached items may be out of date. They suffice for an attempt, but not for parking or failing a
            // delivery.
            Decision::Park | Decision::Fail(_) if work.remembered => {
                return match self.loader.refresh(work).await {
                    Ok(work) => Box::pin(self.decide(work, observations, batch)).await,
                    Err(error) => stays(&error),
                };
            }
            Decision::Attempt if work.is_expunged => delivery.expunged(now).unwrap_or(delivery),
            Decision::Attempt => return self.attempt(delivery, work, observations, batch).await,
            Decision::WaitUntil(due) => return Verdict::Postpone(due),
            Decision::Discard => return Verdict::Acknowledge,
            Decision::Park => delivery.parked(now),
            Decision::Fail(cause) => delivery.failed(cause, now),
        };
        match self.store.replace_delivery(work.delivery.as_ref(), &moved).await {
            Ok(Replaced::Written) => {
                if moved.status == DeliveryStatus::Failed {
                    moved.error.inspect(|cause| metrics::failed(*cause, 1));
                    self.meter.count_end(work.delivery.as_ref(), &moved);
                }
                Verdict::Acknowledge
            }
            Ok(Replaced::Found(found)) => after_conflict(work.receipt, found.as_deref(), now),
            Err(error) => stays(&error),
        }
    }

    async fn attempt(&self, delivery: Delivery, work: Work, observations: &Observations, batch: Batch) -> Verdict {
        let (Some(endpoint), Some(payload)) = (work.endpoint, work.payload) else {
            // An event and its deliveries expire at about the same time.
            if self.deployment.is_expired(delivery.id.created_at(), self.clock.now()) {
                return Verdict::Acknowledge;
            }
            error!(delivery = %delivery.id, "the delivery's event does not exist");
            metrics::unreadable();
            return Verdict::Stay;
        };
        let now = self.clock.now();
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
        match self.post(&delivery, endpoint, &payload, batch).await {
            Ok(outcome) => self.record(attempted, outcome).await,
            Err(verdict) => verdict,
        }
    }

    /// Sends one request for a delivery. Returns what happens with the message if it was not sent: this process has no
    /// keys or could not read them, or too little time is left.
    async fn post(
        &self,
        delivery: &Delivery,
        endpoint: &Endpoint,
        payload: &Payload,
        batch: Batch,
    ) -> Result<Outcome, Verdict> {
        // This may read the keys, so the time is looked at afterwards.
        let decrypted = match self.encryption.decrypt(endpoint, Fields::Attempt(self.clock.now())).await {
            Ok(decrypted) => decrypted,
            Err(cause) => {
                metrics::undecryptable();
                match cause {
                    DecryptError::Unavailable(_) => return Err(Verdict::Stay),
                    // The sender does not send what is encrypted. The failed attempt shows the owner that something is wrong.
                    DecryptError::Undecryptable(_) => None,
                }
            }
        };
        let (now, settings) = (self.clock.now(), &endpoint.settings);
        if !settings.timeout.fits(batch.deadline.since(now)) {
            return Err(Verdict::Postpone(now));
        }
        let (secrets, headers) = match &decrypted {
            Some((secrets, headers)) => (secrets, headers),
            None => (&endpoint.secrets, &settings.headers),
        };
        let attempt = Attempt {
            destination: &settings.destination,
            headers,
            secrets: secrets.signing_at(now),
            delivery: delivery.id,
            event_type: &delivery.event_type,
            number: delivery.attempts + 1,
            body: Bytes::copy_from_slice(payload.body.as_bytes()),
            content_type: payload.content_type.as_ref(),
            svix_headers: payload.svix_headers,
            trace: payload.trace.as_ref(),
            timeout: settings.timeout.duration(),
        };
        Ok(self.sender.post(&attempt).await)
    }

    /// Forwards a task to another lane. The new message has the same ticket, so it owns the delivery.
    async fn forward(&self, task: DeliverTask, lane: Lane) -> Verdict {
        match self.queue.send(vec![Outgoing::new(task, lane)]).await {
            Ok(()) => Verdict::Forwarded,
            Err(error) => {
                warn!(%error, lane = lane.as_str(), "a message could not be forwarded");
                Verdict::Stay
            }
        }
    }
}
