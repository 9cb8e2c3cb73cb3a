//! Counts what a replay would do.

use std::time::Duration;

use super::Replayer;
use super::find::Found;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::ids::DeliveryId;
use crate::domain::job::{Job, Replay, ReplayCount, Work};
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::service::releaser::new_ticket;
use crate::store::Wanted;

/// Most deliveries that are counted.
const MAX_COUNTED: usize = 10_000;
/// The read units after which counting ends.
pub(in crate::service) const MAX_READ_UNITS: u32 = 8_192;
/// The time after which counting ends.
const MAX_TIME: Duration = Duration::from_secs(10);
/// How many deliveries are examined together.
const COUNTED_TOGETHER: usize = 100;

/// A part of what a replay would do.
struct Part {
    /// The times of publishing of the deliveries that it would send or make.
    published_at: Vec<Timestamp>,
    /// The last event or delivery that was examined; `None` at the end.
    last: Option<DeliveryId>,
    /// The consumed read units, approximately.
    read_units: f64,
}

impl Replayer {
    /// Counts what a replay that is requested now would do, without doing it. Ends early after 10,000 deliveries, about
    /// 8,000 read units or ten seconds. Returns also the consumed read units, approximately.
    ///
    /// # Errors
    /// [`ServiceError`] if events or deliveries could not be read.
    pub(in crate::service) async fn count(
        &self,
        endpoint: &Endpoint,
        replay: &Replay,
    ) -> Result<(ReplayCount, u32), ServiceError> {
        let now = self.clock.now();
        let job = Job::new(&endpoint.organization, Work::Replay(endpoint.id, replay.clone()), now);
        let (mut counted, mut read_units) = (ReplayCount::default(), 0.0);
        let mut next = job.pass.from.delivery();
        while let Some(from) = next {
            if read_units >= f64::from(MAX_READ_UNITS) || self.clock.now() >= now.plus(MAX_TIME) {
                return Ok((ReplayCount { has_more: true, ..counted }, whole(read_units)));
            }
            let part = if replay.goes_by_events() {
                let span = (from, replay.before(job.since));
                self.find(endpoint, replay, job.run(), span, COUNTED_TOGETHER).await?.into()
            } else {
                self.find_failed(endpoint, replay, &job, from).await?
            };
            read_units += part.read_units;
            for published_at in part.published_at {
                if counted.deliveries == MAX_COUNTED {
                    return Ok((ReplayCount { has_more: true, ..counted }, whole(read_units)));
                }
                counted.deliveries += 1;
                let expires_soon = self.deployment.is_expired(published_at, now.plus(super::EXPIRES_SOON));
                counted.expiring += usize::from(expires_soon);
            }
            next = part.last.map(DeliveryId::next);
        }
        Ok((counted, whole(read_units)))
    }

    /// The next failed deliveries that a replay would retry.
    async fn find_failed(
        &self,
        endpoint: &Endpoint,
        replay: &Replay,
        job: &Job,
        from: DeliveryId,
    ) -> Result<Part, ServiceError> {
        let before = DeliveryId::first_at(replay.before(job.since));
        let found = self.store.failed_deliveries(endpoint.id, from, before, COUNTED_TOGETHER).await?;
        let deliveries = found.iter().map(|waiting| (waiting.endpoint, waiting.delivery)).collect();
        let loaded = self.store.load(&Wanted { deliveries, ..Wanted::default() }).await?;
        let now = self.clock.now();
        let is_retried = |delivery: &Delivery| {
            replay.retried(delivery.clone(), job.run(), job.before(), now, new_ticket()).is_some()
        };
        let retried = loaded.deliveries.into_values().flatten().filter(is_retried);
        Ok(Part {
            published_at: retried.map(|delivery| delivery.id.created_at()).collect(),
            last: found.last().filter(|_| found.len() == COUNTED_TOGETHER).map(|last| last.delivery),
            read_units: read_units_of(found.len()),
        })
    }
}

impl From<Found> for Part {
    fn from(found: Found) -> Self {
        Self {
            published_at: found.steps.iter().map(super::Step::published_at).collect(),
            last: found.last.map(|event| DeliveryId::from_uuid(event.uuid())),
            read_units: found.read_units,
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count ends after some thousand units")]
fn whole(read_units: f64) -> u32 {
    read_units.ceil() as u32
}

/// The read units of this many records of deliveries, approximately.
pub(super) fn read_units_of(records: usize) -> f64 {
    u32::try_from(records).unwrap_or(u32::MAX).into()
}
