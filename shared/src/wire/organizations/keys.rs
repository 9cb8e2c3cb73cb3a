//! API keys.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::domain::ids::KeyId;
use crate::domain::tenancy::access::{Role, Scope};
use crate::domain::tenancy::api_key::{ApiKey, KeySecret, KeyStatus, NewKey};
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
    /// By default the smallest role that includes the scopes; without scopes, `owner`.
    #[schema(value_type = Option<Role>)]
    role: Field<String>,
    #[serde(rename = "type")]
    #[schema(value_type = Option<SecretKey>)]
    kind: Field<String>,
    #[schema(value_type = Option<Live>)]
    environment: Field<String>,
    /// The scopes that the key needs. If `role` is present, the role must include them.
    #[schema(value_type = Option<Vec<Scope>>)]
    scopes: Field<Vec<String>>,
    /// Must be empty: secret keys are not used by browsers.
    #[schema(value_type = Option<Vec<String>>, max_items = 0)]
    allowed_origins: Field<Vec<String>>,
}

impl ApiKeyIn {
    /// Validates the fields. Without a role, the smallest role that includes the scopes applies.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<NewKey, Vec<Problem>> {
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
        let scope = |text: &str| Scope::parse(text).ok_or_else(|| Invalid::new("is not a known scope"));
        let scopes = read.optional("scopes", self.scopes, |scopes| each(&scopes, scope));
        let covering = scopes.as_deref().map(Role::smallest_with);
        if let (Some(role), Some(scopes)) = (role, &scopes)
            && !scopes.iter().all(|scope| role.may(*scope))
        {
            read.problem("scopes", format!("must be within what the role {} may do", role.as_str()));
        }
        let role = role.or(covering).unwrap_or(Role::Owner);
        read.finish(name.map(|name| NewKey { name, role }))
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
    #[schema(value_type = Role)]
    role: &'static str,
    /// Always null.
    #[schema(required)]
    allowed_origins: Option<Vec<String>>,
    /// The scopes of the role.
    #[schema(value_type = Vec<Scope>)]
    scopes: Vec<&'static str>,
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
    /// Adds the key's secret, which is shown only once.
    #[must_use]
    pub fn revealing(self, secret: &str) -> Self {
        Self { revealed_key: Some(secret.into()), ..self }
    }
}

impl From<&ApiKey> for ApiKeyOut {
    fn from(key: &ApiKey) -> Self {
        let (status, rotated_at, grace_expires_at, revoked_at) = match key.status {
            KeyStatus::Active => ("active", None, None, None),
            KeyStatus::Rotating { rotated_at, grace_expires_at } => {
                ("rotating", Some(rotated_at), Some(grace_expires_at), None)
            }
            KeyStatus::Revoked { revoked_at, rotated_at } => ("revoked", rotated_at, None, Some(revoked_at)),
        };
        let text = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
        Self {
            object: "api_key",
            id: key.id.to_string(),
            kind: "secret",
            name: key.name.to_string(),
            environment: "live",
            role: key.role.as_str(),
            allowed_origins: None,
            scopes: key.role.scopes().map(Scope::as_str).collect(),
            rate_limit: None,
            status,
            key_preview: key.preview.clone(),
            display_key: None,
            last_used_at: text(key.last_used_at),
            created_at: key.created_at.rfc3339(),
            rotated_at: text(rotated_at),
            revoked_at: text(revoked_at),
            grace_expires_at: text(grace_expires_at),
            revealed_key: None,
        }
    }
}
