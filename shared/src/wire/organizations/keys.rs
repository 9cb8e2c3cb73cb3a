//! API keys.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::binding::{read_binding, show_binding};
use crate::domain::Invalid;
use crate::domain::ids::{EndpointId, KeyId};
use crate::domain::tenancy::access::{Role, Scope, Scopes};
use crate::domain::tenancy::api_key::{ApiKey, KeySecret, KeyStatus, NewKey};
use crate::domain::tenancy::rights::Rights;
use crate::domain::text::Name;
use crate::domain::time::Timestamp;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader, each};
use crate::wire::openapi::{Live, Millisecond, SecretKey, object};
use crate::wire::redacted::Redacted;

/// The body of `POST …/api-keys`. `type`, `environment` and `allowed_origins` have only one valid value.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewApiKey)]
pub struct ApiKeyIn {
    #[schema(value_type = Name, required)]
    name: Field<String>,
    /// The key gets all scopes of the role. Without `role` and `scopes` the role is `owner`.
    #[schema(value_type = Option<Role>)]
    role: Field<String>,
    #[serde(rename = "type")]
    #[schema(value_type = Option<SecretKey>)]
    kind: Field<String>,
    #[schema(value_type = Option<Live>)]
    environment: Field<String>,
    /// Exactly the scopes that the key gets. If `role` is present, it must be the smallest role that includes them. The list
    /// may be empty beside a role, which then says the scopes.
    #[schema(value_type = Option<Vec<Scope>>)]
    scopes: Field<Vec<String>>,
    /// When the key stops working, in the future. Without it, the key does not expire.
    #[schema(value_type = Option<Timestamp>)]
    expires_at: Field<String>,
    /// The endpoints that the key is bound to: all others, and their deliveries, do not exist for it. Such a key has none of
    /// the scopes `organization:write`, `keys:read`, `keys:write` and `events:publish`.
    #[schema(value_type = Option<Vec<EndpointId>>, min_items = 1, max_items = 100)]
    endpoints: Field<Vec<String>>,
    /// Must be empty: secret keys are not used by browsers.
    #[schema(value_type = Option<Vec<String>>, max_items = 0)]
    allowed_origins: Field<Vec<String>>,
}

impl ApiKeyIn {
    /// Validates the fields. `now` is the time of the request.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, now: Timestamp) -> Result<NewKey, Vec<Problem>> {
        let mut read = Reader::default();
        let name = read.required("name", self.name, |name| Name::parse(&name));
        let role = read.optional("role", self.role, |role| {
            let names = Role::ALL.map(Role::as_str).join(", ");
            Role::parse(&role).ok_or_else(|| Invalid::new(format!("must be one of {names}")))
        });
        let only = |value: &'static str| {
            move |text: String| {
                if text == value { Ok(()) } else { Err(Invalid::new(format!("must be {value}"))) }
            }
        };
        read.optional("type", self.kind, only("secret"));
        read.optional("environment", self.environment, only("live"));
        read.optional("allowed_origins", self.allowed_origins, |origins| {
            if origins.is_empty() {
                Ok(())
            } else {
                Err(Invalid::new("must be empty: secret keys are not used by browsers"))
            }
        });
        let scope = |text: &str| {
            let names = Scope::ALL.map(Scope::as_str).join(", ");
            Scope::parse(text).ok_or_else(|| Invalid::new(format!("must be one of {names}")))
        };
        let scopes = read.optional("scopes", self.scopes, |scopes| match (scopes.is_empty(), role) {
            // Clients of the first version send an empty list beside a role.
            (true, Some(role)) => Ok(role.scopes()),
            (true, None) => Err(Invalid::new("must not be empty without a role")),
            (false, _) => Ok(each(&scopes, scope)?.into_iter().collect::<Scopes>()),
        });
        if let (Some(role), Some(scopes)) = (role, scopes)
            && Role::smallest_with(scopes) != role
        {
            let smallest = Role::smallest_with(scopes).as_str();
            read.problem("role", format!("must be absent or {smallest}, the smallest role that includes the scopes"));
        }
        let scopes = scopes.unwrap_or_else(|| role.unwrap_or(Role::Owner).scopes());
        let expires_at = read.optional("expires_at", self.expires_at, |text| {
            let expires_at = Timestamp::parse(&text)?.to_millis();
            if expires_at > now { Ok(expires_at) } else { Err(Invalid::new("must be in the future")) }
        });
        let binding = read_binding(&mut read, self.endpoints);
        let unbindable = scopes.without(Scopes::BINDABLE);
        if binding.is_some() && !unbindable.is_empty() {
            let message =
                format!("cannot be combined with the scopes {unbindable}; a key without role and scopes has all");
            read.problem("endpoints", message);
        }
        let rights = Rights { scopes, binding: binding.unwrap_or_default(), expires_at };
        read.finish(name.map(|name| NewKey { name, rights }))
    }
}

