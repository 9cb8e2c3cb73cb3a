//! Endpoints of the `pages` dialect.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::change::EndpointPatch;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::timeout::TimeoutSeconds;
use crate::domain::endpoint::url::EndpointUrl;
use crate::domain::endpoint::{Endpoint, EndpointSettings, NewEndpoint, WantedStatus};
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::signing::key::NewSecret;
use crate::domain::signing::secret::SigningSecret;
use crate::domain::text::{EditionId, Name};
use crate::wire::error::Problem;
use crate::wire::field::{Field, NamesTypes, Reader, narrow_subscriptions};
use crate::wire::openapi::{Millisecond, NarrowSubscriptions, StoredUrl, Subscriptions};
use crate::wire::redacted::Redacted;

/// The body of `POST` and `PUT` of endpoints.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = pages::NewEndpoint)]
pub struct EndpointIn {
    /// The key's own organization; with a platform key, any organization.
    #[schema(value_type = Option<OrganizationId>)]
    organization_id: Field<String>,
    #[schema(value_type = Name, required)]
    name: Field<String>,
    #[schema(value_type = EndpointUrl, required)]
    url: Field<String>,
    #[schema(value_type = NarrowSubscriptions, required)]
    events: Field<Vec<String>>,
    #[schema(value_type = Option<EditionId>)]
    edition_id: Field<String>,
    /// False disables the endpoint.
    #[schema(value_type = Option<bool>, default = true)]
    is_active: Field<bool>,
    #[schema(value_type = Option<TimeoutSeconds>)]
    timeout_seconds: Field<i64>,
}

/// The body of `PATCH` of endpoints.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = pages::EndpointPatch)]
pub struct EndpointPatchIn {
    /// The endpoint's own organization. It cannot be changed.
    #[schema(value_type = OrganizationId)]
    organization_id: Field<String>,
    #[schema(value_type = Name)]
    name: Field<String>,
    #[schema(value_type = EndpointUrl)]
    url: Field<String>,
    #[schema(value_type = NarrowSubscriptions)]
    events: Field<Vec<String>>,
    #[schema(value_type = Option<EditionId>)]
    edition_id: Field<String>,
    /// False disables the endpoint. True enables it if it is disabled.
    #[schema(value_type = bool)]
    is_active: Field<bool>,
    #[schema(value_type = Option<TimeoutSeconds>)]
    timeout_seconds: Field<i64>,
}

/// A new endpoint, and the organization that the body names.
#[derive(Debug)]
pub struct Created {
    /// The organization that the body names; `None` for the key's own.
    pub organization: Option<OrganizationId>,
    /// The new endpoint.
    pub endpoint: NewEndpoint,
}

/// A change of an endpoint, and the organization that the body names, which must be the endpoint's own.
#[derive(Debug)]
pub struct Changed {
    /// The organization that the body names; `None` if it names none.
    pub organization: Option<OrganizationId>,
    /// The change.
    pub patch: EndpointPatch,
}

impl NamesTypes for EndpointIn {
    fn types(&self) -> &[String] {
        self.events.value().map_or(&[], Vec::as_slice)
    }
}

impl EndpointIn {
    /// Validates the fields of a new endpoint.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment) -> Result<Created, Vec<Problem>> {
        let mut read = Reader::default();
        let organization = read.optional("organization_id", self.organization_id, |id| OrganizationId::parse(&id));
        let name = read.required("name", self.name, |name| Name::parse(&name));
        let url = read.required("url", self.url, |url| EndpointUrl::parse(&url, &deployment.urls));
        let subscriptions =
            read.required("events", self.events, |events| narrow_subscriptions(&events, &deployment.catalogue));
        let edition = read.optional("edition_id", self.edition_id, |edition| EditionId::parse(&edition));
        let timeout = read.optional("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new).unwrap_or_default();
        let status = read.optional("is_active", self.is_active, wanted_status).unwrap_or(WantedStatus::Active);
        let complete = name.zip(url).zip(subscriptions).map(|((name, url), subscriptions)| Created {
            organization,
            endpoint: NewEndpoint {
                settings: EndpointSettings { timeout, edition, ..EndpointSettings::new(name, url, subscriptions) },
                secret: NewSecret::default(),
                status,
            },
        });
        read.finish(complete)
    }

