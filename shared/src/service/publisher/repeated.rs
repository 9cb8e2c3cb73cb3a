//! Repetitions of publish requests with an idempotency key: they complete what the first request left undone.

use std::collections::HashSet;

use futures_util::future::{join_all, try_join_all};
use futures_util::{StreamExt, stream};

use super::{Accepted, Planned, Publisher};
use crate::domain::catalogue::Refusal;
use crate::domain::delivery::{Delivery, PUBLISHING_ENDS};
use crate::domain::endpoint::fan_out::FanOut;
use crate::domain::endpoint::filter::RequestSteps;
use crate::domain::ids::{EventId, KeyId};
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::service::catalogue::Validated;
use crate::service::event_writer::{MAX_DELIVERIES, Numbered, Published, as_first_published, messages_of};
use crate::service::targets::CurrentState;
use crate::store::{Claim, EarlierClaim, PendingList, StoreError};

/// How many records a repair writes at the same time.
const MAX_CONCURRENT_WRITES: usize = 16;

impl Publisher {
    /// Answers a repeated request like the first one, after completing what the first request left undone.
    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    pub(super) async fn complete(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        new: Vec<Numbered>,
        steps: RequestSteps,
        events: u32,
        claim: &Claim<'_>,
        earlier: &EarlierClaim,
    ) -> Result<Accepted, ServiceError> {
        let began_at = earlier.event.created_at();
        let first_has_ended = earlier.ended || self.has_ended(began_at);
        // This includes events that would be rejected now: the first request may have accepted them, and listed
        // their deliveries with the others.
        let possible: Vec<_> = (0..events).map(|index| earlier.event.nth(index)).collect();
        let stored = self.store.events_by_id(current.organization(), &possible).await?;
        let ids: Vec<_> = new.iter().map(|(index, _)| earlier.event.nth(*index)).collect();
        // An event that is not stored may have been refused by the catalogue or for its external id. An accepted one is not
        // validated again. The claims of this request's own events are found and renewed.
        let is_missing = |(index, _): &Numbered| !stored.iter().any(|event| event.id == earlier.event.nth(*index));
        let missing: Vec<_> = new.into_iter().filter(is_missing).collect();
        let Validated { accepted, refused } =
            self.validated_again(current, by, missing, !stored.is_empty(), first_has_ended, claim, earlier).await?;
        let mut missing = accepted;
        let duplicates = self.claim_external_ids(current.organization(), earlier.event, &mut missing).await?;
        // What the first request has begun is completed, even if there are more endpoints now.
        let most = if stored.is_empty() { MAX_DELIVERIES } else { usize::MAX };
        let (stored, refused_now): (Vec<_>, Vec<_>) = stored.into_iter().partition(|event| ids.contains(&event.id));
        let completed = if missing.is_empty() {
            Vec::new()
        } else if first_has_ended {
            self.limiter.admit_in_month(current.organization(), current.limits(), missing.len()).await?;
            let planned = self.plan_new(current, by, missing, earlier.event, steps, most).await?;
            self.complete_events(planned).await?
        } else {
            return Err(unfinished());
        };
        let published = in_order(&ids, stored.into_iter().map(as_first_published).chain(completed).collect());
        let refused_now: Vec<_> = refused_now.into_iter().map(as_first_published).collect();
        // What is missing of an event whose data was removed is not sent any more.
        let all = published.iter().chain(&refused_now).filter(|published| published.event.expunged_at.is_none());
        let all: Vec<_> = all.collect();
        self.complete_deliveries(&all, began_at, first_has_ended).await?;
        Ok(Accepted { published, duplicates, refused })
    }

    /// Validates the events of an earlier request that are not stored. Those that it recorded as refused stay refused. The
    /// others are validated only if it has ended: until then it may have accepted them, and may store them yet. Those that are
    /// refused now are recorded as well, unless the request has no accepted event.
    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    async fn validated_again(
        &self,
        current: &CurrentState,
        by: Option<KeyId>,
        missing: Vec<Numbered>,
        is_stored: bool,
        first_has_ended: bool,
        claim: &Claim<'_>,
        earlier: &EarlierClaim,
    ) -> Result<Validated, ServiceError> {
        let was_refused = |(index, _): &Numbered| earlier.refused.contains(index);
        let (before, open): (Vec<_>, Vec<_>) = missing.into_iter().partition(was_refused);
        let validated_now = before.len() + if first_has_ended { open.len() } else { 0 };
        self.limiter.admit(current, validated_now).await?;
        // This finds the reasons, which the claim does not have.
        let before = self.event_types.validate(before, by.is_none()).await?;
        let valid_now = before.accepted.iter().map(|(index, _)| (*index, Refusal::of_earlier_request()));
        let mut refused: Vec<_> = before.refused.into_iter().chain(valid_now).collect();
        if !first_has_ended {
            refused.sort_by_key(|(index, _)| *index);
            return Ok(Validated { accepted: open, refused });
        }
        let Validated { accepted, refused: refused_now } = self.event_types.validate(open, by.is_none()).await?;
        let is_new = !refused_now.is_empty();
        refused.extend(refused_now);
        refused.sort_by_key(|(index, _)| *index);
        if is_new && (is_stored || !accepted.is_empty()) {
            let positions: Vec<_> = refused.iter().map(|(index, _)| *index).collect();
            match self.store.record_refused(claim, earlier.event, &positions).await {
                // The first request withdrew its claim, as all its events were refused.
                Err(StoreError::Conflict) => return Err(unfinished()),
                recorded => recorded?,
            }
        }
        Ok(Validated { accepted, refused })
    }

