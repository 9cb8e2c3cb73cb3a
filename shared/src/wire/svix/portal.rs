//! Links to the portal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::domain::portal::session::{MAX_SECONDS, MIN_SECONDS, NewPortalSession, SessionSeconds, Theme};
use crate::domain::tenancy::access::Role;
use crate::domain::tenancy::rights::Binding;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};
use crate::wire::redacted::Redacted;

/// The bounds of `expiry`, in seconds.
const EXPIRY: std::ops::RangeInclusive<i64> = 3_600..=604_800;
/// The capability to read. Others allow changes.
const VIEW: &str = "ViewBase";

/// The body of `POST …/app-portal-access/{app_id}`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::AppPortalAccessIn)]
pub struct PortalAccessIn {
    #[schema(value_type = Option<bool>)]
    read_only: Field<bool>,
    /// `ViewBase` alone allows reading only.
    #[schema(value_type = Option<Vec<String>>)]
    capabilities: Field<Vec<String>>,
    /// In seconds. A session lasts at most a day.
    #[schema(value_type = Option<u32>, minimum = 3_600, maximum = 604_800)]
    expiry: Field<i64>,
}

impl PortalAccessIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<NewPortalSession, Vec<Problem>> {
        let mut read = Reader::default();
        let is_read_only = read.optional("readOnly", self.read_only, Ok).unwrap_or_default();
        let capabilities = read.optional("capabilities", self.capabilities, Ok);
        let only_views = capabilities.is_some_and(|names| names.iter().all(|name| name == VIEW));
        let lifetime = read.optional("expiry", self.expiry, |seconds| {
            if !EXPIRY.contains(&seconds) {
                return Err(Invalid::new(format!("must be {} to {}", EXPIRY.start(), EXPIRY.end())));
            }
            SessionSeconds::new(seconds.clamp(MIN_SECONDS.into(), MAX_SECONDS.into()))
        });
        let role = if is_read_only || only_views { Role::Member } else { Role::Admin };
        read.finish(Some(NewPortalSession {
            role,
            binding: Binding::default(),
            lifetime: lifetime.unwrap_or_default(),
            return_url: None,
            theme: Theme::default(),
            actor: None,
        }))
    }
}

/// A link to the portal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = svix::AppPortalAccessOut)]
pub struct PortalAccessOut {
    /// The link, which signs a person in: once, within five minutes.
    #[schema(value_type = String)]
    url: Redacted<String>,
    /// The token in the link. It is not an API key.
    #[schema(value_type = String)]
    token: Redacted<String>,
}

impl PortalAccessOut {
    /// A link with this token.
    pub fn new(origin: &str, token: &str) -> Self {
        Self { url: format!("{origin}/portal/sign-in?token={token}").into(), token: token.to_owned().into() }
    }
}
