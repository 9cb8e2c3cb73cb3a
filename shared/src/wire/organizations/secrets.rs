//! Signing secrets of endpoints, and their public keys.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::domain::endpoint::secrets::{Rotation, Secrets};
use crate::domain::ids::EndpointId;
use crate::domain::signing::ed25519::Ed25519PublicKey;
use crate::domain::signing::key::{NewSecret, PublishedKey, SigningKeyId};
use crate::domain::signing::secret::{Algorithm, SigningSecret};
use crate::domain::time::Timestamp;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader};
use crate::wire::openapi::{Millisecond, VerifiableSecret, jwk, object};
use crate::wire::redacted::Redacted;

/// The longest overlap of a rotation, in seconds.
const MAX_OVERLAP_SECONDS: i64 = 604_800;
/// The overlap of a rotation by default.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(86_400);

/// A rotation with the default overlap, to a generated secret with the algorithm of the newest.
pub const DEFAULT_ROTATION: Rotation = Rotation { secret: None, overlap: DEFAULT_OVERLAP };

/// The secret that the fields `secret` and `signing_algorithm` ask for; `None` if both are absent.
pub(super) fn new_secret(read: &mut Reader, secret: Field<String>, algorithm: Field<String>) -> Option<NewSecret> {
    let secret = read.optional("secret", secret, |secret| SigningSecret::parse_verifiable(&secret));
    let algorithm = read.optional("signing_algorithm", algorithm, |name| {
        let names = Algorithm::ALL.map(Algorithm::as_str).join(" or ");
        Algorithm::parse(&name).ok_or_else(|| Invalid::new(format!("must be {names}")))
    });
    match (secret, algorithm) {
        (Some(secret), Some(algorithm)) if secret.algorithm() != algorithm => {
            read.problem("signing_algorithm", format!("must be {}, as the secret is", secret.algorithm().as_str()));
            None
        }
        (Some(secret), _) => Some(NewSecret::Supplied(secret)),
        (None, algorithm) => algorithm.map(NewSecret::Generated),
    }
}

/// The body of `POST …/webhooks/endpoints/{we}/rotations`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::EndpointRotation)]
pub struct RotationIn {
    /// How long, in seconds, requests are signed with the former secret as well. Older secrets sign until their own times. 0
    /// ends all of them.
    #[schema(value_type = Option<u32>, maximum = 604_800, default = 86_400)]
    overlap_seconds: Field<i64>,
    #[schema(value_type = Option<VerifiableSecret>)]
    secret: Field<String>,
    /// The algorithm of a generated secret; by default that of the newest secret.
    #[schema(value_type = Option<Algorithm>)]
    signing_algorithm: Field<String>,
}

impl RotationIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<Rotation, Vec<Problem>> {
        let mut read = Reader::default();
        let overlap = read.optional("overlap_seconds", self.overlap_seconds, |seconds| match u64::try_from(seconds) {
            Ok(overlap) if seconds <= MAX_OVERLAP_SECONDS => Ok(Duration::from_secs(overlap)),
            _ => Err(Invalid::new(format!("must be 0 to {MAX_OVERLAP_SECONDS}"))),
        });
        let secret = new_secret(&mut read, self.secret, self.signing_algorithm);
        read.finish(Some(Rotation { secret, overlap: overlap.unwrap_or(DEFAULT_OVERLAP) }))
    }
}

/// The secrets of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::EndpointSecrets)]
pub struct SecretsOut {
    #[schema(schema_with = object::webhook_endpoint_secrets)]
    object: &'static str,
    #[schema(value_type = EndpointId)]
    endpoint_id: String,
    /// The secrets that sign requests now, the newest first.
    secrets: Vec<SecretOut>,
}

/// A secret of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::EndpointSecret)]
struct SecretOut {
    #[schema(value_type = SigningKeyId)]
    kid: String,
    #[schema(value_type = Algorithm)]
    algorithm: &'static str,
    #[schema(value_type = SigningSecret)]
    secret: Redacted<String>,
    /// Null for HMAC-SHA256.
    #[schema(value_type = Option<Ed25519PublicKey>, required)]
    public_key: Option<String>,
    /// Until when it signs; null for the newest.
    #[schema(value_type = Option<Millisecond>, required)]
    until: Option<String>,
}

impl SecretsOut {
    /// The secrets of an endpoint that sign at `now`.
    pub fn new(endpoint: EndpointId, secrets: &Secrets, now: Timestamp) -> Self {
        let secrets = secrets.ending_at(now).map(|(key, until)| SecretOut {
            kid: key.id.to_string(),
            algorithm: key.secret.algorithm().as_str(),
            secret: key.secret.reveal().unwrap_or_default().to_owned().into(),
            public_key: key.secret.public_key().map(|key| key.to_string()),
            until: until.map(Timestamp::rfc3339),
        });
        Self { object: "webhook_endpoint_secrets", endpoint_id: endpoint.to_string(), secrets: secrets.collect() }
    }
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::KeySet)]
pub struct KeySetOut {
    keys: Vec<KeyOut>,
}

/// A public key (RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::PublicKey)]
struct KeyOut {
    #[schema(schema_with = jwk::kty)]
    kty: &'static str,
    #[schema(schema_with = jwk::crv)]
    crv: &'static str,
    /// The public key in URL-safe base64.
    #[schema(examples("1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4"))]
    x: String,
    #[schema(value_type = SigningKeyId)]
    kid: String,
    #[serde(rename = "use")]
    #[schema(schema_with = jwk::usage)]
    usage: &'static str,
    #[schema(schema_with = jwk::alg)]
    alg: &'static str,
}

impl KeySetOut {
    /// A set of these keys.
    pub fn new(keys: &[PublishedKey]) -> Self {
        let key = |key: &PublishedKey| KeyOut {
            kty: "OKP",
            crv: "Ed25519",
            x: key.public_key.jwk_x(),
            kid: key.id.to_string(),
            usage: "sig",
            alg: "EdDSA",
        };
        Self { keys: keys.iter().map(key).collect() }
    }
}
