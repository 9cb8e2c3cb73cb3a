//! Removing the response to one attempt.

use super::Administrator;
use super::deliveries::Found;
use crate::clock;
use crate::domain::ids::{AttemptId, DeliveryId, OrganizationId};
use crate::domain::tenancy::rights::Binding;
use crate::service::{Caller, ServiceError};
use crate::store::StoreError;
use crate::telemetry::audit;

/// How often the removal is tried if other attempts are recorded first.
const TRIES: u32 = 5;

impl Administrator {
    /// Removes what is stored of the response to an attempt. The delivery goes on as it would have.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] if the caller is not an owner, otherwise as [`Administrator::delivery_attempt`], and [`ServiceError::Unavailable`] if other processes are changing the delivery.
    pub async fn expunge_attempt(
        &self,
        organization: &OrganizationId,
        by: &Caller,
        delivery: DeliveryId,
        id: AttemptId,
    ) -> Result<(), ServiceError> {
        require_owner(by)?;
        for tries in 0..TRIES {
            clock::back_off(tries).await;
            let Found { record, pending, .. } = self.find_delivery(organization, &Binding::default(), delivery).await?;
            let current = record.as_ref().unwrap_or(&pending);
            let attempt = self.attempt_of(current.clone(), id).await?;
            let removed = match (attempt.entry.has_item, current.without_first_response(self.clock.now())) {
                (true, _) => self.store.remove_response_of(&attempt).await,
                (false, Some(without)) => self.store.move_delivery(record.as_ref(), &without).await,
                (false, None) => Ok(()),
            };
            match removed {
                // Another attempt was recorded meanwhile.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => {
                    audit("attempt.expunge", organization, id);
                    return Ok(());
                }
            }
        }
        Err(ServiceError::Unavailable("other processes are changing the delivery".to_owned()))
    }
}

/// Removing what was sent or received takes the rights of an owner.
pub(super) fn require_owner(by: &Caller) -> Result<(), ServiceError> {
    let message = "only an owner or the platform may remove the data of events";
    if by.is_owner() { Ok(()) } else { Err(ServiceError::forbidden(message)) }
}
