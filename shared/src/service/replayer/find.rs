//! Finds what a replay does with the events of a span of time. What a page reads is limited, whatever the events are.

use std::collections::HashSet;

use tracing::error;

use super::count::read_units_of;
use super::{Replayer, Step};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::fan_out::FanOut;
use crate::domain::endpoint::filter::RequestSteps;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::job::{JobRun, OfEvent, OfRecord, Replay};
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::service::receivers::receivers;
use crate::store::{ListedEvent, Next, Wanted};

/// Most events that a page examines. A page in which few events concern the endpoint ends here.
const MAX_EXAMINED: usize = 400;
/// How many large bodies are read at the same time. Each has up to 256 KiB.
const BODIES_PER_READ: usize = 8;
/// The bytes of large bodies after which a page reads no more of them.
const MAX_BODY_BYTES: usize = 4 << 20;
/// How many bytes an eventually consistent read unit reads.
const BYTES_PER_READ_UNIT: u32 = 8 << 10;

/// The steps for a page of events.
pub(super) struct Found {
    pub(super) steps: Vec<Step>,
    /// How many deliveries the same run has sent before.
    pub(super) done: usize,
    /// How many events were examined.
    pub(super) examined: usize,
    /// The last examined event; `None` at the end of the span.
    pub(super) last: Option<EventId>,
    /// The consumed read units, approximately.
    pub(super) read_units: f64,
}

/// Events that were examined.
struct Examined {
    candidates: Vec<Candidate>,
    count: usize,
    last: Option<EventId>,
    read_units: f64,
}

/// An event that may need a step.
enum Candidate {
    /// The endpoint has this delivery, given in its initial state, and whether a replay added it.
    Known(Box<Delivery>, bool),
    /// The endpoint would receive this event.
    Missing(Box<Event>),
    /// The endpoint would receive this event if its filter matches the body, which was not read.
    Undecided(Box<Event>),
}

/// Which undecided events match.
#[derive(Default)]
struct Decided {
    matching: HashSet<EventId>,
    /// The first event whose body was not read, since the others had [`MAX_BODY_BYTES`].
    undecided: Option<EventId>,
    read_units: f64,
}

impl Replayer {
    /// Finds the steps for the next events of a span: at most `limit`. At least one event is examined.
    pub(super) async fn find(
        &self,
        endpoint: &Endpoint,
        replay: &Replay,
        run: JobRun,
        span: (DeliveryId, Timestamp),
        limit: usize,
    ) -> Result<Found, ServiceError> {
        let (organization, fan_out) = (&endpoint.organization, FanOut::from_iter([endpoint.target()]));
        let Examined { mut candidates, count, mut last, read_units } =
            self.examine(endpoint, replay, &fan_out, span, limit).await?;
        let decided = self.decide(organization, &fan_out, &candidates).await?;
        if let Some(undecided) = decided.undecided {
            candidates.retain(|candidate| candidate.event() < undecided);
            last = Some(undecided.former());
        }
        let known = candidates.iter().filter_map(Candidate::known);
        let wanted = Wanted { deliveries: known.collect(), ..Wanted::default() };
        let read_units = read_units + decided.read_units + read_units_of(wanted.deliveries.len());
        let mut records = self.store.load(&wanted).await?.deliveries;
        let (mut steps, mut done) = (Vec::new(), 0);
        for candidate in candidates {
            match candidate {
                Candidate::Missing(event) => steps.push(Step::Add(event)),
                Candidate::Undecided(event) if decided.matching.contains(&event.id) => steps.push(Step::Add(event)),
                Candidate::Undecided(_) => {}
                Candidate::Known(initial, is_appended) => {
                    let id = initial.id;
                    let record = match records.remove(&id).transpose() {
                        Ok(record) => record,
                        Err(error) => {
                            error!(delivery = %id, %error, "a delivery cannot be read");
                            continue;
                        }
                    };
                    match replay.of_record(*initial, is_appended, record, run) {
                        OfRecord::Nothing => {}
                        OfRecord::Done => done += 1,
                        OfRecord::Make(delivery) => steps.push(Step::Make(delivery)),
                        OfRecord::Again(record) => steps.push(Step::Again(record)),
                    }
                }
            }
        }
        let steps = self.without_removed(organization, steps, run).await?;
        Ok(Found { steps, done, examined: count, last, read_units })
    }

