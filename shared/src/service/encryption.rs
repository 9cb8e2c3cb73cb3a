//! Encrypting and decrypting the confidential fields of endpoints.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use tracing::error;

use super::ServiceError;
use crate::clock::Clock;
use crate::domain::encryption::KeySource;
use crate::domain::encryption::key_ring::{KeyId, KeyRing, Undecryptable};
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint::confidential::Fields;
use crate::domain::endpoint::headers::Headers;
use crate::domain::endpoint::secrets::Secrets;
use crate::domain::time::Timestamp;
use crate::parameters::{KeyParameter, ParameterError, ReadKeys};

/// How old the keys may be with which a process encrypts. A change of the current key is known to all processes afterwards.
pub(super) const MAX_AGE_TO_ENCRYPT: Duration = Duration::from_secs(60);
/// How old the keys must be to be read again because of an unknown key. Altered items would otherwise cause many reads.
const MIN_AGE_TO_REREAD: Duration = Duration::from_secs(10);
/// For how long a process does not read the keys again because of a key that a read did not bring.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// Most unknown keys that a process remembers.
const MOST_UNKNOWN: usize = 100;
/// For how long a failed read is the answer to further ones.
const FAILURE_LIFETIME: Duration = Duration::from_secs(1);

/// Why there are no keys to decrypt with.
const NO_KEYS: &str = "the text is encrypted, and the deployment has no encryption key";

/// Why fields cannot be decrypted.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecryptError {
    /// This process cannot read the keys now, or has none.
    #[error("{0}")]
    Unavailable(ServiceError),
    /// The keys do not fit, so the owner must give the endpoint new secrets or headers.
    #[error("{0}")]
    Undecryptable(Undecryptable),
}

impl From<DecryptError> for ServiceError {
    fn from(error: DecryptError) -> Self {
        match error {
            DecryptError::Unavailable(error) => error,
            DecryptError::Undecryptable(cause) => Self::Conflict(format!("{cause}; set a new secret or new headers")),
        }
    }
}

#[derive(Debug)]
enum Source {
    None,
    Fixed(Arc<KeyRing>),
    Parameter(KeyParameter),
}

/// Encrypts and decrypts with the keys of the deployment.
#[derive(Debug)]
pub(super) struct Encryption {
    source: Source,
    clock: Clock,
    cached: Mutex<Cached>,
    /// Held during a read, so that a process makes one at a time.
    reading: tokio::sync::Mutex<()>,
}

/// The keys, and when they were read.
#[derive(Debug, Clone)]
struct Ring {
    keys: Arc<KeyRing>,
    read_at: Timestamp,
}

/// What a process has read.
#[derive(Debug, Default)]
struct Cached {
    ring: Option<Ring>,
    /// The version of the parameter that had these keys.
    version: i64,
    failure: Option<(Timestamp, ParameterError)>,
    /// Keys that were unknown after a read, and when.
    unknown: HashMap<KeyId, Timestamp>,
}

