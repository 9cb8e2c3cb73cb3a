//! Requests with an idempotency key that are repeated: the answer to the first one is given again.

use std::time::Duration;

use super::Administrator;
use crate::clock;
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::store::{RequestDigest, StoredAnswer};

/// How often a request that is under way is looked for. All tries together take about 5 s.
const LOOKS: u32 = 9;
/// After how long a request without an answer has ended: the longest time that a function runs.
const HAS_ENDED: Duration = Duration::from_secs(30);

/// Whether a request is the first with its digest.
#[derive(Debug)]
pub enum Begun {
    /// It is the first, or the first of those that were not completed began at this time.
    First(Timestamp),
    /// The answer to an earlier one.
    Answered(StoredAnswer),
}

impl Administrator {
    /// Begins a request, or waits for the answer to an earlier one.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] if the earlier one is still under way after about 5 s.
    pub async fn begin_answer(&self, request: &RequestDigest) -> Result<Begun, ServiceError> {
        // The time is stored to the millisecond.
        let now = self.clock.now().to_millis();
        let mut found = self.store.begin_answer(request, None, now).await?;
        for looks in 0..LOOKS {
            match found {
                None => return Ok(Begun::First(now)),
                Some(earlier) => match earlier.answer {
                    Some(answer) => return Ok(Begun::Answered(answer)),
                    None if now.since(earlier.began_at) >= HAS_ENDED => {
                        found = self.store.begin_answer(request, Some(&earlier), now).await?;
                        if found.is_none() {
                            return Ok(Begun::First(earlier.first_at));
                        }
                        continue;
                    }
                    None => {}
                },
            }
            clock::back_off(looks + 1).await;
            found = match self.store.earlier_request(request).await? {
                // It was withdrawn.
                None => self.store.begin_answer(request, None, now).await?,
                earlier => earlier,
            };
        }
        Err(ServiceError::Unavailable("another request with this idempotency key is under way".to_owned()))
    }

    /// Stores the answer to a request for its repetitions, or that it has ended without one. `first_at` is the time of
    /// [`Begun::First`].
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be stored.
    pub async fn end_answer(
        &self,
        request: &RequestDigest,
        first_at: Timestamp,
        answer: Option<StoredAnswer>,
    ) -> Result<(), ServiceError> {
        Ok(self.store.put_answer(request, first_at, answer).await?)
    }

    /// Forgets the first request, so that a repetition is treated as the first.
    ///
    /// # Errors
    /// [`ServiceError`] if it could not be forgotten.
    pub async fn withdraw_answer(&self, request: &RequestDigest) -> Result<(), ServiceError> {
        Ok(self.store.withdraw_answer(request).await?)
    }
}
