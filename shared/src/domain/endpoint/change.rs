//! Changes of endpoints that their owners or the service make.

use std::sync::Arc;

use super::client_settings::ClientSettingsPatch;
use super::destination::Destination;
use super::filter::Filter;
use super::headers::Headers;
use super::secrets::Secrets;
use super::subscription::Subscription;
use super::timeout::TimeoutSeconds;
use super::{DisabledReason, Endpoint, EndpointStatus, WantedStatus};
use crate::domain::delivery::schedule::RetrySchedule;
use crate::domain::event::channel::Channels;
use crate::domain::external_id::ExternalId;
use crate::domain::metadata::Metadata;
use crate::domain::signing::key::{SigningKey, SigningKeyId};
use crate::domain::signing::secret::SigningSecret;
use crate::domain::text::{Description, EditionId, Name};
use crate::domain::time::Timestamp;

/// A change of an endpoint. Absent fields stay as they are.
#[derive(Debug, Clone, Default)]
pub struct EndpointPatch {
    /// The new name.
    pub name: Option<Name>,
    /// The new external id, or none.
    pub external_id: Option<Option<ExternalId>>,
    /// The new description, or none.
    pub description: Option<Option<Description>>,
    /// The new metadata.
    pub metadata: Option<Metadata>,
    /// The new URL or ARN.
    pub destination: Option<Destination>,
    /// The new subscriptions.
    pub subscriptions: Option<Vec<Subscription>>,
    /// The new headers.
    pub headers: Option<Headers>,
    /// The new timeout.
    pub timeout: Option<TimeoutSeconds>,
    /// The new edition, or none.
    pub edition: Option<Option<EditionId>>,
    /// The new channels.
    pub channels: Option<Channels>,
    /// The new filter, or none.
    pub filter: Option<Option<Arc<Filter>>>,
    /// The new retry schedule, or the deployment's.
    pub retry_schedule: Option<Option<RetrySchedule>>,
    /// The change of what clients of the `svix` dialect keep.
    pub client: ClientSettingsPatch,
    /// A secret that the caller supplies. It replaces all former secrets immediately.
    pub secret: Option<SigningSecret>,
    /// The new status.
    pub status: Option<WantedStatus>,
}

fn replace<T>(value: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *value = new;
    }
}

impl Endpoint {
    /// Returns the endpoint after a change by its owner. `key` identifies the secret of the patch, if there is one.
    #[must_use]
    pub fn patched(mut self, patch: EndpointPatch, now: Timestamp, key: SigningKeyId) -> Self {
        let settings = &mut self.settings;
        let moved = patch.destination.as_ref().is_some_and(|new| *new != settings.destination);
        replace(&mut settings.name, patch.name);
        replace(&mut settings.external_id, patch.external_id);
        replace(&mut settings.description, patch.description);
        replace(&mut settings.metadata, patch.metadata);
        replace(&mut settings.destination, patch.destination);
        replace(&mut settings.subscriptions, patch.subscriptions);
        replace(&mut settings.headers, patch.headers);
        replace(&mut settings.timeout, patch.timeout);
        replace(&mut settings.edition, patch.edition);
        replace(&mut settings.channels, patch.channels);
        replace(&mut settings.filter, patch.filter);
        replace(&mut settings.retry_schedule, patch.retry_schedule);
        settings.client = settings.client.patched(patch.client);
        replace(&mut self.secrets, patch.secret.map(|secret| Secrets::only(SigningKey::new(key, secret))));
        if moved && self.circuit_breaker.suspension.is_some() {
            // The suspension applied to the former destination.
            self.circuit_breaker = self.circuit_breaker.unsuspended();
        }
        if let Some(wanted) = patch.status {
            self.take_status(wanted, DisabledReason::Owner, now);
        }
        self.updated_at = now;
        self
    }

    /// Returns the endpoint after it was disabled, by the engine or by its owner.
    #[must_use]
    pub fn disabled(mut self, reason: DisabledReason, now: Timestamp) -> Self {
        self.take_status(WantedStatus::Disabled, reason, now);
        self.updated_at = now;
        self
    }

    pub(super) fn take_status(&mut self, wanted: WantedStatus, reason: DisabledReason, now: Timestamp) {
        use EndpointStatus::{Active, Disabled, Paused};
        let suspended = self.circuit_breaker.suspension.is_some();
        self.status = match (wanted, self.status) {
            // The owner ends the suspension.
            (WantedStatus::Active, Active) if suspended => Active,
            (WantedStatus::Active, Active)
            | (WantedStatus::Paused, Paused { .. })
            | (WantedStatus::Disabled, Disabled { .. })
            | (WantedStatus::Enabled, Active | Paused { .. }) => return,
            (WantedStatus::Paused, _) => Paused { at: now },
            (WantedStatus::Active | WantedStatus::Enabled, _) => Active,
            (WantedStatus::Disabled, _) => Disabled { reason: Some(reason) },
        };
        self.circuit_breaker = self.circuit_breaker.unsuspended();
    }
}
