//! Replays by events: finds what a replay does with the events of a span of time, and does it.

mod count;
mod find;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tracing::error;

use super::ServiceError;
use super::meter::Meter;
use super::releaser::{CHUNK, Moved, new_ticket, task_without_payload};
use crate::clock::{self, Clock};
use crate::domain::delivery::Delivery;
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::job::{Job, JobRun, Page, Replay};
use crate::domain::tenancy::usage::Usage;
use crate::domain::time::Timestamp;
use crate::queue::{Outgoing, Queue};
use crate::store::{Append, Replaced, Store};
pub(super) use count::MAX_READ_UNITS;
use find::Found;

/// How often an endpoint is added to the fan-out of an event if other replays change it first.
const APPEND_TRIES: u32 = 8;
/// A delivery that expires within this time is reported by a count.
const EXPIRES_SOON: Duration = Duration::from_secs(24 * 60 * 60);

/// Finds and does what replays do.
#[derive(Debug)]
pub(super) struct Replayer {
    pub(super) store: Arc<Store>,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
    pub(super) deployment: Arc<Deployment>,
    pub(super) meter: Arc<Meter>,
}

/// What a replay does for one event.
enum Step {
    /// Adds the endpoint to the fan-out of this event, and makes the delivery.
    Add(Box<Event>),
    /// Makes a delivery that another replay added.
    Make(Box<Delivery>),
    /// Sends a final delivery again.
    Again(Box<Delivery>),
}

/// The result of a step.
enum Done {
    /// The delivery is leased, and its message is to be sent. The flag says whether the delivery is new.
    Leased(Box<Delivery>, bool),
    /// Another process has done it for the same run.
    ByThisRun,
    /// There is nothing left to do.
    Nothing,
}

impl Replayer {
    /// Does the next page of a replay that goes by events: at most `limit` deliveries. A repetition of the page counts what
    /// was done before.
    ///
    /// # Errors
    /// [`ServiceError`] if the page could not be read, or if deliveries could not be made or sent. The page must be
    /// repeated then. A delivery that no repetition could make is left out.
    pub(super) async fn do_page(
        &self,
        endpoint: &Endpoint,
        (job, replay): (&Job, &Replay),
        from: DeliveryId,
        limit: usize,
    ) -> Result<(Page, Moved), ServiceError> {
        let (run, route) = (job.run(), endpoint.route());
        let Found { steps, done, examined, last, .. } =
            self.find(endpoint, replay, run, (from, replay.before(job.since)), limit).await?;
        // A page is repeated if it failed, or if its progress was not stored. What it did was not counted then.
        let (mut all, mut sent) = (Moved { count: done, ..Moved::default() }, 0);
        let mut steps = steps.into_iter();
        loop {
            let now = self.clock.now();
            let chunk: Vec<_> = steps.by_ref().take(CHUNK).map(|step| self.take(step, endpoint.id, run, now)).collect();
            if chunk.is_empty() {
                break;
            }
            let (mut messages, mut added) = (Vec::new(), 0);
            for taken in join_all(chunk).await {
                match taken {
                    Ok(Done::Leased(delivery, is_new)) => {
                        let delay_seconds = job.pace.delay_seconds(sent, now);
                        let task = task_without_payload(*delivery, route);
                        messages.push(Outgoing { task, lane: route.lane, delay_seconds });
                        sent += 1;
                        all.count += 1;
                        added += u64::from(is_new);
                    }
                    Ok(Done::ByThisRun) => all.count += 1,
                    Ok(Done::Nothing) => {}
                    // A repetition would fail in the same way.
                    Err(error @ ServiceError::Internal(_)) => {
                        all.has_permanent_failures = true;
                        error!(endpoint = %endpoint.id, %error, "a delivery cannot be replayed");
                    }
                    Err(error) => all.failure = Some(error),
                }
            }
            self.meter.count(&endpoint.organization, Usage { deliveries: added, ..Usage::default() });
            self.queue.send(messages).await?;
        }
        all.failure.take().map_or(Ok(()), Err)?;
        let last = last.map(|event| DeliveryId::from_uuid(event.uuid()));
        Ok((Page { last, paced: Page::pace_of(sent, examined), moved: all.count, is_left: false }, all))
    }

    /// Does a step up to the message: the entry in the fan-out first, then the record.
    async fn take(&self, step: Step, endpoint: EndpointId, run: JobRun, now: Timestamp) -> Result<Done, ServiceError> {
        let ticket = new_ticket();
        let (seen, leased) = match step {
            Step::Again(record) => (Some(*record.clone()), record.replayed(now, ticket)),
            Step::Make(initial) => (None, Some(initial.added(now, ticket))),
            Step::Add(event) => {
                let delivery = self.append(*event, endpoint).await?;
                (None, delivery.map(|delivery| delivery.added(now, ticket)))
            }
        };
        let Some(leased) = leased else { return Ok(Done::Nothing) };
        let leased = Delivery { recovery: Some(run), ..leased };
        Ok(match self.store.replace_delivery(seen.as_ref(), &leased).await? {
            Replaced::Written => Done::Leased(Box::new(leased), seen.is_none()),
            Replaced::Found(Some(found)) if found.recovery == Some(run) => Done::ByThisRun,
            Replaced::Found(_) => Done::Nothing,
        })
    }

    /// Adds the endpoint to the fan-out of an event, unless it is there. Returns its delivery in its initial state; `None`
    /// if the fan-out is full.
    async fn append(&self, mut event: Event, endpoint: EndpointId) -> Result<Option<Delivery>, ServiceError> {
        for tries in 0..APPEND_TRIES {
            if let Some(delivery) = event.delivery_to(endpoint) {
                return Ok(Some(delivery));
            }
            if !event.can_be_appended() {
                return Ok(None);
            }
            let list = event.appended.open_list(event.id);
            let endpoints = match self.store.append_endpoint(&event.organization, &list, endpoint).await? {
                Append::Written => [list.endpoints, vec![endpoint]].concat(),
                Append::Found(endpoints) => {
                    // What was found is true only for a moment, so every second try follows at once.
                    if tries % 2 == 1 {
                        clock::back_off(tries).await;
                    }
                    endpoints
                }
            };
            event.appended.replace_open(endpoints);
        }
        Err(ServiceError::Unavailable("other replays are changing the fan-out of the event".to_owned()))
    }
}

impl Step {
    fn published_at(&self) -> Timestamp {
        match self {
            Self::Add(event) => event.id.created_at(),
            Self::Make(delivery) | Self::Again(delivery) => delivery.id.created_at(),
        }
    }

    /// The record of a final delivery that is sent again; `None` for the other steps.
    fn again(&self) -> Option<&Delivery> {
        match self {
            Self::Again(record) => Some(record),
            Self::Add(_) | Self::Make(_) => None,
        }
    }
}
