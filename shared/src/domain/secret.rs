//! Secrets: an endpoint's signing secret and an API key. Neither prints itself.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use super::Invalid;

/// What an endpoint's deliveries are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

const PREFIX: &str = "whsec_";
const STANDARD_KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl SigningSecret {
    /// A new secret: `whsec_` and 32 lower-case hex digits, which are also the base64 of 24 bytes.
    pub fn generate(random: [u8; 16]) -> Self {
        Self(format!("{PREFIX}{}", hex::encode(random)))
    }

    /// A secret that a caller brought: 16 to 256 printable ASCII characters.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !printable || !(16..=256).contains(&text.len()) {
            return Err(Invalid::new("must be 16 to 256 printable ASCII characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// A secret that was accepted before, as it was stored.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The secret itself, for storing it and for showing it once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The key that Standard Webhooks libraries use: the base64 decoding of what follows `whsec_`
    /// when that is 24 to 64 bytes, else the bytes of the whole string.
    pub(super) fn standard_key(&self) -> Vec<u8> {
        self.0
            .strip_prefix(PREFIX)
            .and_then(|encoded| BASE64.decode(encoded).ok())
            .filter(|key| STANDARD_KEY_BYTES.contains(&key.len()))
            .unwrap_or_else(|| self.0.as_bytes().to_vec())
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}
