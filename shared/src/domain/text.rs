//! Checked texts: names, slugs, and what publishers choose.

use std::fmt;

use super::Invalid;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $min:literal ..= $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Parses the text.
            ///
            /// # Errors
            /// [`Invalid`] if its number of characters is out of range.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                if !($min..=$max).contains(&text.chars().count()) {
                    return Err(Invalid::new(concat!("must be ", $min, " to ", $max, " characters")));
                }
                Ok(Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// The name of an organization, an endpoint or an API key.
    Name, 1..=255
);
text!(
    /// A text that describes an organization or an endpoint to people.
    Description, 1..=1024
);
text!(
    /// Restricts an endpoint to events that were published with the same edition.
    EditionId, 1..=128
);
text!(
    /// A client's identifier of a publish request. A repeated request with the same key has no further effect.
    IdempotencyKey, 1..=255
);
text!(
    /// One part of an event's subject: its type or its id.
    SubjectPart, 1..=255
);

/// An organization's short name, unique within the deployment: lower-case letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// Parses a slug.
    ///
    /// # Errors
    /// [`Invalid`] for anything but 1 to 63 of `[a-z0-9-]`, starting and ending in a letter or digit.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let ends_well = !text.starts_with('-') && !text.ends_with('-');
        if !(1..=63).contains(&text.len()) || !text.bytes().all(inner) || !ends_well {
            return Err(Invalid::new(
                "must be 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_characters() {
        for (text, allowed) in [("", false), ("x", true), (&"é".repeat(255), true), (&"é".repeat(256), false)] {
            assert_eq!(Name::parse(text).is_ok(), allowed);
        }
    }

    #[test]
    fn slugs_are_lower_case_words() {
        for (text, allowed) in
            [("acme", true), ("a-1", true), ("", false), ("-a", false), ("a-", false), ("A", false), ("a_b", false)]
        {
            assert_eq!(Slug::parse(text).is_ok(), allowed, "{text}");
        }
    }
}
