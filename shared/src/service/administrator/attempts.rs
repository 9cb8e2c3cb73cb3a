//! Lists of attempts: of a delivery, of an event, and of an endpoint.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use super::Administrator;
use super::deliveries::Found;
use super::lists::{bad_cursor, examine};
use crate::domain::delivery::Delivery;
use crate::domain::delivery::attempt::AttemptEntry;
use crate::domain::delivery::outcome::WITHOUT_ITEM;
use crate::domain::delivery::recorded::{AttemptFilter, RecordedAttempt};
use crate::domain::delivery::trigger::Trigger;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::payload::Payload;
use crate::domain::ids::{AttemptId, DeliveryId, EndpointId, EventId, OrganizationId};
use crate::domain::tenancy::rights::{Binding, MAX_BOUND_ENDPOINTS};
use crate::domain::time::Timestamp;
use crate::domain::walk::{Walk, Walked};
use crate::service::ServiceError;
use crate::store::{Examined, Order};

/// Most items of attempts that are read for one page of a delivery's or event's attempts.
const MOST_READ: usize = 200;
/// How many items of attempts are read at the same time.
const ITEMS_PER_READ: usize = 100;
/// How many deliveries of an event are read for one page. The attempts of an event with more are ordered by delivery.
const DELIVERIES_PER_PAGE: usize = 100;
// The positions in the list of an event with more are those of all its deliveries, which a bound key must not see.
const _: () = assert!(MAX_BOUND_ENDPOINTS <= DELIVERIES_PER_PAGE);

/// A page of a list of attempts, newest first.
#[derive(Debug)]
pub struct AttemptPage {
    /// The attempts of the page.
    pub items: Vec<RecordedAttempt>,
    /// The cursor of the next page, with older attempts; `None` if this is the last page.
    pub next: Option<String>,
    /// The cursor of the page before, with newer attempts; `None` only for an empty list.
    pub previous: Option<String>,
}

/// A delivery with everything that explains what happened to it.
#[derive(Debug)]
pub struct DeliveryHistory {
    /// The delivery.
    pub delivery: Delivery,
    /// The endpoint that it goes to.
    pub endpoint: Endpoint,
    /// The body of the requests, and its content type.
    pub payload: Payload,
    /// A page of its attempts.
    pub attempts: AttemptPage,
}

/// The text before the id of a cursor that walks back.
const PREVIOUS: &str = "before-";

fn parse_cursor(cursor: Option<&str>) -> Result<Walk<AttemptId>, ServiceError> {
    let Some(text) = cursor else { return Ok(Walk::First) };
    let (id, walk): (_, fn(AttemptId) -> Walk<AttemptId>) = match text.strip_prefix(PREVIOUS) {
        Some(id) => (id, Walk::Before),
        None => (text, Walk::After),
    };
    AttemptId::parse(id).map(walk).map_err(|_| bad_cursor())
}

