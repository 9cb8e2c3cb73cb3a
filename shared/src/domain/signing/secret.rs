//! An endpoint's signing secret. Its `Debug` output is redacted.

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::ed25519::{Ed25519Key, Ed25519PublicKey, PUBLIC_PREFIX, SECRET_PREFIX};
use crate::domain::Invalid;
use crate::domain::encryption::Confidential;

/// The secret that signs an endpoint's deliveries. It may be encrypted; then it cannot sign.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret {
    text: Confidential,
    algorithm: Algorithm,
    /// Present for Ed25519.
    public_key: Option<Ed25519PublicKey>,
}

/// The algorithm of a signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA256 (`v1`): sender and receiver have the same secret.
    #[default]
    HmacSha256,
    /// Ed25519 (`v1a`): the receiver has the public key alone.
    Ed25519,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::HmacSha256, Self::Ed25519];

    /// The algorithm's name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The algorithm with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

const PREFIX: &str = "whsec_";
/// The length of a key that is encoded after `whsec_`. The Standard Webhooks specification allows at most 64 bytes;
/// some of its libraries generate and accept 75.
const STANDARD_KEY_BYTES: RangeInclusive<usize> = 24..=75;
/// The length of such a key in a secret that a caller supplies.
const SUPPLIED_KEY_BYTES: RangeInclusive<usize> = 24..=64;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl SigningSecret {
    /// Generates a secret: `whsec_` and 32 lower-case hex digits, which are also the base64 of 24 bytes.
    pub fn generate(random: [u8; 16]) -> Self {
        Self::hmac(format!("{PREFIX}{}", hex::encode(random)))
    }

    /// Generates an Ed25519 key.
    pub fn generate_ed25519(random: [u8; 32]) -> Self {
        Self::ed25519(&Ed25519Key::from_seed(random))
    }

    fn hmac(text: String) -> Self {
        Self { text: Confidential::readable(text), algorithm: Algorithm::HmacSha256, public_key: None }
    }

    fn ed25519(key: &Ed25519Key) -> Self {
        let text = Confidential::readable(key.reveal());
        Self { text, algorithm: Algorithm::Ed25519, public_key: Some(key.public()) }
    }

    /// Parses a secret that a caller supplies, and accepts it only if every Standard Webhooks library can verify
    /// with it: 16 to 256 printable ASCII characters, without a space at either end. After the prefix `whsec_`
    /// there must be the base64 of 24 to 64 bytes, in the standard alphabet and padded. After `whsk_` there must be that
    /// of an Ed25519 seed and its public key. Any other text is the key of an HMAC.
    ///
    /// # Errors
    /// [`Invalid`] for anything else. The message does not contain the secret.
    pub fn parse_verifiable(text: &str) -> Result<Self, Invalid> {
        let secret = Self::parse(text)?;
        if text.trim() != text {
            return Err(Invalid::new("must not begin or end with a space"));
        }
        if text.starts_with(&format!("v1,{PREFIX}")) {
            return Err(Invalid::new(format!("must not have v1, before {PREFIX}")));
        }
        if text.starts_with(SECRET_PREFIX) {
            return Ed25519Key::parse(text).map(|key| Self::ed25519(&key));
        }
        if text.starts_with(PUBLIC_PREFIX) {
            return Err(Invalid::new(format!("must not be a public key; one that signs begins with {SECRET_PREFIX}")));
        }
        let is_standard = |encoded| {
            // Some libraries decode only the standard alphabet, and only with padding.
            STANDARD.decode(encoded).is_ok_and(|key| SUPPLIED_KEY_BYTES.contains(&key.len()))
        };
        if text.strip_prefix(PREFIX).is_some_and(|encoded| !is_standard(encoded)) {
            return Err(Invalid::new(format!(
                "must have the base64 of {} to {} bytes after {PREFIX}, in the standard alphabet and padded",
                SUPPLIED_KEY_BYTES.start(),
                SUPPLIED_KEY_BYTES.end(),
            )));
        }
        Ok(secret)
    }

    /// Parses a secret that a client of the `svix` dialect supplies: the base64 of 24 to 75 bytes, which `whsec_` may precede,
    /// or `whsk_` and an Ed25519 key.
    ///
    /// # Errors
    /// [`Invalid`] for anything else. The message does not contain the secret.
    pub fn parse_standard(text: &str) -> Result<Self, Invalid> {
        if text.starts_with(SECRET_PREFIX) {
            return Ed25519Key::parse(text).map(|key| Self::ed25519(&key));
        }
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        match BASE64.decode(encoded) {
            Ok(key) if STANDARD_KEY_BYTES.contains(&key.len()) => Ok(Self::hmac(format!("{PREFIX}{encoded}"))),
            _ => Err(Invalid::new(format!(
                "must be the base64 of {} to {} bytes, which {PREFIX} may precede",
                STANDARD_KEY_BYTES.start(),
                STANDARD_KEY_BYTES.end(),
            ))),
        }
    }

    /// Parses a secret that a caller supplies, whose text is the key of an HMAC: 16 to 256 printable ASCII characters.
    ///
    /// # Errors
    /// [`Invalid`] for anything else. The message does not contain the secret.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !printable || !(16..=256).contains(&text.len()) {
            return Err(Invalid::new("must be 16 to 256 printable ASCII characters"));
        }
        Ok(Self::hmac(text.to_owned()))
    }

    /// A secret that was accepted earlier; `None` if the text is none of the algorithm. It is not validated further.
    pub fn stored(algorithm: Algorithm, text: &str) -> Option<Self> {
        Some(match algorithm {
            Algorithm::HmacSha256 => Self::hmac(text.to_owned()),
            Algorithm::Ed25519 => Self::ed25519(&Ed25519Key::stored(text)?),
        })
    }

    /// A secret that was encrypted. An Ed25519 key has its public key beside it.
    pub const fn encrypted(bytes: Vec<u8>, public_key: Option<Ed25519PublicKey>) -> Self {
        let algorithm = if public_key.is_some() { Algorithm::Ed25519 } else { Algorithm::HmacSha256 };
        Self { text: Confidential::encrypted(bytes), algorithm, public_key }
    }

    /// The text, readable or encrypted.
    pub const fn text(&self) -> &Confidential {
        &self.text
    }

    /// The same secret with its text in another form.
    #[must_use]
    pub fn with_text(&self, text: Confidential) -> Self {
        Self { text, algorithm: self.algorithm, public_key: self.public_key }
    }

    /// The algorithm of the secret's signatures.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that verifies the secret's signatures; `None` if it is the secret itself.
    pub const fn public_key(&self) -> Option<Ed25519PublicKey> {
        self.public_key
    }

    /// The secret text, for storing it and for the responses that show it; `None` if it is encrypted.
    pub fn reveal(&self) -> Option<&str> {
        self.text.as_text()
    }

    /// The key of the secret's Standard Webhooks signatures; `None` if it is encrypted.
    pub(super) fn standard_key(&self) -> Option<StandardKey> {
        let text = self.text.as_text()?;
        match self.algorithm {
            Algorithm::HmacSha256 => Some(StandardKey::Hmac(hmac_key(text))),
            Algorithm::Ed25519 => Ed25519Key::stored(text).map(StandardKey::Ed25519),
        }
    }

    /// The text of the secret if it is the key of an HMAC.
    pub(super) fn hmac_text(&self) -> Option<&str> {
        self.text.as_text().filter(|_| self.algorithm == Algorithm::HmacSha256)
    }
}