    /// Validates the fields of `PUT`, which replaces all settings that this dialect shows.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse_replacement(self, deployment: &Deployment) -> Result<Changed, Vec<Problem>> {
        let Created { organization, endpoint: NewEndpoint { settings, status, .. } } = self.parse(deployment)?;
        let patch = EndpointPatch {
            name: Some(settings.name),
            destination: Some(settings.destination),
            subscriptions: Some(settings.subscriptions),
            timeout: Some(settings.timeout),
            edition: Some(settings.edition),
            // A paused endpoint counts as active, so a replacement does not resume it.
            status: Some(if status == WantedStatus::Active { WantedStatus::Enabled } else { status }),
            ..EndpointPatch::default()
        };
        Ok(Changed { organization, patch })
    }
}

impl NamesTypes for EndpointPatchIn {
    fn types(&self) -> &[String] {
        self.events.value().map_or(&[], Vec::as_slice)
    }
}

impl EndpointPatchIn {
    /// Validates the fields. `null` resets the edition and the timeout.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, deployment: &Deployment) -> Result<Changed, Vec<Problem>> {
        let mut read = Reader::default();
        let organization = read.changed("organization_id", self.organization_id, |id| OrganizationId::parse(&id));
        let patch = EndpointPatch {
            name: read.changed("name", self.name, |name| Name::parse(&name)),
            destination: read
                .changed("url", self.url, |url| EndpointUrl::parse(&url, &deployment.urls))
                .map(Into::into),
            subscriptions: read
                .changed("events", self.events, |events| narrow_subscriptions(&events, &deployment.catalogue)),
            timeout: read
                .cleared("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new)
                .map(Option::unwrap_or_default),
            edition: read.cleared("edition_id", self.edition_id, |edition| EditionId::parse(&edition)),
            status: read.changed("is_active", self.is_active, wanted_status),
            ..EndpointPatch::default()
        };
        read.finish(Some(Changed { organization, patch }))
    }
}

fn wanted_status(is_active: bool) -> Result<WantedStatus, Invalid> {
    Ok(if is_active { WantedStatus::Enabled } else { WantedStatus::Disabled })
}

/// An endpoint. Its secret is null except in the response that generated it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = pages::Endpoint)]
pub struct EndpointOut {
    #[schema(value_type = EndpointId)]
    id: String,
    #[schema(value_type = OrganizationId)]
    organization_id: String,
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = StoredUrl)]
    url: Redacted<String>,
    #[schema(value_type = Option<EditionId>, required)]
    edition_id: Option<String>,
    #[schema(value_type = Subscriptions)]
    events: Vec<String>,
    #[schema(value_type = Millisecond)]
    created: String,
    #[schema(value_type = Millisecond)]
    modified: String,
    /// False if the endpoint is disabled. A paused endpoint is active.
    is_active: bool,
    #[schema(value_type = TimeoutSeconds)]
    timeout_seconds: u8,
    /// Null, except in the response that generated it.
    #[schema(value_type = Option<SigningSecret>, required)]
    secret: Option<Redacted<String>>,
}

impl EndpointOut {
    /// Adds the secret, which is shown only once.
    #[must_use]
    pub fn revealing(self, endpoint: &Endpoint) -> Self {
        Self { secret: endpoint.secrets.newest.secret.reveal().map(|secret| secret.to_owned().into()), ..self }
    }
}

impl From<&Endpoint> for EndpointOut {
    fn from(endpoint: &Endpoint) -> Self {
        let settings = &endpoint.settings;
        Self {
            id: endpoint.id.to_string(),
            organization_id: endpoint.organization.to_string(),
            name: settings.name.to_string(),
            url: settings.destination.as_str().into(),
            edition_id: settings.edition.as_ref().map(EditionId::to_string),
            events: settings.subscriptions.iter().map(Subscription::to_string).collect(),
            created: endpoint.created_at.rfc3339(),
            modified: endpoint.updated_at.rfc3339(),
            is_active: is_active(endpoint),
            timeout_seconds: settings.timeout.get(),
            secret: None,
        }
    }
}

/// Whether the dialect shows the endpoint as active: a paused endpoint is.
pub(super) const fn is_active(endpoint: &Endpoint) -> bool {
    !endpoint.is_disabled()
}