    /// Whether a publish request that began at this time must have ended.
    fn has_ended(&self, began_at: Timestamp) -> bool {
        let is_of_earlier_process = self.deployment.only_process_since.is_some_and(|since| began_at < since);
        is_of_earlier_process || self.clock.now().since(began_at) >= PUBLISHING_ENDS
    }

    /// Writes the missing events, planned for the current endpoints. No item names deliveries of these events.
    async fn complete_events(&self, planned: Planned) -> Result<Vec<Published>, ServiceError> {
        let (planned, _) = self.ready(planned)?;
        let writes = planned.iter().map(|published| self.store.put_event_if_absent(&published.event));
        try_join_all(writes).await.map_err(|error| match error {
            // Another repetition wrote the event first.
            StoreError::Conflict => unfinished(),
            other => other.into(),
        })?;
        Ok(planned)
    }

    /// Ensures that each delivery is queued or in the index. A delivery that is neither recorded nor listed was not
    /// sent, because messages are sent after that write: it is listed and sent now. A delivery that is listed and
    /// not recorded may have been sent: it is leased to the first request until that must have ended. A message of
    /// the first request owns the delivery. If there is none, the sweep sends one.
    async fn complete_deliveries(
        &self,
        published: &[&Published],
        began_at: Timestamp,
        first_has_ended: bool,
    ) -> Result<(), ServiceError> {
        let deliveries: Vec<_> = published.iter().flat_map(|it| it.deliveries.iter().cloned()).collect();
        let stored = self.store.stored_deliveries(&deliveries).await?;
        let missing: Vec<_> = deliveries.iter().filter(|delivery| !stored.contains_key(&delivery.id)).collect();
        if !missing.is_empty() && !first_has_ended {
            return Err(unfinished());
        }
        let (held, queued): (Vec<_>, Vec<_>) = missing.into_iter().cloned().partition(|it| it.mark.is_some());
        let lists = PendingList::of(&deliveries).into_iter().filter(|list| list.contains_any(&queued));
        let lists: Vec<_> = lists.collect();
        let listed_here = join_all(lists.iter().map(|list| self.store.put_list_if_absent(list))).await;
        let mut sendable = HashSet::new();
        for (list, written) in lists.iter().zip(listed_here) {
            match written {
                Ok(()) => sendable.extend(list.deliveries.iter().copied()),
                // Another repetition lists and sends these deliveries, unless its process ends. They are leased
                // below.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let sends = |delivery: &Delivery| !stored.contains_key(&delivery.id) && sendable.contains(&delivery.id);
        // The lease is long enough for another repetition that listed the deliveries to send them.
        let from = if first_has_ended { self.clock.now() } else { began_at };
        let until = from.plus(PUBLISHING_ENDS);
        let is_unsent = |delivery: &&Delivery| match stored.get(&delivery.id) {
            Some(is_recorded) => !is_recorded,
            None => delivery.mark.is_none() && !sendable.contains(&delivery.id),
        };
        let unsent = deliveries.iter().filter(is_unsent).map(|delivery| delivery.clone().leased_to_publisher(until));
        self.record_missing(held.into_iter().chain(unsent).collect()).await?;
        // The endpoints of a stored event are not read, so its messages have the default route.
        let unknown = FanOut::default();
        Ok(self.queue.send(messages_of(published, &unknown, sends)).await?)
    }

    /// Writes the records of marked deliveries that have none.
    async fn record_missing(&self, marked: Vec<Delivery>) -> Result<(), ServiceError> {
        let writes: Vec<_> = marked.iter().map(|delivery| self.store.move_delivery(None, delivery)).collect();
        let mut writes = stream::iter(writes).buffer_unordered(MAX_CONCURRENT_WRITES);
        while let Some(written) = writes.next().await {
            match written {
                // A consumer wrote the record first.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn unfinished() -> ServiceError {
    ServiceError::Unavailable("the first request with this key may still be in progress".to_owned())
}

/// The events in the order of `ids`.
fn in_order(ids: &[EventId], mut published: Vec<Published>) -> Vec<Published> {
    published.sort_by_key(|it| ids.iter().position(|id| *id == it.event.id));
    published
}
