//! The `hooks` dialect: an organization's webhooks as bare objects with `events`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Problem;
use super::field::{Field, NamesTypes, Reader, narrow_subscriptions, wanted_status};
use super::openapi::{Millisecond, NarrowSubscriptions, StoredUrl, Subscriptions};
use super::redacted::Redacted;
use crate::domain::Invalid;
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::url::EndpointUrl;
use crate::domain::endpoint::{Endpoint, EndpointSettings, EndpointStatus, NewEndpoint, WantedStatus};
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::signing::key::NewSecret;
use crate::domain::signing::secret::SigningSecret;
use crate::domain::text::Name;

/// The body of `POST …/webhooks`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = hooks::NewWebhook)]
pub struct HookIn {
    #[schema(value_type = EndpointUrl, required)]
    url: Field<String>,
    #[schema(value_type = NarrowSubscriptions, required)]
    events: Field<Vec<String>>,
}

impl NamesTypes for HookIn {
    fn types(&self) -> &[String] {
        self.events.value().map_or(&[], Vec::as_slice)
    }
}

impl HookIn {
    /// Validates the fields. The name of the endpoint is the URL's host.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment) -> Result<NewEndpoint, Vec<Problem>> {
        let mut read = Reader::default();
        let named = |url: String| {
            let url = EndpointUrl::parse(&url, &deployment.urls)?;
            let name =
                Name::parse(url.host()).map_err(|_| Invalid::new("must have a host of at most 255 characters"))?;
            Ok((name, url))
        };
        let url = read.required("url", self.url, named);
        let subscriptions =
            read.required("events", self.events, |events| narrow_subscriptions(&events, &deployment.catalogue));
        let complete = url.zip(subscriptions).map(|((name, url), subscriptions)| NewEndpoint {
            settings: EndpointSettings::new(name, url, subscriptions),
            secret: NewSecret::default(),
            status: WantedStatus::Active,
        });
        read.finish(complete)
    }
}

/// The body of `PATCH …/webhooks/{id}`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = hooks::WebhookPatch)]
pub struct HookPatchIn {
    #[schema(value_type = EndpointUrl)]
    url: Field<String>,
    #[schema(value_type = NarrowSubscriptions)]
    events: Field<Vec<String>>,
    #[schema(value_type = EndpointStatus)]
    status: Field<String>,
}

impl NamesTypes for HookPatchIn {
    fn types(&self) -> &[String] {
        self.events.value().map_or(&[], Vec::as_slice)
    }
}

impl HookPatchIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment) -> Result<EndpointPatch, Vec<Problem>> {
        let mut read = Reader::default();
        let patch = EndpointPatch {
            destination: read
                .changed("url", self.url, |url| EndpointUrl::parse(&url, &deployment.urls))
                .map(Into::into),
            subscriptions: read
                .changed("events", self.events, |events| narrow_subscriptions(&events, &deployment.catalogue)),
            status: read.changed("status", self.status, wanted_status),
            ..EndpointPatch::default()
        };
        read.finish(Some(patch))
    }
}

/// A webhook. The response that created it contains its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = hooks::Webhook)]
pub struct HookOut {
    #[schema(value_type = EndpointId)]
    id: String,
    #[schema(value_type = OrganizationId)]
    organization_id: String,
    #[schema(value_type = StoredUrl)]
    url: Redacted<String>,
    #[schema(value_type = Subscriptions)]
    events: Vec<String>,
    #[schema(value_type = EndpointStatus)]
    status: &'static str,
    /// Only in the response that generated it.
    #[schema(value_type = SigningSecret)]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Redacted<String>>,
    #[schema(value_type = Millisecond)]
    created_at: String,
    #[schema(value_type = Millisecond)]
    updated_at: String,
}

impl HookOut {
    /// Adds the secret, which is shown only once.
    #[must_use]
    pub fn revealing(self, endpoint: &Endpoint) -> Self {
        Self { secret: endpoint.secrets.newest.secret.reveal().map(|secret| secret.to_owned().into()), ..self }
    }
}

impl From<&Endpoint> for HookOut {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id.to_string(),
            organization_id: endpoint.organization.to_string(),
            url: endpoint.settings.destination.as_str().into(),
            events: endpoint.settings.subscriptions.iter().map(Subscription::to_string).collect(),
            status: match endpoint.status {
                EndpointStatus::Active => "active",
                EndpointStatus::Paused { .. } => "paused",
                EndpointStatus::Disabled { .. } => "disabled",
            },
            secret: None,
            created_at: endpoint.created_at.rfc3339(),
            updated_at: endpoint.updated_at.rfc3339(),
        }
    }
}
