//! Ed25519 keys, as Standard Webhooks writes them: `whsk_` and `whpk_`.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::domain::Invalid;

/// The prefix of a key that signs.
pub(super) const SECRET_PREFIX: &str = "whsk_";
/// The prefix of a public key.
pub(super) const PUBLIC_PREFIX: &str = "whpk_";
/// The length of a seed, and of a public key.
const HALF: usize = 32;

/// A key that signs. Its `Debug` output is redacted.
#[derive(Clone)]
pub(super) struct Ed25519Key {
    seed: Zeroizing<[u8; HALF]>,
    public: Ed25519PublicKey,
}

/// The key that verifies what an Ed25519 key has signed. It is not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ed25519PublicKey([u8; HALF]);

impl Ed25519Key {
    /// The key with this seed.
    pub(super) fn from_seed(seed: [u8; HALF]) -> Self {
        let mut public = [0; HALF];
        public.copy_from_slice(key_pair(&seed).public_key().as_ref());
        Self { seed: Zeroizing::new(seed), public: Ed25519PublicKey(public) }
    }

    /// Parses a key that a caller supplies: `whsk_`, and the padded base64 of the seed and the public key.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let format = || {
            Invalid::new(format!(
                "must have the base64 of a seed and its public key, of {HALF} bytes each, after {SECRET_PREFIX}, in the standard \
                 alphabet and padded"
            ))
        };
        let key = Self::stored(text).ok_or_else(format)?;
        if key.public != Self::from_seed(*key.seed).public {
            return Err(Invalid::new("must have a public key that belongs to the seed"));
        }
        Ok(key)
    }

    /// A key that was accepted earlier; `None` if the text has another format. Whether the halves belong together is not
    /// validated.
    pub(super) fn stored(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?);
        let (seed, public) = bytes.split_at_checked(HALF)?;
        Some(Self { seed: Zeroizing::new(seed.try_into().ok()?), public: Ed25519PublicKey(public.try_into().ok()?) })
    }

    pub(super) fn reveal(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(Zeroizing::new([*self.seed, self.public.0].concat())))
    }

    pub(super) const fn public(&self) -> Ed25519PublicKey {
        self.public
    }

    pub(super) fn sign(&self, content: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(key_pair(&self.seed).sign(content).as_ref());
        signature
    }
}

fn key_pair(seed: &[u8; HALF]) -> Ed25519KeyPair {
    #[expect(clippy::expect_used, reason = "any 32 bytes are a seed")]
    Ed25519KeyPair::from_seed_unchecked(seed).expect("any seed")
}

impl Ed25519PublicKey {
    /// The key with these bytes. They are not validated.
    pub const fn from_bytes(bytes: [u8; HALF]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; HALF] {
        &self.0
    }

    /// The coordinate `x` of a JSON Web Key: unpadded base64 in the URL-safe alphabet.
    pub fn jwk_x(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Display for Ed25519PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", STANDARD.encode(self.0))
    }
}
