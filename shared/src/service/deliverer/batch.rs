//! The tasks of a batch: which run concurrently, and which alone.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, warn};

use super::Deliverer;
use super::load::Work;
use super::message::{Left, Message, Verdict};
use super::observed::Observations;
use super::record::stays;
use super::task::may_crash;
use crate::clock;
use crate::domain::delivery::isolation::{CompletedTasks, Order};
use crate::domain::endpoint::lane::Lane;
use crate::domain::endpoint::timeout::TimeoutSeconds;
use crate::domain::time::Timestamp;
use crate::queue::Hide;
use crate::store::StoreError;

/// How long verdicts that hide messages are collected before one call hides them.
const HIDE_DELAY: Duration = Duration::from_millis(5);

/// The properties of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    /// The lane of the queue that the batch was received from.
    pub(super) lane: Lane,
    /// When the function's run ends.
    pub(super) deadline: Timestamp,
}

/// The future of the verdict on a task's messages.
type Decided = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// A random number for a suspicious task; `None` for any other task.
fn suspicion(work: &Work) -> Option<u64> {
    may_crash(work).then(|| u64::from_be_bytes(clock::id_bytes()))
}

impl Deliverer {
    /// Processes the tasks of a batch. Returns the ids of the messages that must stay in the queue.
    pub(super) async fn handle_each(
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
}
