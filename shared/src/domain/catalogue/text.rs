//! Texts about an event type.

use std::fmt;

use crate::domain::Invalid;

/// Most characters of a type's description.
pub const MAX_DESCRIPTION_CHARS: usize = 4_096;
/// Most characters of the name of a group.
pub const MAX_GROUP_CHARS: usize = 128;

/// A text of limited length about a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeText(String);

impl TypeText {
    /// Parses the description of a type, in Markdown.
    ///
    /// # Errors
    /// [`Invalid`] if it is empty or has more than [`MAX_DESCRIPTION_CHARS`].
    pub fn description(text: &str) -> Result<Self, Invalid> {
        Self::parse(text, MAX_DESCRIPTION_CHARS)
    }

    /// Parses the name of a group of types.
    ///
    /// # Errors
    /// [`Invalid`] if it is empty or has more than [`MAX_GROUP_CHARS`].
    pub fn group(text: &str) -> Result<Self, Invalid> {
        Self::parse(text, MAX_GROUP_CHARS)
    }

    fn parse(text: &str, most: usize) -> Result<Self, Invalid> {
        if text.is_empty() || text.chars().count() > most {
            return Err(Invalid::new(format!("must be 1 to {most} characters")));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TypeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_a_limited_length() {
        for (length, allowed) in [(0, false), (1, true), (MAX_GROUP_CHARS, true), (MAX_GROUP_CHARS + 1, false)] {
            assert_eq!(TypeText::group(&"é".repeat(length)).is_ok(), allowed, "{length}");
        }
        assert!(TypeText::description(&"x".repeat(MAX_DESCRIPTION_CHARS)).is_ok());
        assert!(TypeText::description(&"x".repeat(MAX_DESCRIPTION_CHARS + 1)).is_err());
    }
}
