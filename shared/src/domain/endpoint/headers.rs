//! Headers that an endpoint's owner adds to every request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use http::header::{HeaderName, HeaderValue};

use crate::domain::Invalid;
use crate::domain::encryption::Confidential;

/// Headers that an endpoint's owner adds to each request. Values may be credentials, so `Debug` prints only the
/// names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, Confidential>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

const MAX_HEADERS: usize = 16;

/// Most bytes of a name.
const MAX_NAME_BYTES: usize = 1_024;
/// Most bytes of a value.
const MAX_VALUE_BYTES: usize = 4_096;
/// Most bytes of all names and values. Each attempt at an endpoint, and each list of endpoints, reads them.
const MAX_BYTES: usize = 32 * 1_024;

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
pub const REFUSED_HEADER_PREFIXES: [&str; 4] = ["proxy-", "svix-", "webhook-", "x-webhook-"];

impl Headers {
    /// Validates names and values. Names keep their case.
    ///
    /// # Errors
    /// [`Invalid`] naming the first header that is malformed, too long, duplicated, or that the receiver would not
    /// get exactly as given.
    pub fn new(headers: impl IntoIterator<Item = (String, String)>) -> Result<Self, Invalid> {
        let headers: BTreeMap<String, String> = headers.into_iter().collect();
        if headers.len() > MAX_HEADERS {
            return Err(Invalid::new(format!("must have at most {MAX_HEADERS} entries")));
        }
        let mut seen = BTreeSet::new();
        for (name, value) in &headers {
            check_header(name, value)?;
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(Invalid::new(format!("must not name {name} twice")));
            }
        }
        check_size(headers.iter().map(|(name, value)| name.len() + value.len()).sum())?;
        Ok(Self(headers.into_iter().map(|(name, value)| (name, Confidential::readable(value))).collect()))
    }

    /// Headers that were accepted earlier. They are not validated.
    pub const fn stored(headers: BTreeMap<String, Confidential>) -> Self {
        Self(headers)
    }

    /// The names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Confidential)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The headers with values that `change` makes of name and value.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn try_map<E>(
        &self,
        mut change: impl FnMut(&str, &Confidential) -> Result<Confidential, E>,
    ) -> Result<Self, E> {
        let changed = self.0.iter().map(|(name, value)| Ok((name.clone(), change(name, value)?)));
        changed.collect::<Result<_, E>>().map(Self)
    }
}

/// A change of some headers. Names are compared without case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Headers to set.
    pub set: Headers,
    /// Names of headers to remove, in lower case.
    pub removed: BTreeSet<String>,
}

impl Headers {
    /// The headers after a change. The values of others stay as they are, readable or encrypted.
    ///
    /// # Errors
    /// [`Invalid`] if there are too many.
    pub fn changed(&self, changes: &HeaderChanges) -> Result<Self, Invalid> {
        let set: BTreeSet<_> = changes.set.0.keys().map(|name| name.to_ascii_lowercase()).collect();
        let stays = |name: &str| {
            let lower = name.to_ascii_lowercase();
            !set.contains(&lower) && !changes.removed.contains(&lower)
        };
        let kept = self.0.iter().filter(|(name, _)| stays(name));
        let headers: BTreeMap<_, _> =
            kept.chain(&changes.set.0).map(|(name, value)| (name.clone(), value.clone())).collect();
        if headers.len() > MAX_HEADERS {
            return Err(Invalid::new(format!("must have at most {MAX_HEADERS} entries")));
        }
        check_size(headers.iter().map(|(name, value)| name.len() + value.text_bytes()).sum())?;
        Ok(Self(headers))
    }
}

fn check_size(bytes: usize) -> Result<(), Invalid> {
    match bytes {
        ..=MAX_BYTES => Ok(()),
        _ => Err(Invalid::new(format!("must have at most {MAX_BYTES} bytes of names and values"))),
    }
}

