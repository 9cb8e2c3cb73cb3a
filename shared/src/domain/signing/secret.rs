//! An endpoint's signing secret. Its `Debug` output is redacted.

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use crate::domain::Invalid;

/// The secret that signs an endpoint's deliveries.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

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
        Self(format!("{PREFIX}{}", hex::encode(random)))
    }

    /// Parses a secret that a caller supplies, and accepts it only if every Standard Webhooks library can verify
    /// with it: 16 to 256 printable ASCII characters, without a space at either end. After the prefix `whsec_`
    /// there must be the base64 of 24 to 64 bytes, in the standard alphabet and padded.
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

    /// Parses a secret that a caller supplies: 16 to 256 printable ASCII characters.
    ///
    /// # Errors
    /// [`Invalid`] for anything else. The message does not contain the secret.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !printable || !(16..=256).contains(&text.len()) {
            return Err(Invalid::new("must be 16 to 256 printable ASCII characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// A secret that was accepted earlier. It is not validated.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The secret text, for storing it and for the one response that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The key that Standard Webhooks libraries use: the decoded base64 after `whsec_` if it has 24 to 75 bytes,
    /// otherwise the bytes of the whole text.
    pub(in crate::domain) fn standard_key(&self) -> Vec<u8> {
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
    fn an_encoded_key_of_24_to_75_bytes_signs_as_its_bytes_and_any_other_text_as_itself() {
        for (bytes, decoded) in [(23, false), (24, true), (64, true), (65, true), (75, true), (76, false)] {
            let text = whsec(bytes);
            let expected = if decoded { vec![0xfb; bytes] } else { text.clone().into_bytes() };
            assert_eq!(SigningSecret::stored(&text).standard_key(), expected, "{bytes}");
        }
    }
}
