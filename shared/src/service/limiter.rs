//! Checks publish requests against the limits of their organization: the rate and the events per month.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use crate::clock::Clock;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::limits::{Admission, Bucket, EVENTS_PER_MONTH, Form, Limits, Rate};
use crate::domain::tenancy::usage::{Day, Days};
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::service::cache::Cache;
use crate::service::meter::Meter;
use crate::service::targets::CurrentState;
use crate::store::{Store, TokenWrite, Tokens};

/// How many writes are tried before a request is refused. A failed condition returns the bucket, which determines the
/// form of the next write. That one fails only if other requests took tokens, or time passed, in between.
const MAX_WRITES: u32 = 5;
/// How long a process caches the bucket of an organization.
const BUCKET_CACHE: Duration = Duration::from_secs(60);
/// How long a process caches an organization's number of events in the month.
const MONTH_CACHE: Duration = Duration::from_secs(10 * 60);
/// The `Retry-After` of a request that is refused because of concurrent writes to its bucket.
const RETRY_AFTER_CONTENTION: Duration = Duration::from_secs(1);

/// Admits publish requests up to the limits of their organizations.
#[derive(Debug)]
pub(super) struct Limiter {
    store: Arc<Store>,
    clock: Clock,
    meter: Arc<Meter>,
    buckets: Cache<OrganizationId, CachedBucket>,
    months: Cache<OrganizationId, Month>,
}

/// The bucket of an organization, as a process last wrote or found it.
#[derive(Debug, Clone, Copy)]
struct CachedBucket {
    bucket: Bucket,
    /// The form in which tokens were last taken from the bucket, or that its state requires.
    form: Form,
}

/// The number of events that an organization has published in a month.
#[derive(Debug, Clone, Copy)]
struct Month {
    first: Day,
    events: u64,
    read_at: Timestamp,
}

impl Limiter {
    pub(super) fn new(store: Arc<Store>, clock: Clock, meter: Arc<Meter>) -> Self {
        Self { store, clock, meter, buckets: Cache::new(BUCKET_CACHE), months: Cache::new(MONTH_CACHE) }
    }

    /// Checks a request with this number of events against the rate, before the events are validated. If the rate cannot be
    /// written for another reason than throttling, the request is admitted.
    ///
    /// # Errors
    /// [`ServiceError::RateLimited`] if the request would exceed the rate. Its events are not counted then.
    pub(super) async fn admit(&self, current: &CurrentState, events: usize) -> Result<(), ServiceError> {
        let count = u32::try_from(events).unwrap_or(u32::MAX);
        match current.limits().rate {
            Some(rate) if count > 0 => self.take_tokens(current.organization(), rate, count).await,
            _ => Ok(()),
        }
    }

    /// Checks a request that publishes this number of events against the limit of the month, and counts the events. If the
    /// usage cannot be read, the request is admitted.
    ///
    /// # Errors
    /// [`ServiceError::RateLimited`] if the request would exceed the limit. Its events are not counted then.
    pub(super) async fn admit_in_month(
        &self,
        organization: &OrganizationId,
        limits: &Limits,
        events: usize,
    ) -> Result<(), ServiceError> {
        let count = u32::try_from(events).unwrap_or(u32::MAX);
        let Some(limit) = limits.events_per_month.filter(|_| count > 0) else { return Ok(()) };
        self.check_month(organization, limit, count).await?;
        self.count_in_month(organization, count);
        Ok(())
    }

    async fn take_tokens(&self, organization: &OrganizationId, rate: Rate, count: u32) -> Result<(), ServiceError> {
        let refused = |after| ServiceError::RateLimited { limit: "events_per_second", after };
        let buckets = &self.buckets;
        let now = self.clock.now();
        let last = buckets.get(organization, now);
        // Other processes can only have taken more tokens since. So a request that the cached bucket refuses would also
        // be refused by the table, and needs no write.
        let mut form = match rate.take(last.map(|last| last.bucket), now.unix_micros(), count) {
            // The cached bucket has become full. An organization that publishes near its rate from several processes
            // seldom has a full bucket in the table, so the form of the last write is tried first.
            Admission::Write(Form::Full) => last.map_or(Form::Full, |last| last.form),
            Admission::Write(Form::Partial) => Form::Partial,
            Admission::RetryAfter(micros) => return Err(refused(Duration::from_micros(micros))),
        };
        let tokens = Tokens::new(organization, rate, count);
        for _ in 0..MAX_WRITES {
            let now = self.clock.now();
            match self.store.take_tokens(&tokens, form, now).await {
                Ok(TokenWrite::Written(bucket)) => {
                    buckets.put(organization.clone(), CachedBucket { bucket, form }, now);
                    return Ok(());
                }
                Ok(TokenWrite::Found(found)) => match rate.take(found, now.unix_micros(), count) {
                    Admission::Write(other) => form = other,
                    Admission::RetryAfter(micros) => {
                        if let Some(bucket) = found {
                            buckets.put(organization.clone(), CachedBucket { bucket, form: Form::Partial }, now);
                        }
                        return Err(refused(Duration::from_micros(micros)));
                    }
                },
                Ok(TokenWrite::Throttled) => return Err(refused(RETRY_AFTER_CONTENTION)),
                Err(error) => {
                    warn!(%organization, %error, "the rate could not be checked");
                    return Ok(());
                }
            }
        }
        Err(refused(RETRY_AFTER_CONTENTION))
    }

    async fn check_month(&self, organization: &OrganizationId, limit: u64, count: u32) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let first = Day::of(now).first_of_month();
        let cached = self.months.get(organization, now).filter(|month| month.first == first);
        let month = match cached {
            Some(month) => month,
            None => match self.meter.usage(organization, Days::of_month(Day::of(now))).await {
                Ok(days) => {
                    let events = days.iter().map(|(_, usage)| usage.events).sum();
                    let month = Month { first, events, read_at: now };
                    self.months.put(organization.clone(), month, now);
                    month
                }
                Err(error) => {
                    error!(%organization, %error, "the month's usage could not be read");
                    return Ok(());
                }
            },
        };
        if month.events.saturating_add(count.into()) <= limit {
            return Ok(());
        }
        let after = first.first_of_next_month().start().since(now);
        Err(ServiceError::RateLimited { limit: EVENTS_PER_MONTH, after })
    }

    /// Adds the events of a request to the cached number, which is otherwise not updated until it is read again.
    fn count_in_month(&self, organization: &OrganizationId, count: u32) {
        let now = self.clock.now();
        if let Some(month) = self.months.get(organization, now) {
            let events = month.events.saturating_add(count.into());
            self.months.put(organization.clone(), Month { events, ..month }, month.read_at);
        }
    }
}
