//! Portal sessions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::binding::{read_binding, show_binding};
use crate::domain::Invalid;
use crate::domain::ids::{EndpointId, OrganizationId, PortalSessionId};
use crate::domain::portal::origin::{PortalOrigin, ReturnUrl};
use crate::domain::portal::session::{
    NewPortalSession, PortalSession, PortalSessionStatus, ROLES, SessionSeconds, Theme,
};
use crate::domain::tenancy::access::Role;
use crate::domain::tenancy::rights::Binding;
use crate::domain::text::Name;
use crate::domain::time::Timestamp;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};
use crate::wire::openapi::{Millisecond, PortalRole, PortalUrl, object};
use crate::wire::redacted::Redacted;

/// The body of `POST …/portal-sessions`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewPortalSession)]
pub struct PortalSessionIn {
    #[schema(value_type = PortalRole, required)]
    role: Field<String>,
    #[schema(value_type = Option<SessionSeconds>)]
    expires_in: Field<i64>,
    /// The endpoints that the person may access; all others do not exist for that person. Such a session has none of the
    /// scopes `organization:write`, `keys:read`, `keys:write` and `events:publish`.
    #[schema(value_type = Option<Vec<EndpointId>>, min_items = 1, max_items = 100)]
    endpoints: Field<Vec<String>>,
    #[schema(value_type = Option<ReturnUrl>)]
    return_url: Field<String>,
    #[schema(value_type = Option<Theme>)]
    theme: Field<String>,
    /// Who the person is. Audit lines of what the person does have this name.
    #[schema(value_type = Option<Name>)]
    actor: Field<String>,
}

impl PortalSessionIn {
    /// Validates the fields. The link back must have one of these origins.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, origins: &[PortalOrigin]) -> Result<NewPortalSession, Vec<Problem>> {
        let mut read = Reader::default();
        let role = read.required("role", self.role, |text| {
            let names = ROLES.map(Role::as_str).join(", ");
            let role = ROLES.into_iter().find(|role| role.as_str() == text);
            role.ok_or_else(|| Invalid::new(format!("must be one of {names}")))
        });
        let binding = read_binding(&mut read, self.endpoints);
        let rest = OperatorSessionIn {
            expires_in: self.expires_in,
            return_url: self.return_url,
            theme: self.theme,
            actor: self.actor,
        };
        let rest = rest.read(&mut read, origins);
        read.finish(role.map(|role| NewPortalSession { role, binding: binding.unwrap_or_default(), ..rest }))
    }
}

/// The body of `POST /v1/portal-sessions`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewOperatorSession)]
pub struct OperatorSessionIn {
    #[schema(value_type = Option<SessionSeconds>)]
    expires_in: Field<i64>,
    #[schema(value_type = Option<ReturnUrl>)]
    return_url: Field<String>,
    #[schema(value_type = Option<Theme>)]
    theme: Field<String>,
    /// Who the operator is. Audit lines of what the operator does have this name.
    #[schema(value_type = Option<Name>)]
    actor: Field<String>,
}

impl OperatorSessionIn {
    /// Validates the fields. The link back must have one of these origins.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, origins: &[PortalOrigin]) -> Result<NewPortalSession, Vec<Problem>> {
        let mut read = Reader::default();
        let session = self.read(&mut read, origins);
        read.finish(Some(session))
    }

    fn read(self, read: &mut Reader, origins: &[PortalOrigin]) -> NewPortalSession {
        let theme = |text: String| {
            let names = Theme::ALL.map(Theme::as_str).join(", ");
            Theme::parse(&text).ok_or_else(|| Invalid::new(format!("must be one of {names}")))
        };
        NewPortalSession {
            role: Role::Owner,
            binding: Binding::default(),
            lifetime: read.optional("expires_in", self.expires_in, SessionSeconds::new).unwrap_or_default(),
            return_url: read.optional("return_url", self.return_url, |text| ReturnUrl::parse(&text, origins)),
            theme: read.optional("theme", self.theme, theme).unwrap_or_default(),
            actor: read.optional("actor", self.actor, |text| Name::parse(&text)),
        }
    }
}

/// A portal session. The response that created it contains its link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::PortalSession)]
pub struct PortalSessionOut {
    #[schema(schema_with = object::portal_session)]
    object: &'static str,
    #[schema(value_type = PortalSessionId)]
    id: String,
    /// Null for an operator's session, which is for all organizations.
    #[schema(value_type = Option<OrganizationId>, required)]
    organization_id: Option<String>,
    #[schema(value_type = PortalRole)]
    role: &'static str,
    /// The endpoints that the person may access; null for all.
    #[schema(value_type = Option<Vec<EndpointId>>, required)]
    endpoints: Option<Vec<String>>,
    #[schema(value_type = Option<Name>, required)]
    actor: Option<String>,
    #[schema(value_type = Option<ReturnUrl>, required)]
    return_url: Option<Redacted<String>>,
    #[schema(value_type = Theme)]
    theme: &'static str,
    #[schema(value_type = PortalSessionStatus)]
    status: &'static str,
    /// The id of the key that created the session, or `platform:` and a part of the platform key's hash.
    #[schema(examples("key_550e8400e29b41d4a716446655440000"))]
    created_by: String,
    #[schema(value_type = Millisecond)]
    created_at: String,
    #[schema(value_type = Millisecond)]
    expires_at: String,
    /// Until when the link works, if it was not used.
    #[schema(value_type = Millisecond)]
    url_expires_at: String,
    #[schema(value_type = Option<Millisecond>, required)]
    signed_in_at: Option<String>,
    #[schema(value_type = Option<Millisecond>, required)]
    revoked_at: Option<String>,
    /// The link; only in the response that created the session.
    #[schema(value_type = PortalUrl)]
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Redacted<String>>,
}

impl PortalSessionOut {
    /// The session as it is at `now`, without its link.
    pub fn new(session: &PortalSession, now: Timestamp) -> Self {
        Self {
            object: "portal_session",
            id: session.id.to_string(),
            organization_id: session.tenant.organization().map(OrganizationId::to_string),
            role: session.role.as_str(),
            endpoints: show_binding(&session.binding),
            actor: session.actor.as_ref().map(Name::to_string),
            return_url: session.return_url.as_ref().map(|url| url.as_str().into()),
            theme: session.theme.as_str(),
            status: session.status(now).as_str(),
            created_by: session.created_by.clone(),
            created_at: session.created_at.rfc3339(),
            expires_at: session.expires_at.rfc3339(),
            url_expires_at: session.link_until.rfc3339(),
            signed_in_at: session.signed_in.map(|(at, _)| at.rfc3339()),
            revoked_at: session.revoked_at.map(Timestamp::rfc3339),
            url: None,
        }
    }

    /// Adds the link, which is shown only once.
    #[must_use]
    pub fn with_url(self, url: &str) -> Self {
        Self { url: Some(url.into()), ..self }
    }
}
