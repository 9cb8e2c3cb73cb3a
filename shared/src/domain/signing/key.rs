//! A signing secret together with the identifier by which receivers find its public key.

use std::fmt;

use super::ed25519::Ed25519PublicKey;
use super::secret::{Algorithm, SigningSecret};
use crate::domain::time::Timestamp;

/// Identifies a secret of an endpoint (`kid`). It is public.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SigningKeyId([u8; 8]);

impl SigningKeyId {
    /// The prefix of identifiers of this kind.
    pub const PREFIX: &'static str = "wkid_";

    /// The identifier with these random bytes.
    pub const fn new(random: [u8; 8]) -> Self {
        Self(random)
    }

    /// Parses the printed form: the prefix and 16 lower-case hex digits. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text.strip_prefix(Self::PREFIX)?, &mut bytes).ok()?;
        Some(Self(bytes)).filter(|id| id.to_string() == text)
    }
}

impl fmt::Display for SigningKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, hex::encode(self.0))
    }
}

impl fmt::Debug for SigningKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A secret of an endpoint and its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The identifier, which never changes.
    pub id: SigningKeyId,
    /// The secret.
    pub secret: SigningSecret,
}

impl SigningKey {
    /// A secret with its identifier.
    pub const fn new(id: SigningKeyId, secret: SigningSecret) -> Self {
        Self { id, secret }
    }
}

/// The secret that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewSecret {
    /// A secret that the service generates.
    Generated(Algorithm),
    /// A secret that the caller supplies.
    Supplied(SigningSecret),
}

impl Default for NewSecret {
    /// A generated secret with the algorithm that applies if a request names none.
    fn default() -> Self {
        Self::Generated(Algorithm::default())
    }
}

impl NewSecret {
    /// Whether the response must show the secret, because the caller does not know it.
    pub const fn is_generated(&self) -> bool {
        matches!(self, Self::Generated(_))
    }
}

/// A public key of an endpoint, as receivers get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedKey {
    /// The identifier.
    pub id: SigningKeyId,
    /// The public key.
    pub public_key: Ed25519PublicKey,
    /// Until when the key signs; `None` for the newest.
    pub until: Option<Timestamp>,
}

impl PublishedKey {
    /// Whether the key signs at `now`.
    pub fn signs_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_its_prefix_and_16_lower_case_hex_digits() {
        let id = SigningKeyId::new([0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff]);
        assert_eq!(id.to_string(), "wkid_00010203fcfdfeff");
        for (text, expected) in [
            ("wkid_00010203fcfdfeff", Some(id)),
            ("wkid_00010203FCFDFEFF", None),
            ("wkid_00010203fcfdfe", None),
            ("wkid_00010203fcfdfeff00", None),
            ("00010203fcfdfeff", None),
        ] {
            assert_eq!(SigningKeyId::parse(text), expected, "{text}");
        }
    }
}
