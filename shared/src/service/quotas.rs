//! Takes from the quotas of organizations.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::ServiceError;
use crate::clock::Clock;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::limits::{Admission, Form, Quota};
use crate::store::{Store, TokenWrite, Tokens};

/// How many writes are tried before an operation is refused. A failed condition returns the bucket, which determines the form
/// of the next write.
const MAX_WRITES: u32 = 5;
/// The wait of an operation that is refused because of concurrent writes to its bucket.
const CONTENTION: Duration = Duration::from_secs(1);

/// Limits operations by the quotas of their organizations.
#[derive(Debug)]
pub(super) struct Quotas {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
}

impl Quotas {
    /// Takes this much from a quota.
    ///
    /// # Errors
    /// [`ServiceError::RateLimited`] if less is left. Nothing is taken then.
    pub(super) async fn take(
        &self,
        organization: &OrganizationId,
        quota: Quota,
        count: u32,
    ) -> Result<(), ServiceError> {
        let refused = |after| ServiceError::RateLimited { limit: quota.as_str(), after };
        let tokens = Tokens::of_quota(organization, quota, count);
        let mut form = Form::Full;
        for _ in 0..MAX_WRITES {
            let now = self.clock.now();
            match self.store.take_tokens(&tokens, form, now).await? {
                TokenWrite::Written(_) => return Ok(()),
                TokenWrite::Found(found) => match quota.rate().take(found, now.unix_micros(), count) {
                    Admission::Write(other) => form = other,
                    Admission::RetryAfter(micros) => return Err(refused(Duration::from_micros(micros))),
                },
                TokenWrite::Throttled => return Err(refused(CONTENTION)),
            }
        }
        Err(refused(CONTENTION))
    }

    /// Returns what was taken from a quota and not used.
    pub(super) async fn give_back(&self, organization: &OrganizationId, quota: Quota, count: u32) {
        if count == 0 {
            return;
        }
        if let Err(error) = self.store.return_tokens(&Tokens::of_quota(organization, quota, count)).await {
            warn!(%organization, limit = quota.as_str(), %error, "a part of a quota is lost until it is full again");
        }
    }
}
