//! Limits of organizations: what a publish request is let through by.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use crate::clock::Clock;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::limits::{Admission, Bucket, Form, Limits, Rate};
use crate::domain::tenancy::usage::{Day, Days};
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::service::cache::Cache;
use crate::service::meter::Meter;
use crate::service::targets::CurrentState;
use crate::store::{Store, TokenWrite, Tokens};

/// How often tokens are asked for before a request counts as one too many. A form that fails names the one to try next; it
/// fails again only if other requests took tokens, or time passed, in between.
const TRIES: u32 = 5;
/// How long a process remembers what is left of an organization's tokens.
const BUCKET_CACHE: Duration = Duration::from_secs(60);
/// How long a process trusts what it read of an organization's month.
const MONTH_CACHE: Duration = Duration::from_secs(10 * 60);
/// When to come again if it is not known when there will be tokens.
const SOON: Duration = Duration::from_secs(1);

/// Lets requests through up to the limits of their organizations.
#[derive(Debug)]
pub(in crate::service) struct Limiter {
    store: Arc<Store>,
    clock: Clock,
    meter: Arc<Meter>,
    buckets: Cache<OrganizationId, LastTry>,
    months: Cache<OrganizationId, Month>,
}

/// What a process last saw of an organization's tokens.
#[derive(Debug, Clone, Copy)]
struct LastTry {
    bucket: Bucket,
    /// The form that fitted the bucket.
    form: Form,
}

/// Events of the month so far.
#[derive(Debug, Clone, Copy)]
struct Month {
    first: Day,
    events: u64,
    read_at: Timestamp,
}

impl Limiter {
    pub(in crate::service) fn new(store: Arc<Store>, clock: Clock, meter: Arc<Meter>) -> Self {
        Self { store, clock, meter, buckets: Cache::new(BUCKET_CACHE), months: Cache::new(MONTH_CACHE) }
    }

    /// Lets a request through that publishes so many events, and counts them towards the limits.
    ///
    /// # Errors
    /// [`ServiceError::RateLimited`] if a limit is reached. Nothing is counted then.
    pub(super) async fn admit(&self, current: &CurrentState, events: usize) -> Result<(), ServiceError> {
        let Limits { rate, events_per_month, .. } = *current.limits();
        let count = u32::try_from(events).unwrap_or(u32::MAX);
        if count == 0 {
            return Ok(());
        }
        let organization = current.organization();
        if let Some(most) = events_per_month {
            self.admit_in_month(organization, most, count).await?;
        }
        if let Some(rate) = rate {
            self.take_tokens(organization, rate, count).await?;
        }
        if events_per_month.is_some() {
            self.count_in_month(organization, count);
        }
        Ok(())
    }

    async fn take_tokens(&self, organization: &OrganizationId, rate: Rate, count: u32) -> Result<(), ServiceError> {
        let refused = |after| ServiceError::RateLimited { limit: "events_per_second", after };
        let buckets = &self.buckets;
        let now = self.clock.now();
        let last = buckets.get(organization, now);
        // Others can only have taken more from it since: what is too little in it is too little in the table.
        let mut form = match rate.take(last.map(|last| last.bucket), now.unix_micros(), count) {
            // By what this process knows. Near its rate the bucket is seldom full, since others take from it.
            Admission::Write(Form::Full) => last.map_or(Form::Full, |last| last.form),
            Admission::Write(Form::Partial) => Form::Partial,
            Admission::RetryAfter(micros) => return Err(refused(Duration::from_micros(micros))),
        };
        let tokens = Tokens::new(organization, rate, count);
        for _ in 0..TRIES {
            let now = self.clock.now();
            match self.store.take_tokens(&tokens, form, now).await {
                Ok(TokenWrite::Written(bucket)) => {
                    buckets.put(organization.clone(), LastTry { bucket, form }, now);
                    return Ok(());
                }
                Ok(TokenWrite::Found(found)) => match rate.take(found, now.unix_micros(), count) {
                    Admission::Write(other) => form = other,
                    Admission::RetryAfter(micros) => {
                        if let Some(bucket) = found {
                            buckets.put(organization.clone(), LastTry { bucket, form: Form::Partial }, now);
                        }
                        return Err(refused(Duration::from_micros(micros)));
                    }
                },
                Ok(TokenWrite::Throttled) => return Err(refused(SOON)),
                Err(error) => {
                    warn!(%organization, %error, "the rate was not looked at");
                    return Ok(());
                }
            }
        }
        Err(refused(SOON))
    }

    async fn admit_in_month(&self, organization: &OrganizationId, most: u64, count: u32) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let first = Day::of(now).first_of_month();
        let known = self.months.get(organization, now).filter(|month| month.first == first);
        let month = match known {
            Some(month) => month,
            None => match self.meter.usage(organization, Days::of_month(Day::of(now))).await {
                Ok(days) => {
                    let events = days.iter().map(|(_, usage)| usage.events).sum();
                    let month = Month { first, events, read_at: now };
                    self.months.put(organization.clone(), month, now);
                    month
                }
                Err(error) => {
                    error!(%organization, %error, "the month's usage was not read");
                    return Ok(());
                }
            },
        };
        if month.events.saturating_add(count.into()) <= most {
            return Ok(());
        }
        let after = first.first_of_next_month().start().since(now);
        Err(ServiceError::RateLimited { limit: "events_per_month", after })
    }

    /// Adds to what was read what this process publishes until it reads again.
    fn count_in_month(&self, organization: &OrganizationId, count: u32) {
        let now = self.clock.now();
        if let Some(month) = self.months.get(organization, now) {
            let events = month.events.saturating_add(count.into());
            self.months.put(organization.clone(), Month { events, ..month }, month.read_at);
        }
    }
}