fn check_header(name: &str, value: &str) -> Result<(), Invalid> {
    let lower = name.to_ascii_lowercase();
    if name.len() > MAX_NAME_BYTES || HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(Invalid::new(format!("must have valid header names, not {:?}", shorten(name))));
    }
    if REFUSED_HEADERS.contains(&lower.as_str()) || REFUSED_HEADER_PREFIXES.iter().any(|p| lower.starts_with(p)) {
        return Err(Invalid::new(format!("must not set {name}, which the delivery sets itself")));
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(Invalid::new(format!(
            "must have values of at most {MAX_VALUE_BYTES} bytes, but that of {name} is longer"
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
    fn an_owner_cannot_set_headers_that_the_delivery_sets() {
        let one = |name: &str, value: &str| Headers::new([(name.to_owned(), value.to_owned())]);
        for name in ["Authorization", "X-Tenant", "accept", "User-Agent", "Accept-Encoding", "content-language"] {
            assert!(one(name, "value").is_ok(), "{name}");
        }
        let own = ["Proxy-Authorization", "Svix-Id", "webhook-id", "X-Webhook-Event", "CONTENT-TYPE"];
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
        for value in ["", "a", "a b", "a\tb", "caf\u{e9}", "\u{1f426}", "\"quoted\"", &"v".repeat(4_096)] {
            assert!(one("x", value).is_ok(), "{value:?}");
        }
        for value in [" a", "a ", "\ta", "a\t", " ", "a\r\nb: c", "a\nb", "a\0b", "a\x7fb", &"v".repeat(4_097)] {
            assert!(one("x", value).is_err(), "{value:?}");
        }
        for value in ["secret\n", "secret "] {
            let refusal = one("x-token", value).unwrap_err();
            assert!(refusal.0.contains("x-token") && !refusal.0.contains("secret"), "{refusal:?}");
        }
    }

    #[test]
    fn names_and_values_have_at_most_32_kib_together() {
        let value = "v".repeat(4_094);
        let of = |count: usize| (0..count).map(|number| (format!("x{number}"), value.clone()));
        let full = Headers::new(of(8)).unwrap();
        assert!(Headers::new(of(8).chain([("y".to_owned(), String::new())])).is_err());
        let set = Headers::new([("y".to_owned(), String::new())]).unwrap();
        let with = HeaderChanges { set, removed: BTreeSet::new() };
        assert!(full.changed(&with).is_err());
        assert!(full.changed(&HeaderChanges { removed: BTreeSet::from(["x0".to_owned()]), ..with }).is_ok());
    }

    #[test]
    fn headers_are_at_most_16_with_different_names() {
        assert!(Headers::new((0..16).map(|i| (format!("x-{i}"), String::new()))).is_ok());
        assert!(Headers::new((0..17).map(|i| (format!("x-{i}"), String::new()))).is_err());
        assert!(Headers::new([("X-A".into(), String::new()), ("x-a".into(), String::new())]).is_err());
    }

    #[test]
    fn a_change_sets_and_removes_headers_and_keeps_the_others() {
        let headers = |names: &[(&str, &str)]| {
            Headers::new(names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap()
        };
        let before = headers(&[("X-A", "1"), ("x-b", "2"), ("x-c", "3")]);
        let changes = HeaderChanges { set: headers(&[("x-a", "9")]), removed: BTreeSet::from(["x-b".to_owned()]) };
        assert_eq!(before.changed(&changes), Ok(headers(&[("x-a", "9"), ("x-c", "3")])));
        assert_eq!(before.changed(&HeaderChanges::default()), Ok(before.clone()));
        let many: Vec<_> = (0..16).map(|number| format!("y-{number}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert!(before.changed(&HeaderChanges { set: headers(&many), removed: BTreeSet::new() }).is_err());
    }

    #[test]
    fn stored_headers_stay_readable() {
        assert!(Headers::new([("Keep-Alive".to_owned(), " 5".to_owned())]).is_err());
        let stored = Headers::stored(BTreeMap::from([("Keep-Alive".to_owned(), Confidential::readable(" 5"))]));
        assert_eq!(
            stored.iter().map(|(name, value)| (name, value.as_text())).collect::<Vec<_>>(),
            [("Keep-Alive", Some(" 5"))]
        );
    }
}
