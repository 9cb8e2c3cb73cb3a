//! Validated values of resources. They are validated when a request is parsed.

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

/// The time that is reserved for recording an attempt after its timeout.
const RECORDING: Duration = Duration::from_secs(1);

/// The time limit of one attempt, from resolving the name to the last byte of the response: 1 to 30 seconds, 10 by
/// default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutSeconds(u8);

impl Default for TimeoutSeconds {
    fn default() -> Self {
        Self(10)
    }
}

impl TimeoutSeconds {
    /// The shortest allowed timeout.
    pub const SHORTEST: Self = Self(1);

    /// Validates a number of seconds.
    ///
    /// # Errors
    /// [`Invalid`] if it is not 1 to 30.
    pub fn new(seconds: i64) -> Result<Self, Invalid> {
        match u8::try_from(seconds) {
            Ok(seconds @ 1..=30) => Ok(Self(seconds)),
            _ => Err(Invalid::new("must be 1 to 30")),
        }
    }

    /// Whether an attempt with this timeout can be made and recorded within `left`.
    pub fn fits(self, left: Duration) -> bool {
        left >= self.duration() + RECORDING
    }

    /// The number of seconds.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The timeout as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

/// Headers that an endpoint's owner adds to each request. Values may be credentials, so `Debug` prints only the
/// names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, String>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

const MAX_HEADERS: usize = 16;
const MAX_HEADER_BYTES: usize = 1_024;
/// Headers that the delivery sets itself, or that would misdescribe its body or its connection.
pub const REFUSED_HEADERS: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Prefixes of further headers that owners cannot set.
pub const REFUSED_HEADER_PREFIXES: [&str; 3] = ["proxy-", "webhook-", "x-webhook-"];

impl Headers {
    /// Validates names and values. Names keep their case.
    ///
    /// # Errors
    /// [`Invalid`] naming the first header that is malformed, too long, duplicated, or that the receiver would not
    /// get exactly as given.
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

    /// Headers that were accepted earlier. They are not validated.
    pub fn stored(headers: BTreeMap<String, String>) -> Self {
        Self(headers)
    }

    /// The names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The headers as a map.
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
            "must have values of at most {MAX_HEADER_BYTES} bytes, but that of {name} is longer"
        )));
    }
    // The value may be a credential, so no message contains it.
    if value.trim_matches([' ', '\t']) != value {
        return Err(Invalid::new(format!(
            "must have values without leading and trailing spaces and tabs, which HTTP removes, but that of {name} has some"
        )));
    }
    HeaderValue::from_str(value)
        .map(|_| ())
        .map_err(|_| Invalid::new(format!("must have valid header values, but that of {name} is invalid")))
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
    fn an_attempt_fits_if_its_timeout_and_one_more_second_are_left() {
        let (longest, left) = (TimeoutSeconds::new(30).unwrap(), Duration::from_millis);
        for (timeout, millis, fits) in [
            (TimeoutSeconds::SHORTEST, 2_000, true),
            (TimeoutSeconds::SHORTEST, 1_999, false),
            (longest, 31_000, true),
            (longest, 30_999, false),
        ] {
            assert_eq!(timeout.fits(left(millis)), fits, "{timeout:?} in {millis} ms");
        }
    }

    #[test]
    fn an_owner_cannot_set_headers_that_the_delivery_sets() {
        let one = |name: &str, value: &str| Headers::new([(name.to_owned(), value.to_owned())]);
        for name in ["Authorization", "X-Tenant", "accept", "User-Agent", "Accept-Encoding", "content-language"] {
            assert!(one(name, "value").is_ok(), "{name}");
        }
        let own = ["Proxy-Authorization", "webhook-id", "X-Webhook-Event", "CONTENT-TYPE"];
        for name in own.iter().chain(&REFUSED_HEADERS) {
            assert!(one(name, "value").unwrap_err().0.contains(name), "{name}");
        }
        for name in ["a b", "", "é", "a:", "(a)"] {
            assert!(one(name, "value").is_err(), "{name}");
        }
    }

    #[test]
    fn only_header_values_that_arrive_unchanged_are_accepted() {
        let one = |name: &str, value: &str| Headers::new([(name.to_owned(), value.to_owned())]);
        for value in ["", "a", "a b", "a\tb", "caf\u{e9}", "\u{1f426}", "\"quoted\"", &"v".repeat(1_024)] {
            assert!(one("x", value).is_ok(), "{value:?}");
        }
        for value in [" a", "a ", "\ta", "a\t", " ", "a\r\nb: c", "a\nb", "a\0b", "a\x7fb", &"v".repeat(1_025)] {
            assert!(one("x", value).is_err(), "{value:?}");
        }
        for value in ["secret\n", "secret "] {
            let refusal = one("x-token", value).unwrap_err();
            assert!(refusal.0.contains("x-token") && !refusal.0.contains("secret"), "{refusal:?}");
        }
    }

    #[test]
    fn headers_are_at_most_16_with_different_names() {
        assert!(Headers::new((0..16).map(|i| (format!("x-{i}"), String::new()))).is_ok());
        assert!(Headers::new((0..17).map(|i| (format!("x-{i}"), String::new()))).is_err());
        assert!(Headers::new([("X-A".into(), String::new()), ("x-a".into(), String::new())]).is_err());
    }

    #[test]
    fn stored_headers_stay_readable() {
        let stored = BTreeMap::from([("Keep-Alive".to_owned(), " 5".to_owned())]);
        assert!(Headers::new(stored.clone()).is_err());
        assert_eq!(Headers::stored(stored.clone()).as_map(), &stored);
    }
}