/// The body of `PATCH …/api-keys/{key}`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::ApiKeyPatch)]
pub struct ApiKeyPatchIn {
    #[schema(value_type = Name)]
    name: Field<String>,
}

impl ApiKeyPatchIn {
    /// Validates the new name; `None` if it is absent.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<Option<Name>, Vec<Problem>> {
        let mut read = Reader::default();
        let name = read.changed("name", self.name, |name| Name::parse(&name));
        read.finish(Some(name))
    }
}

/// An API key. The response that issued it contains its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::ApiKey)]
pub struct ApiKeyOut {
    #[schema(schema_with = object::api_key)]
    object: &'static str,
    #[schema(value_type = KeyId)]
    id: String,
    #[serde(rename = "type")]
    #[schema(value_type = SecretKey)]
    kind: &'static str,
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = Live)]
    environment: &'static str,
    /// The smallest role that includes the scopes.
    #[schema(value_type = Role)]
    role: &'static str,
    /// Always null.
    #[schema(required)]
    allowed_origins: Option<Vec<String>>,
    /// Exactly what the key may do.
    #[schema(value_type = Vec<Scope>)]
    scopes: Vec<&'static str>,
    /// The endpoints that the key is bound to; null if it may access all.
    #[schema(value_type = Option<Vec<EndpointId>>, required)]
    endpoints: Option<Vec<String>>,
    /// Always null.
    #[schema(required)]
    rate_limit: Option<u32>,
    #[schema(value_type = KeyStatus)]
    status: &'static str,
    /// A part of the key by which it can be recognized.
    #[schema(examples("sk_live_…a1b2"))]
    key_preview: String,
    /// Always null.
    #[schema(required)]
    display_key: Option<String>,
    /// When the key was last used, to about an hour; null if it was never used.
    #[schema(value_type = Option<Millisecond>, required)]
    last_used_at: Option<String>,
    #[schema(value_type = Millisecond)]
    created_at: String,
    /// When the key stops working; null if it does not expire.
    #[schema(value_type = Option<Millisecond>, required)]
    expires_at: Option<String>,
    #[schema(value_type = Option<Millisecond>, required)]
    rotated_at: Option<String>,
    #[schema(value_type = Option<Millisecond>, required)]
    revoked_at: Option<String>,
    /// Until when a rotated key works.
    #[schema(value_type = Option<Millisecond>, required)]
    grace_expires_at: Option<String>,
    /// The key itself; only in the response that issued it.
    #[schema(value_type = KeySecret)]
    #[serde(skip_serializing_if = "Option::is_none")]
    revealed_key: Option<Redacted<String>>,
}

impl ApiKeyOut {
    /// The key as it is at `now`, without its secret.
    pub fn new(key: &ApiKey, now: Timestamp) -> Self {
        let (status, rotated_at, grace_expires_at, revoked_at) = match key.status {
            KeyStatus::Active => ("active", None, None, None),
            KeyStatus::Rotating { rotated_at, grace_expires_at } => {
                ("rotating", Some(rotated_at), Some(grace_expires_at), None)
            }
            KeyStatus::Revoked { revoked_at, rotated_at } => ("revoked", rotated_at, None, Some(revoked_at)),
        };
        let is_expired = status != "revoked" && key.rights.have_expired(now);
        let text = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
        Self {
            object: "api_key",
            id: key.id.to_string(),
            kind: "secret",
            name: key.name.to_string(),
            environment: "live",
            role: key.rights.role().as_str(),
            allowed_origins: None,
            scopes: key.rights.scopes.iter().map(Scope::as_str).collect(),
            endpoints: show_binding(&key.rights.binding),
            rate_limit: None,
            status: if is_expired { "expired" } else { status },
            key_preview: key.preview.clone(),
            display_key: None,
            last_used_at: text(key.last_used_at),
            created_at: key.created_at.rfc3339(),
            expires_at: text(key.rights.expires_at),
            rotated_at: text(rotated_at),
            revoked_at: text(revoked_at),
            grace_expires_at: text(grace_expires_at),
            revealed_key: None,
        }
    }

    /// Adds the key's secret, which is shown only once.
    #[must_use]
    pub fn revealing(self, secret: &str) -> Self {
        Self { revealed_key: Some(secret.into()), ..self }
    }
}