impl Encryption {
    /// Connects to the source of the keys. It sends no request.
    pub(super) fn new(sdk: &SdkConfig, source: &KeySource, clock: Clock) -> Self {
        let source = match source {
            KeySource::None => Source::None,
            KeySource::Fixed(keys) => Source::Fixed(Arc::clone(keys)),
            KeySource::Parameter(name) => Source::Parameter(KeyParameter::new(sdk, name)),
        };
        Self { source, clock, cached: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// The keys, at most [`MAX_AGE_TO_ENCRYPT`] old; `None` if the deployment has none.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] if they cannot be read. Then nothing confidential must be stored.
    pub(super) async fn keys_to_encrypt(&self) -> Result<Option<Arc<KeyRing>>, ServiceError> {
        Ok(self.keys(MAX_AGE_TO_ENCRYPT).await?.map(|ring| ring.keys))
    }

    /// The keys, at most [`MAX_AGE_TO_ENCRYPT`] old, and the version of their parameter; `None` for a deployment
    /// without one.
    ///
    /// # Errors
    /// As [`Encryption::keys_to_encrypt`].
    pub(super) async fn changeable_keys(&self) -> Result<Option<(Arc<KeyRing>, i64)>, ServiceError> {
        if !matches!(self.source, Source::Parameter(_)) {
            return Ok(None);
        }
        Ok(self.keys_to_encrypt().await?.map(|keys| (keys, self.cached().version)))
    }

    /// The secrets and headers of an endpoint, of which `fields` are readable; `None` if they are as they are stored, which
    /// needs no keys.
    ///
    /// # Errors
    /// [`DecryptError`] if the keys cannot be read, or if a field cannot be decrypted with them.
    pub(super) async fn decrypt(
        &self,
        endpoint: &Endpoint,
        fields: Fields,
    ) -> Result<Option<(Secrets, Headers)>, DecryptError> {
        if !endpoint.is_encrypted(fields) {
            return Ok(None);
        }
        let decrypted = self.decrypt_encrypted(endpoint, fields).await;
        if let Err(cause) = &decrypted {
            error!(endpoint = %endpoint.id, %cause, "a confidential field cannot be decrypted");
        }
        decrypted.map(Some)
    }

    async fn decrypt_encrypted(&self, endpoint: &Endpoint, fields: Fields) -> Result<(Secrets, Headers), DecryptError> {
        let began_at = self.clock.now();
        let first = self.ring(Duration::MAX).await?;
        match endpoint.decrypted(&first.keys, fields) {
            Err(Undecryptable::UnknownKey(id)) if !self.is_known_as_unknown(id) => {}
            other => return other.map_err(DecryptError::Undecryptable),
        }
        // Another process encrypts with a key that was added after this one had read the keys.
        let newer = self.ring(MIN_AGE_TO_REREAD).await?;
        endpoint.decrypted(&newer.keys, fields).map_err(|cause| match cause {
            // A key that was added since that read may still be known to the next one.
            Undecryptable::UnknownKey(_) if newer.read_at < began_at => {
                DecryptError::Unavailable(ServiceError::Unavailable(format!("{cause} as it was read a moment ago")))
            }
            Undecryptable::UnknownKey(id) => {
                self.remember_as_unknown(id);
                DecryptError::Undecryptable(cause)
            }
            Undecryptable::Altered => DecryptError::Undecryptable(cause),
        })
    }

    /// The keys as they were read at most `max_age` ago, to decrypt with. A deployment without keys is no reason to give a
    /// text up: a process of another version of the configuration has encrypted it, and this one may get the keys later.
    async fn ring(&self, max_age: Duration) -> Result<Ring, DecryptError> {
        let ring = self.keys(max_age).await.map_err(DecryptError::Unavailable)?;
        ring.ok_or_else(|| DecryptError::Unavailable(ServiceError::Unavailable(NO_KEYS.to_owned())))
    }

    /// Whether a read a short time ago did not bring this key.
    fn is_known_as_unknown(&self, id: KeyId) -> bool {
        let (cached, now) = (self.cached(), self.clock.now());
        cached.unknown.get(&id).is_some_and(|at| now.since(*at) < UNKNOWN_LIFETIME)
    }

    fn remember_as_unknown(&self, id: KeyId) {
        let (mut cached, now) = (self.cached(), self.clock.now());
        if cached.unknown.len() >= MOST_UNKNOWN {
            cached.unknown.clear();
        }
        cached.unknown.insert(id, now);
    }

    /// The keys as they were read at most `max_age` ago; `None` if the deployment has none.
    async fn keys(&self, max_age: Duration) -> Result<Option<Ring>, ServiceError> {
        let parameter = match &self.source {
            Source::None => return Ok(None),
            Source::Fixed(keys) => return Ok(Some(Ring { keys: Arc::clone(keys), read_at: self.clock.now() })),
            Source::Parameter(parameter) => parameter,
        };
        if let Some(known) = self.known_keys(max_age) {
            return known.map(Some);
        }
        let _reading = self.reading.lock().await;
        if let Some(known) = self.known_keys(max_age) {
            return known.map(Some);
        }
        let read = parameter.read().await;
        let now = self.clock.now();
        match read {
            Ok(ReadKeys { keys, version }) => {
                let ring = Ring { keys: Arc::new(keys), read_at: now };
                let mut cached = self.cached();
                cached.ring = Some(ring.clone());
                cached.version = version;
                cached.failure = None;
                Ok(Some(ring))
            }
            Err(cause) => {
                error!(%cause, "the encryption keys could not be read");
                self.cached().failure = Some((now, cause.clone()));
                Err(unavailable(&cause))
            }
        }
    }

    fn known_keys(&self, max_age: Duration) -> Option<Result<Ring, ServiceError>> {
        let (cached, now) = (self.cached(), self.clock.now());
        let ring = cached.ring.as_ref().filter(|ring| now.since(ring.read_at) <= max_age);
        let failure = cached.failure.as_ref().filter(|(at, _)| now.since(*at) <= FAILURE_LIFETIME);
        let failed = || failure.map(|(_, cause)| Err(unavailable(cause)));
        ring.cloned().map(Ok).or_else(failed)
    }

    fn cached(&self) -> MutexGuard<'_, Cached> {
        // A panic in another thread cannot leave a partial value behind.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(cause: &ParameterError) -> ServiceError {
    ServiceError::Unavailable(format!("the encryption keys could not be read: {cause}"))
}
