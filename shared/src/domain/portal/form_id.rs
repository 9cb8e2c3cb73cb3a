//! Identifiers of forms that create something. Each works once.

use std::fmt;

/// The number of random bytes.
const BYTES: usize = 8;

/// Identifies a form that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormId([u8; BYTES]);

impl FormId {
    /// The identifier with these random bytes.
    pub const fn new(random: [u8; BYTES]) -> Self {
        Self(random)
    }

    /// Parses the printed form: 16 hex digits. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes)).filter(|id| id.to_string() == text)
    }
}

impl fmt::Display for FormId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_one_form() {
        let id = FormId::new([0xab; BYTES]);
        assert_eq!(FormId::parse(&id.to_string()), Some(id));
        for text in ["", "ab", "ABABABABABABABAB", "abababababababab0", "abababababababag"] {
            assert_eq!(FormId::parse(text), None, "{text}");
        }
    }
}
