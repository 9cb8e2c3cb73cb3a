//! API keys: the credentials of callers. Only the SHA-256 of a key is stored.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::access::PlatformRole;
use super::rights::Rights;
use crate::domain::ids::{KeyId, OrganizationId};
use crate::domain::text::Name;
use crate::domain::time::Timestamp;

/// How long a key works after it was rotated.
pub const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

const PREFIX: &str = "sk_live_";
const RANDOM_CHARS: usize = 43;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The secret text of an API key. Its `Debug` output is redacted, and its memory is cleared when it is dropped.
#[derive(Clone)]
pub struct KeySecret(Zeroizing<String>);

impl KeySecret {
    /// Generates a key: `sk_live_` and 43 base62 characters (256 bits of entropy).
    pub fn generate(random: &[u8; 64]) -> Self {
        // Bytes from 248 on are skipped, so that all characters are equally likely. The probability that 64 bytes
        // leave fewer than 43 is below 10^-25; characters repeat in that case.
        let fair = random.iter().filter(|byte| **byte < 248).cycle().take(RANDOM_CHARS);
        let chars = fair.map(|byte| char::from(BASE62[usize::from(*byte) % 62]));
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + RANDOM_CHARS));
        text.push_str(PREFIX);
        text.extend(chars);
        Self(text)
    }

    /// The key that a caller presented, in any format.
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// Whether the text has the format of an organization's key. No key with another format is ever issued.
    pub fn is_well_formed(&self) -> bool {
        let random = self.0.strip_prefix(PREFIX);
        random.is_some_and(|random| random.len() == RANDOM_CHARS && random.bytes().all(|byte| BASE62.contains(&byte)))
    }

    /// The secret text, for the one response that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The hash by which the key is stored and looked up.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// A text that identifies the key without revealing it: `sk_live_…a1b2`.
    pub fn preview(&self) -> String {
        let last = self.0.char_indices().rev().nth(3).map_or(0, |(i, _)| i);
        format!("{PREFIX}…{}", &self.0[last..])
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

/// The SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Parses 64 hex digits; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The hash as bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A platform key. The deployment's configuration holds its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformKey {
    /// SHA-256 of the key.
    pub hash: KeyHash,
    /// What the holder of the key may do.
    pub role: PlatformRole,
}

impl PlatformKey {
    /// The beginning of the name of a platform key. The name of no other key begins with it.
    pub const NAME_PREFIX: &str = "platform:";

    /// The key's name in logs: `platform:` and the first eight hex digits of its hash.
    pub fn name(&self) -> String {
        format!("{}{}", Self::NAME_PREFIX, hex::encode(&self.hash.0[..4]))
    }
}

/// An organization's API key, without the secret text.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The key's identifier.
    pub id: KeyId,
    /// SHA-256 of the key.
    pub hash: KeyHash,
    /// The organization that the key belongs to.
    pub organization: OrganizationId,
    /// The name that the owner chose.
    pub name: Name,
    /// What the holder of the key may do.
    pub rights: Rights,
    /// The key's [preview](KeySecret::preview), for recognizing it.
    pub preview: String,
    /// Whether the key is active, rotating or revoked.
    pub status: KeyStatus,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When a request last used the key, to about an hour; `None` if no request has.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether a request that presents the key at `now` is authenticated.
    pub fn works_at(&self, now: Timestamp) -> bool {
        self.status.works_at(now) && !self.rights.have_expired(now)
    }

    /// When it was revoked.
    pub const fn revoked_at(&self) -> Option<Timestamp> {
        match self.status {
            KeyStatus::Revoked { revoked_at, .. } => Some(revoked_at),
            KeyStatus::Active | KeyStatus::Rotating { .. } => None,
        }
    }

    /// From when on it does not work, unless it is revoked before: the end of its grace period or of its rights.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let grace = match self.status {
            KeyStatus::Rotating { grace_expires_at, .. } => Some(grace_expires_at),
            KeyStatus::Active | KeyStatus::Revoked { .. } => None,
        };
        grace.into_iter().chain(self.rights.expires_at).min()
    }
}

/// The fields of a new API key.
#[derive(Debug)]
pub struct NewKey {
    /// The name that the owner chose.
    pub name: Name,
    /// What the holder of the key may do.
    pub rights: Rights,
}

/// The life cycle of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// The key works.
    Active,
    /// The key has a successor and works until the end of its grace period.
    Rotating {
        /// When the successor was issued.
        rotated_at: Timestamp,
        /// When the key stops working.
        grace_expires_at: Timestamp,
    },
    /// The key does not work any more.
    Revoked {
        /// When it was revoked.
        revoked_at: Timestamp,
        /// When the successor was issued; `None` if there is none.
        rotated_at: Option<Timestamp>,
    },
}

impl KeyStatus {
    /// Whether a key that has not expired works at `now`.
    fn works_at(self, now: Timestamp) -> bool {
        match self {
            Self::Active => true,
            Self::Rotating { grace_expires_at, .. } => now < grace_expires_at,
            Self::Revoked { .. } => false,
        }
    }

    /// The status after a successor was issued; `None` if the key is not active.
    pub fn rotated(self, now: Timestamp) -> Option<Self> {
        let rotating = Self::Rotating { rotated_at: now, grace_expires_at: now.plus(GRACE) };
        matches!(self, Self::Active).then_some(rotating)
    }

    /// The status after the key was revoked. Revoking a revoked key changes nothing.
    #[must_use]
    pub fn revoked(self, now: Timestamp) -> Self {
        match self {
            Self::Active => Self::Revoked { revoked_at: now, rotated_at: None },
            Self::Rotating { rotated_at, .. } => Self::Revoked { revoked_at: now, rotated_at: Some(rotated_at) },
            Self::Revoked { .. } => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_43_base62_characters_and_its_preview_shows_the_last_four() {
        let mut random = [0; 64];
        random.iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 4) as u8);
        let key = KeySecret::generate(&random);
        assert_eq!(key.reveal().len(), 51);
        assert!(key.reveal()[8..].bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(format!("{key:?}"), "KeySecret(…)");
        assert_eq!(key.preview(), format!("sk_live_…{}", &key.reveal()[47..]));
        assert_eq!(KeyHash::parse(&key.hash().to_string()), Some(key.hash()));
    }

    #[test]
    fn a_rotated_key_works_for_a_day_and_a_revoked_key_never() {
        let at = Timestamp::from_unix_seconds;
        let rotating = KeyStatus::Active.rotated(at(100)).unwrap();
        let table = [
            (KeyStatus::Active, 0, true),
            (rotating, 100, true),
            (rotating, 100 + 86_399, true),
            (rotating, 100 + 86_400, false),
            (rotating.revoked(at(200)), 200, false),
            (KeyStatus::Active.revoked(at(200)), 200, false),
        ];
        for (status, seconds, works) in table {
            assert_eq!(status.works_at(at(seconds)), works, "{status:?} at {seconds}");
        }
        assert_eq!(rotating.rotated(at(300)), None);
        let revoked = rotating.revoked(at(200));
        assert_eq!(revoked.revoked(at(300)), revoked);
    }
}