impl Administrator {
    /// A page of an endpoint's attempts, newest first. First attempts within a minute of publishing have the position of
    /// their publishing.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id, [`ServiceError::Invalid`] if
    /// `cursor` is not a cursor of this list.
    pub async fn endpoint_attempts(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        filter: &AttemptFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AttemptPage, ServiceError> {
        let walk = parse_cursor(cursor)?;
        Ok(page(self.walk_endpoint_attempts(organization, endpoint, filter, walk, limit).await?, walk))
    }

    /// As [`Administrator::endpoint_attempts`], in the direction of `walk`. A page that is read backward is in the reverse
    /// order.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no endpoint with this id.
    pub async fn walk_endpoint_attempts(
        &self,
        organization: &OrganizationId,
        endpoint: EndpointId,
        filter: &AttemptFilter,
        walk: Walk<AttemptId>,
        limit: usize,
    ) -> Result<Walked<RecordedAttempt, AttemptId>, ServiceError> {
        self.endpoint(organization, endpoint).await?;
        let oldest = self.oldest_retained();
        let since = filter.since.map_or(oldest, |since| since.minus(WITHOUT_ITEM).max(oldest));
        let (mut from, mut before) = (
            AttemptId::first_at(since),
            filter.until.map(|until| AttemptId::first_at(until.plus(Duration::from_millis(1)))),
        );
        let (order, start) = match walk {
            Walk::First => (Order::NewestFirst, None),
            Walk::After(id) => {
                before = Some(before.map_or(id, |before| before.min(id)));
                (Order::NewestFirst, Some(id))
            }
            Walk::Before(id) => {
                from = from.max(id.next());
                (Order::OldestFirst, Some(id))
            }
        };
        let is_wanted =
            |attempt: &RecordedAttempt| filter.admits(attempt) && !self.is_expired(attempt.delivery.created_at());
        let admits = |examined: &Examined| examined.attempt.as_ref().is_some_and(is_wanted);
        let list = self.store.attempts(endpoint, from, before, order, limit + 1);
        let Walked { items, further } =
            examine(list, limit, start, |examined| examined.id, admits).await?.into_walked();
        Ok(Walked { items: items.into_iter().filter_map(|examined| examined.attempt).collect(), further })
    }

    /// A page of a delivery's attempts, newest first.
    ///
    /// # Errors
    /// As [`Administrator::delivery`], and [`ServiceError::Invalid`] if `cursor` is not a cursor of this list.
    pub async fn delivery_attempts(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: DeliveryId,
        filter: &AttemptFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AttemptPage, ServiceError> {
        let walk = parse_cursor(cursor)?;
        let Found { record, pending, .. } = self.find_delivery(organization, binding, id).await?;
        let listed = self.attempts_of(vec![record.unwrap_or(pending)]).await?;
        Ok(page(self.read_attempts(listed, filter, walk, limit, Reverse).await?, walk))
    }

    /// A delivery with its payload, its endpoint and a page of its attempts, read at once.
    ///
    /// # Errors
    /// As [`Administrator::delivery_attempts`].
    pub async fn delivery_history(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: DeliveryId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<DeliveryHistory, ServiceError> {
        let walk = parse_cursor(cursor)?;
        let Found { event, record, pending, endpoint } = self.find_delivery(organization, binding, id).await?;
        let stored = record.unwrap_or(pending);
        let delivery = self.seen_in(organization).await?.delivery(stored.clone(), &endpoint);
        let listed = self.attempts_of(vec![stored]).await?;
        let walked = self.read_attempts(listed, &AttemptFilter::default(), walk, limit, Reverse).await?;
        Ok(DeliveryHistory { delivery, endpoint, payload: event.payload, attempts: page(walked, walk) })
    }

    /// One attempt of a delivery, also one that is too old for the delivery's list.
    ///
    /// # Errors
    /// As [`Administrator::delivery`], and [`ServiceError::NotFound`] if the delivery has no attempt with this id.
    pub async fn delivery_attempt(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        delivery: DeliveryId,
        id: AttemptId,
    ) -> Result<RecordedAttempt, ServiceError> {
        let Found { record, pending, .. } = self.find_delivery(organization, binding, delivery).await?;
        self.attempt_of(record.unwrap_or(pending), id).await
    }

    /// An attempt of this delivery.
    pub(super) async fn attempt_of(&self, stored: Delivery, id: AttemptId) -> Result<RecordedAttempt, ServiceError> {
        let (endpoint, delivery) = (stored.endpoint, stored.id);
        let mut listed = self.attempts_of(vec![stored]).await?;
        listed.retain(|attempt| attempt.id == id);
        let listed = self.read_attempts(listed, &AttemptFilter::default(), Walk::First, 1, Reverse).await?;
        if let Some(found) = listed.items.into_iter().next() {
            return Ok(found);
        }
        // The item of an attempt stays when the log or the list of resends drops it.
        let older = self.store.attempts_by_id(&[(endpoint, id)]).await?.remove(&id);
        older.filter(|attempt| attempt.delivery == delivery).ok_or(ServiceError::NotFound("attempt"))
    }

    /// A page of the attempts of an event's deliveries to endpoints of the binding. Those of up to 100 deliveries are listed newest first. Those of more
    /// are listed by delivery, in the order of the fan-out, and newest first for each delivery. Attempts at deleted endpoints
    /// are left out.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if the organization has no event with this id, or none with a delivery to an endpoint of
    /// the binding, [`ServiceError::Invalid`] if `cursor` is not a cursor of this list.
    pub async fn event_attempts(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: EventId,
        filter: &AttemptFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AttemptPage, ServiceError> {
        let walk = parse_cursor(cursor)?;
        Ok(page(self.walk_event_attempts(organization, binding, id, None, filter, walk, limit).await?, walk))
    }

    /// As [`Administrator::event_attempts`], in the direction of `walk`, and only those of the delivery to `endpoint` if it is
    /// given. A page that is read backward is in the reverse order.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] as [`Administrator::event_attempts`].
    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    pub async fn walk_event_attempts(
        &self,
        organization: &OrganizationId,
        binding: &Binding,
        id: EventId,
        endpoint: Option<EndpointId>,
        filter: &AttemptFilter,
        walk: Walk<AttemptId>,
        limit: usize,
    ) -> Result<Walked<RecordedAttempt, AttemptId>, ServiceError> {
        let event = self.store.event(organization, id).await?.filter(|_| !self.is_expired(id.created_at()));
        let event = event.ok_or(ServiceError::NotFound("event"))?;
        let mut deliveries: Vec<_> = event.deliveries().filter(|it| binding.includes(it.endpoint)).collect();
        deliveries.retain(|it| endpoint.is_none_or(|endpoint| it.endpoint == endpoint));
        if deliveries.len() <= DELIVERIES_PER_PAGE {
            let existing = self.existing(organization, deliveries).await?;
            if binding.is_bound() && existing.is_empty() {
                return Err(ServiceError::NotFound("event"));
            }
            let listed = self.attempts_of(existing).await?;
            return self.read_attempts(listed, filter, walk, limit, Reverse).await;
        }
        // A page reads the deliveries from that of the cursor on, in the direction of the page.
        let ordinal = |id: AttemptId| id.index().unwrap_or_default();
        let last = match walk {
            Walk::First => deliveries.len().min(DELIVERIES_PER_PAGE),
            Walk::After(id) => deliveries.len().min(ordinal(id) + DELIVERIES_PER_PAGE),
            Walk::Before(id) => deliveries.len().min(ordinal(id) + 1),
        };
        let (is_first, is_last) = (last <= DELIVERIES_PER_PAGE, last == deliveries.len());
        let window: Vec<_> = deliveries.drain(last.saturating_sub(DELIVERIES_PER_PAGE)..last).collect();
        let ends = window.first().zip(window.last()).map(|(first, last)| (first.id, last.id));
        let listed = self.attempts_of(self.existing(organization, window).await?).await?;
        let position = |id: AttemptId| (ordinal(id), Reverse(id));
        let mut walked = self.read_attempts(listed, filter, walk, limit, position).await?;
        // The page goes on at the other deliveries.
        if let (None, Some((first, last))) = (walked.further, ends) {
            walked.further = match walk {
                Walk::Before(_) => (!is_first).then(|| AttemptId::largest_of(first)),
                Walk::First | Walk::After(_) => (!is_last).then(|| AttemptId::smallest_of(last)),
            };
        }
        Ok(walked)
    }

    /// Reads the responses to the last attempts of these deliveries that are in items of their own.
    pub(super) async fn add_last_responses(&self, deliveries: &mut [Delivery]) -> Result<(), ServiceError> {
        let last = |delivery: &Delivery| {
            let last = delivery.log.last().filter(|last| last.has_item)?;
            last.response_status.map(|_| last.id(delivery.id))
        };
        let wanted: Vec<_> = deliveries.iter().filter_map(|it| Some((it.endpoint, last(it)?))).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut found = self.store.attempts_by_id(&wanted).await?;
        for delivery in deliveries {
            delivery.last_response = last(delivery).and_then(|id| found.remove(&id)?.response);
        }
        Ok(())
    }

    /// The current state of these deliveries of an event, which are given in their initial state, without those of deleted
    /// endpoints.
    async fn existing(
        &self,
        organization: &OrganizationId,
        initial: Vec<Delivery>,
    ) -> Result<Vec<Delivery>, ServiceError> {
        let ids: Vec<_> = initial.iter().map(|delivery| (delivery.endpoint, delivery.id)).collect();
        let mut endpoints: Vec<_> = initial.iter().map(|delivery| delivery.endpoint).collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        let (records, endpoints) = tokio::try_join!(
            self.store.listed_deliveries(&ids),
            self.store.endpoints_by_id(organization, &endpoints),
        )?;
        let mut records: HashMap<_, _> = records.into_iter().map(|record| (record.id, record)).collect();
        let exists = |id: EndpointId| endpoints.iter().any(|endpoint| endpoint.id == id);
        let existing = initial.into_iter().filter(|delivery| exists(delivery.endpoint));
        Ok(existing.map(|initial| records.remove(&initial.id).unwrap_or(initial)).collect())
    }

    /// The attempts of these deliveries as far as their records have them, resends included. Of a resend only the time is
    /// known, unless it made its delivery successful.
    async fn attempts_of(&self, deliveries: Vec<Delivery>) -> Result<Vec<RecordedAttempt>, ServiceError> {
        let ids: Vec<_> = deliveries.iter().map(|delivery| (delivery.endpoint, delivery.id)).collect();
        let resends = self.store.resends(&ids).await?;
        let mut all = Vec::new();
        for delivery in &deliveries {
            let logged = delivery.log.iter().map(|entry| RecordedAttempt::new(delivery, entry.clone()));
            let known = all.len();
            all.extend(logged);
            for started_at in resends.get(&delivery.id).into_iter().flatten() {
                let resend = RecordedAttempt::new(delivery, unknown_resend(*started_at));
                if all[known..].iter().all(|attempt| attempt.id != resend.id) {
                    all.push(resend);
                }
            }
        }
        Ok(all)
    }

    /// Reads the items of the attempts that a page shows. `position` gives the order of the list. Returns also the attempt
    /// after which the list goes on, if it does. A resend whose item does not exist is left out.
    async fn read_attempts<Position: Ord>(
        &self,
        mut listed: Vec<RecordedAttempt>,
        filter: &AttemptFilter,
        walk: Walk<AttemptId>,
        limit: usize,
        position: impl Fn(AttemptId) -> Position,
    ) -> Result<Walked<RecordedAttempt, AttemptId>, ServiceError> {
        listed.retain(|attempt| {
            let is_on_page = match walk {
                Walk::First => true,
                Walk::After(id) => position(id) < position(attempt.id),
                Walk::Before(id) => position(attempt.id) < position(id),
            };
            let may_be_admitted = match is_unknown(&attempt.entry) {
                true => filter.may_admit_resend(attempt),
                false => filter.admits(attempt),
            };
            is_on_page && may_be_admitted
        });
        listed.sort_by_key(|attempt| position(attempt.id));
        if walk.is_backward() {
            listed.reverse();
        }
        let (mut shown, mut read, mut last) = (Vec::<RecordedAttempt>::new(), 0, None);
        for chunk in listed.chunks(ITEMS_PER_READ.min(limit + 1)) {
            if read >= MOST_READ {
                return Ok(Walked { items: shown, further: last });
            }
            let with_items = chunk.iter().filter(|attempt| attempt.entry.has_item);
            let wanted: Vec<_> = with_items.map(|attempt| (attempt.endpoint, attempt.id)).collect();
            read += wanted.len();
            let mut found = if wanted.is_empty() { HashMap::new() } else { self.store.attempts_by_id(&wanted).await? };
            for attempt in chunk {
                let complete = match found.remove(&attempt.id) {
                    Some(item) => Some(item).filter(|it| filter.admits(it)),
                    None => Some(attempt.clone()).filter(|attempt| !is_unknown(&attempt.entry)),
                };
                if let Some(complete) = complete {
                    if shown.len() == limit {
                        return Ok(Walked { items: shown, further: last });
                    }
                    shown.push(complete);
                }
                last = Some(attempt.id);
            }
        }
        Ok(Walked { items: shown, further: None })
    }
}

/// A resend whose result is in its item only.
const fn unknown_resend(started_at: Timestamp) -> AttemptEntry {
    AttemptEntry { number: None, trigger: Trigger::Resend, has_item: true, ..AttemptEntry::at(started_at) }
}

/// Whether this is an [`unknown_resend`]: every attempt has a response or an error.
const fn is_unknown(entry: &AttemptEntry) -> bool {
    entry.response_status.is_none() && entry.error.is_none()
}

/// The page of the canonical dialect.
fn page(Walked { mut items, further }: Walked<RecordedAttempt, AttemptId>, walk: Walk<AttemptId>) -> AttemptPage {
    if walk.is_backward() {
        items.reverse();
    }
    let (first, last) = (items.first().map(|it| it.id), items.last().map(|it| it.id));
    let (next, previous) = match walk {
        // There can be newer attempts later.
        Walk::Before(id) => (last.or(Some(id)), further.or(first).or(Some(id))),
        Walk::After(id) => (further, first.or(Some(id))),
        Walk::First => (further, first),
    };
    AttemptPage { items, next: next.map(|id| id.to_string()), previous: previous.map(|id| format!("{PREVIOUS}{id}")) }
}