    /// Goes through the next events, until `limit` of them may need a step or the limits of a page are reached.
    async fn examine(
        &self,
        endpoint: &Endpoint,
        replay: &Replay,
        fan_out: &FanOut,
        (from, before): (DeliveryId, Timestamp),
        limit: usize,
    ) -> Result<Examined, ServiceError> {
        let mut walk = self.store.events_from(&endpoint.organization, from, before, limit);
        let (mut candidates, mut count, mut last) = (Vec::new(), 0, None);
        while candidates.len() < limit && count < MAX_EXAMINED {
            let (id, listed) = match walk.next().await? {
                Next::Entry(entry) => entry,
                Next::Spent => break,
                Next::End => {
                    last = None;
                    break;
                }
            };
            count += 1;
            last = Some(id);
            if self.deployment.is_expired(id.created_at(), self.clock.now()) {
                continue;
            }
            match listed {
                Ok(listed) => candidates.extend(candidate(listed, endpoint, replay, fan_out).await),
                Err(error) => error!(event = %id, %error, "an event cannot be read"),
            }
        }
        Ok(Examined { candidates, count, last, read_units: walk.read_units() })
    }

    /// Decides which of the undecided events match the endpoint's filter. Their bodies are read, a few at a time, until
    /// they have [`MAX_BODY_BYTES`].
    async fn decide(
        &self,
        organization: &OrganizationId,
        fan_out: &FanOut,
        candidates: &[Candidate],
    ) -> Result<Decided, ServiceError> {
        let undecided: Vec<_> = candidates.iter().filter_map(Candidate::undecided).collect();
        let (mut decided, mut bytes) = (Decided::default(), 0);
        for ids in undecided.chunks(BODIES_PER_READ) {
            if bytes >= MAX_BODY_BYTES {
                decided.undecided = ids.first().copied();
                break;
            }
            for event in self.store.settled_events(organization, ids).await? {
                match event {
                    Ok(event) => {
                        bytes += event.payload.body.len();
                        if is_received(&event, fan_out).await {
                            decided.matching.insert(event.id);
                        }
                    }
                    Err(error) => error!(%organization, %error, "an event cannot be read"),
                }
            }
        }
        decided.read_units = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX).div_ceil(BYTES_PER_READ_UNIT));
        Ok(decided)
    }

    /// Leaves out the deliveries of events whose data was removed, if the eventually consistent list may not show it yet:
    /// a delivery that succeeded before stays successful.
    async fn without_removed(
        &self,
        organization: &OrganizationId,
        mut steps: Vec<Step>,
        run: JobRun,
    ) -> Result<Vec<Step>, ServiceError> {
        let changed = steps.iter().filter_map(|step| step.again()).filter(|it| Replay::has_changed_lately(it, run));
        let events: Vec<_> = changed.map(|record| (organization.clone(), record.id.event())).collect();
        if !events.is_empty() {
            let read = self.store.load(&Wanted { events, ..Wanted::default() }).await?.events;
            let is_removed = |event| matches!(read.get(&event), Some(Ok(event)) if event.expunged_at.is_some());
            steps.retain(|step| step.again().is_none_or(|record| !is_removed(record.id.event())));
        }
        Ok(steps)
    }
}

impl Candidate {
    fn event(&self) -> EventId {
        match self {
            Self::Known(delivery, _) => delivery.id.event(),
            Self::Missing(event) | Self::Undecided(event) => event.id,
        }
    }

    fn known(&self) -> Option<(EndpointId, DeliveryId)> {
        match self {
            Self::Known(delivery, _) => Some((delivery.endpoint, delivery.id)),
            Self::Missing(_) | Self::Undecided(_) => None,
        }
    }

    fn undecided(&self) -> Option<EventId> {
        match self {
            Self::Undecided(event) => Some(event.id),
            Self::Known(..) | Self::Missing(_) => None,
        }
    }
}

/// What an event may need. `fan_out` contains only the endpoint.
async fn candidate(listed: ListedEvent, endpoint: &Endpoint, replay: &Replay, fan_out: &FanOut) -> Option<Candidate> {
    let event = listed.without_body();
    match replay.of_event(event, endpoint.id) {
        OfEvent::Nothing => None,
        OfEvent::Delivery(delivery) => {
            let is_appended = event.is_appended(delivery.id);
            Some(Candidate::Known(delivery, is_appended))
        }
        OfEvent::Missing if !fan_out.wants(&event.as_new()) => None,
        OfEvent::Missing if endpoint.settings.filter.is_none() => Some(Candidate::Missing(Box::new(event.clone()))),
        OfEvent::Missing => {
            let without_body = Box::new(event.clone());
            match listed.with_body() {
                Ok(None) => Some(Candidate::Undecided(without_body)),
                Ok(Some(event)) => is_received(&event, fan_out).await.then_some(Candidate::Missing(without_body)),
                Err(error) => {
                    error!(event = %without_body.id, %error, "an event cannot be read");
                    None
                }
            }
        }
    }
}

/// Whether an endpoint of the fan-out would receive the event now.
async fn is_received(event: &Event, fan_out: &FanOut) -> bool {
    !receivers(fan_out, &event.organization, &event.as_new(), &mut RequestSteps::new(1)).await.is_empty()
}
