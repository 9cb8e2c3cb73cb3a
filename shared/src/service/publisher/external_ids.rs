//! Claiming the external ids of events before the events are written.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::Publisher;
use crate::domain::event::NewEvent;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{EventId, OrganizationId};
use crate::service::{Published, ServiceError};
use crate::store::OtherClaim;

/// How many external ids a request claims at the same time.
const MAX_CONCURRENT_CLAIMS: usize = 16;
/// The age from which a claim without an event is replaced. Its request has ended by then.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// An event that is published, before or after it is planned.
pub(super) trait HasExternalId {
    fn external_id(&self) -> Option<&ExternalId>;
}

impl HasExternalId for NewEvent {
    fn external_id(&self) -> Option<&ExternalId> {
        self.external_id.as_ref()
    }
}

impl HasExternalId for Published {
    fn external_id(&self) -> Option<&ExternalId> {
        self.event.external_id.as_ref()
    }
}

/// An event of a request that was not published, because another one has its external id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The position of the event in the request.
    pub index: u32,
    /// The event that has the external id.
    pub first: EventId,
}

impl Duplicate {
    /// The reason of the refusal, for people.
    pub fn message(&self) -> String {
        format!("the external_id is taken by {}", self.first)
    }
}

impl Publisher {
    /// Claims the external ids of a request's events, whose ids follow `first`. Removes the events that must not be published,
    /// and returns them. Events without an external id cost nothing.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] if another request that claimed one of them may be in progress.
    pub(super) async fn claim_external_ids<T: HasExternalId>(
        &self,
        organization: &OrganizationId,
        first: EventId,
        events: &mut Vec<(u32, T)>,
    ) -> Result<Vec<Duplicate>, ServiceError> {
        // If several events of the request have the same one, the first of them claims it.
        let mut claims = HashMap::new();
        for (index, event) in &*events {
            if let Some(external_id) = event.external_id() {
                claims.entry(external_id.clone()).or_insert_with(|| first.nth(*index));
            }
        }
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let taken = self.claim_each(organization, &claims).await?;
        let duplicates = events.iter().filter_map(|(index, event)| {
            let external_id = event.external_id()?;
            let first_here = *claims.get(external_id)?;
            let other = taken.get(external_id).copied();
            let first = other.or_else(|| (first_here != first.nth(*index)).then_some(first_here))?;
            Some(Duplicate { index: *index, first })
        });
        let duplicates: Vec<_> = duplicates.collect();
        events.retain(|(index, _)| !duplicates.iter().any(|it| it.index == *index));
        Ok(duplicates)
    }

    /// Claims these external ids for their events. Returns those that other events have.
    async fn claim_each(
        &self,
        organization: &OrganizationId,
        claims: &HashMap<ExternalId, EventId>,
    ) -> Result<HashMap<ExternalId, EventId>, ServiceError> {
        let now = self.clock.now();
        let claim = |(external_id, event): (&ExternalId, &EventId), replaced: Option<OtherClaim>| {
            let (external_id, event) = (external_id.clone(), *event);
            async move {
                let claimed = self.store.claim_external_id(organization, &external_id, event, replaced, now).await?;
                Ok::<_, ServiceError>(claimed.map(|other| (external_id, other)))
            }
        };
        let all: Vec<_> = claims.iter().map(|it| claim(it, None)).collect();
        let others = stream::iter(all).buffer_unordered(MAX_CONCURRENT_CLAIMS).try_collect::<Vec<_>>().await?;
        let others: Vec<_> = others.into_iter().flatten().collect();
        if others.is_empty() {
            return Ok(HashMap::new());
        }
        let mut ids: Vec<_> = others.iter().map(|(_, other)| other.event).collect();
        ids.sort_unstable();
        ids.dedup();
        let existing = self.store.events_by_id(organization, &ids).await?;
        let mut taken = HashMap::new();
        for (external_id, other) in others {
            if existing.iter().any(|event| event.id == other.event) {
                taken.insert(external_id, other.event);
                continue;
            }
            let Some(own) = claims.get_key_value(&external_id).filter(|_| now.since(other.at) >= ABANDONED_AFTER)
            else {
                return Err(in_progress());
            };
            if claim(own, Some(other)).await?.is_some() {
                return Err(in_progress());
            }
        }
        Ok(taken)
    }
}

fn in_progress() -> ServiceError {
    ServiceError::Unavailable("another request with this external_id may still be in progress".to_owned())
}
