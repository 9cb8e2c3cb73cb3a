//! The signing secret of an endpoint.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::domain::endpoint::secrets::Rotation;
use crate::domain::signing::key::NewSecret;
use crate::domain::signing::secret::SigningSecret;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};
use crate::wire::redacted::Redacted;

/// The longest time for which an old secret signs as well, in seconds.
const MAX_GRACE_SECONDS: i64 = 604_800;
/// The same time by default.
const DEFAULT_GRACE: Duration = Duration::from_secs(86_400);

/// The body of `POST …/secret/rotate`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::EndpointSecretRotateIn)]
pub struct RotationIn {
    /// The new secret; by default a generated one.
    #[schema(value_type = Option<String>)]
    key: Field<String>,
    /// For how long the old secret signs as well.
    #[schema(value_type = Option<u32>, maximum = 604_800, default = 86_400)]
    grace_period_seconds: Field<i64>,
}

impl RotationIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<Rotation, Vec<Problem>> {
        let mut read = Reader::default();
        let secret = read.optional("key", self.key, |key| SigningSecret::parse_standard(&key));
        let grace =
            read.optional("gracePeriodSeconds", self.grace_period_seconds, |seconds| match u64::try_from(seconds) {
                Ok(grace) if seconds <= MAX_GRACE_SECONDS => Ok(Duration::from_secs(grace)),
                _ => Err(Invalid::new(format!("must be 0 to {MAX_GRACE_SECONDS}"))),
            });
        let secret = secret.map(NewSecret::Supplied);
        read.finish(Some(Rotation { secret, overlap: grace.unwrap_or(DEFAULT_GRACE) }))
    }
}

/// The secret that verifies an endpoint's deliveries: the secret itself, or the public key of an Ed25519 key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = svix::EndpointSecretOut)]
pub struct SecretOut {
    #[schema(value_type = String)]
    key: Redacted<String>,
}

impl SecretOut {
    /// A readable secret.
    pub fn new(secret: &SigningSecret) -> Self {
        let key = match secret.public_key() {
            Some(public_key) => public_key.to_string(),
            None => secret.reveal().unwrap_or_default().to_owned(),
        };
        Self { key: key.into() }
    }
}