/// The key of a Standard Webhooks signature.
pub(super) enum StandardKey {
    Hmac(Zeroizing<Vec<u8>>),
    Ed25519(Ed25519Key),
}

/// The key that Standard Webhooks libraries use for an HMAC: the decoded base64 after `whsec_` if it has 24 to 75 bytes,
/// otherwise the bytes of the whole text.
fn hmac_key(text: &str) -> Zeroizing<Vec<u8>> {
    let key = text
        .strip_prefix(PREFIX)
        .and_then(|encoded| BASE64.decode(encoded).ok())
        .filter(|key| STANDARD_KEY_BYTES.contains(&key.len()))
        .unwrap_or_else(|| text.as_bytes().to_vec());
    Zeroizing::new(key)
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};

    use super::*;

    fn whsec(key_bytes: usize) -> String {
        format!("{PREFIX}{}", STANDARD.encode(vec![0xfb; key_bytes]))
    }

    #[test]
    fn a_supplied_secret_with_the_standard_prefix_is_one_that_libraries_verify() {
        let table = [
            (whsec(24), true),
            (whsec(25), true),
            (whsec(64), true),
            (whsec(16), false),
            (whsec(20), false),
            (whsec(23), false),
            (whsec(65), false),
            (whsec(80), false),
            (format!("{PREFIX}{}", URL_SAFE.encode([0xfb; 24])), false),
            (format!("{PREFIX}{}", STANDARD_NO_PAD.encode([0xfb; 25])), false),
            (format!("v1,{}", whsec(24)), false),
            (format!("{} ", whsec(24)), false),
            (format!(" {}", whsec(24)), false),
            ("whsec_your_signing_secret".to_owned(), false),
            ("whsec_0123456789abcdef0123456789abcdef".to_owned(), true),
            ("our own secret of ours".to_owned(), true),
            (" our own secret of ours".to_owned(), false),
            ("our own secret of ours ".to_owned(), false),
        ];
        for (text, allowed) in table {
            assert_eq!(SigningSecret::parse_verifiable(&text).is_ok(), allowed, "{text}");
            assert!(SigningSecret::parse(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_error_states_the_format_of_secrets_and_does_not_contain_the_secret() {
        for (text, says) in [
            (whsec(16), "must have the base64 of 24 to 64 bytes after whsec_, in the standard alphabet and padded"),
            (format!("v1,{}", whsec(24)), "must not have v1, before whsec_"),
            (format!("{} ", whsec(24)), "must not begin or end with a space"),
        ] {
            assert_eq!(SigningSecret::parse_verifiable(&text).unwrap_err().0, says);
        }
    }

    #[test]
    fn a_supplied_ed25519_key_is_a_seed_and_its_public_key() {
        let key = SigningSecret::generate_ed25519([7; 32]);
        let text = key.reveal().unwrap().to_owned();
        let public = key.public_key().unwrap().to_string();
        assert_eq!(SigningSecret::parse_verifiable(&text), Ok(key.clone()));
        assert_eq!(SigningSecret::stored(Algorithm::Ed25519, &text), Some(key));
        let foreign = SigningSecret::generate_ed25519([8; 32]).public_key().unwrap();
        let whsk = |bytes: &[u8]| format!("whsk_{}", STANDARD.encode(bytes));
        let format = "must have the base64 of a seed and its public key, of 32 bytes each, after whsk_, in the standard alphabet \
                      and padded";
        for (text, says) in [
            (whsk(&[[7; 32], *foreign.as_bytes()].concat()), "must have a public key that belongs to the seed"),
            (whsk(&[7; 64]), "must have a public key that belongs to the seed"),
            (whsk(&[7; 32]), format),
            (whsk(&[7; 63]), format),
            (whsk(&[7; 65]), format),
            (text.trim_end_matches('=').to_owned(), format),
            (format!("whsk_{}", URL_SAFE.encode([0xfb; 64])), format),
            (public, "must not be a public key; one that signs begins with whsk_"),
        ] {
            assert_eq!(SigningSecret::parse_verifiable(&text).map_err(|Invalid(reason)| reason).unwrap_err(), says);
            // The dialect `endpoints` accepts any text, as the key of an HMAC.
            assert_eq!(SigningSecret::parse(&text).unwrap().algorithm(), Algorithm::HmacSha256);
        }
        assert!(!format!("{:?}", SigningSecret::generate_ed25519([7; 32])).contains('7'));
    }

    #[test]
    fn an_encoded_key_of_24_to_75_bytes_signs_as_its_bytes_and_any_other_text_as_itself() {
        for (bytes, decoded) in [(23, false), (24, true), (64, true), (65, true), (75, true), (76, false)] {
            let text = whsec(bytes);
            let expected = if decoded { vec![0xfb; bytes] } else { text.clone().into_bytes() };
            assert_eq!(*hmac_key(&text), expected, "{bytes}");
        }
    }
}
