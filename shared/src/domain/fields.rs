//! The checked values that resources are made of. Each is read once, at the door.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::Invalid;
pub use super::endpoint_url::{EndpointUrl, UrlPolicy};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $min:literal ..= $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads the text.
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
    /// The name of an organization, an endpoint or a key.
    Name, 1..=255
);
text!(
    /// Restricts an endpoint to the events that were published with the same edition.
    EditionId, 1..=128
);
text!(
    /// What a publisher repeats so that a repeated request is recognised.
    IdempotencyKey, 1..=255
);
text!(
    /// One half of an event's subject: its type or its id.
    SubjectPart, 1..=255
);

/// An organization's short name, unique in the deployment: lower-case letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// Reads a slug.
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

/// How long one attempt may take, from resolving the name to the last byte of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutSeconds(u8);

impl Default for TimeoutSeconds {
    fn default() -> Self {
        Self(10)
    }
}

impl TimeoutSeconds {
    /// Reads a number of seconds.
    ///
    /// # Errors
    /// [`Invalid`] if it is not 1 to 30.
    pub fn new(seconds: i64) -> Result<Self, Invalid> {
        match u8::try_from(seconds) {
            Ok(seconds @ 1..=30) => Ok(Self(seconds)),
            _ => Err(Invalid::new("must be 1 to 30")),
        }
    }

    /// The number of seconds.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The same as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

/// Headers that an endpoint's owner adds to every request. Values may be credentials: only names are printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, String>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

const MAX_HEADERS: usize = 16;
const MAX_HEADER_BYTES: usize = 1_024;
const REFUSED_HEADERS: [&str; 8] =
    ["host", "content-length", "content-type", "connection", "transfer-encoding", "te", "upgrade", "expect"];
const REFUSED_HEADER_PREFIXES: [&str; 3] = ["proxy-", "webhook-", "x-webhook-"];

impl Headers {
    /// Reads names and values; names are kept as they were written.
    ///
    /// # Errors
    /// [`Invalid`] naming the first header that is malformed, too long, given twice, or one that
    /// the delivery itself sets.
    pub fn new(headers: impl IntoIterator<Item = (String, String)>) -> Result<Self, Invalid> {
        let headers: BTreeMap<_, _> = headers.into_iter().collect();
        if headers.len() > MAX_HEADERS {
            return Err(Invalid::new(format!("must have at most {MAX_HEADERS} entries")));
        }
        let mut seen = std::collections::BTreeSet::new();
        for (name, value) in &headers {
            check_header(name, value)?;
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(Invalid::new(format!("must not name {name} twice")));
            }
        }
        Ok(Self(headers))
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The map itself.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

fn check_header(name: &str, value: &str) -> Result<(), Invalid> {
    let lower = name.to_ascii_lowercase();
    if name.len() > MAX_HEADER_BYTES || HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(Invalid::new(format!("must have valid header names, not {:?}", shorten(name))));
    }
    if REFUSED_HEADERS.contains(&lower.as_str()) || REFUSED_HEADER_PREFIXES.iter().any(|p| lower.starts_with(p)) {
        return Err(Invalid::new(format!("must not set {name}, which the delivery sets itself")));
    }
    if value.len() > MAX_HEADER_BYTES {
        return Err(Invalid::new(format!(
            "must have values of at most {MAX_HEADER_BYTES} bytes, unlike that of {name}"
        )));
    }
    // The value may be a credential: it is not repeated in the message.
    HeaderValue::from_str(value)
        .map(|_| ())
        .map_err(|_| Invalid::new(format!("must have valid header values, unlike that of {name}")))
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
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

    #[test]
    fn timeouts_are_1_to_30_seconds() {
        for (seconds, allowed) in [(0, false), (1, true), (30, true), (31, false), (-1, false), (257, false)] {
            assert_eq!(TimeoutSeconds::new(seconds).is_ok(), allowed, "{seconds}");
        }
    }

    #[test]
    fn headers_never_override_what_the_delivery_sets() {
        let one = |name: &str, value: &str| Headers::new([(name.to_owned(), value.to_owned())]);
        for name in ["Authorization", "X-Tenant", "accept"] {
            assert!(one(name, "value").is_ok(), "{name}");
        }
        for name in
            ["Host", "CONTENT-TYPE", "te", "Proxy-Authorization", "webhook-id", "X-Webhook-Event", "a b", "", "é"]
        {
            assert!(one(name, "value").is_err(), "{name}");
        }
        assert!(one("x", "a\r\nb: c").is_err());
        assert!(one("x", &"v".repeat(1_024)).is_ok());
        assert!(one("x", &"v".repeat(1_025)).is_err());
        let refusal = one("x-token", "secret\n").unwrap_err();
        assert!(!refusal.0.contains("secret"));
        assert!(Headers::new((0..17).map(|i| (format!("x-{i}"), String::new()))).is_err());
        assert!(Headers::new([("X-A".into(), String::new()), ("x-a".into(), String::new())]).is_err());
    }
}
