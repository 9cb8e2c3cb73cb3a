//! The secrets in an endpoint's item.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::confidential::Text;
use crate::domain::endpoint::secrets::{OlderSecret, Secrets};
use crate::domain::signing::ed25519::Ed25519PublicKey;
use crate::domain::signing::key::{SigningKey, SigningKeyId};
use crate::domain::signing::secret::{Algorithm, SigningSecret};
use crate::domain::time::Timestamp;
use crate::store::item::{Unreadable, required, time, unknown};

/// The attributes of a secret.
#[derive(Serialize, Deserialize)]
pub(super) struct SecretItem {
    id: String,
    /// Absent for HMAC-SHA256.
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<String>,
    value: Text,
    /// The public key of an Ed25519 key that is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<ByteBuf>,
    /// Absent for the newest secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// The items of the secrets, the newest first.
pub(super) fn stored_secrets(secrets: &Secrets) -> Vec<SecretItem> {
    let item = |key: &SigningKey, until: Option<Timestamp>| {
        let algorithm = key.secret.algorithm();
        let public_key = key.secret.public_key().filter(|_| key.secret.reveal().is_none());
        SecretItem {
            id: key.id.to_string(),
            algorithm: (algorithm != Algorithm::default()).then(|| algorithm.as_str().to_owned()),
            value: Text::from(key.secret.text()),
            public_key: public_key.map(|key| ByteBuf::from(key.as_bytes().as_slice())),
            until: until.map(Timestamp::rfc3339),
        }
    };
    let older = secrets.older.iter().map(|older| item(&older.key, Some(older.until)));
    std::iter::once(item(&secrets.newest, None)).chain(older).collect()
}

/// The secrets of these items.
pub(super) fn read_secrets(items: Vec<SecretItem>) -> Result<Secrets, Unreadable> {
    let mut items = items.into_iter();
    let newest = required("the newest secret", items.next())?;
    let older = |item: SecretItem| {
        let until = required("until", time(item.until.as_ref())?)?;
        Ok(OlderSecret { key: read_key(item)?, until })
    };
    Ok(Secrets { newest: read_key(newest)?, older: items.map(older).collect::<Result<_, Unreadable>>()? })
}

fn read_key(item: SecretItem) -> Result<SigningKey, Unreadable> {
    let algorithm = match item.algorithm.as_deref() {
        None => Algorithm::default(),
        Some(name) => Algorithm::parse(name).ok_or_else(|| unknown("algorithm", name))?,
    };
    // The error must not contain the value.
    let public_key =
        item.public_key.as_ref().and_then(|it| Some(Ed25519PublicKey::from_bytes(it.as_slice().try_into().ok()?)));
    let secret = match &item.value {
        Text::Readable(text) => SigningSecret::stored(algorithm, text),
        Text::Encrypted(bytes) => {
            let has_its_key = public_key.is_some() == (algorithm == Algorithm::Ed25519);
            has_its_key.then(|| SigningSecret::encrypted(bytes.to_vec(), public_key))
        }
    };
    let secret = secret.ok_or_else(|| Unreadable(format!("a secret is none of {}", algorithm.as_str())))?;
    Ok(SigningKey::new(required("the id of a secret", SigningKeyId::parse(&item.id))?, secret))
}
