//! Metadata: string pairs that callers attach to their resources. The service stores and shows them.

use std::collections::BTreeMap;

use super::Invalid;

/// Most pairs of one resource.
pub const MAX_PAIRS: usize = 20;
/// Most bytes of all keys and values of one resource together.
pub const MAX_METADATA_BYTES: usize = 4 * 1024;

/// Pairs of strings with distinct, non-empty keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Checks the pairs.
    ///
    /// # Errors
    /// [`Invalid`] for more than [`MAX_PAIRS`] pairs, an empty key, or more than [`MAX_METADATA_BYTES`] in all.
    pub fn new(pairs: BTreeMap<String, String>) -> Result<Self, Invalid> {
        if pairs.len() > MAX_PAIRS {
            return Err(Invalid::new(format!("must have at most {MAX_PAIRS} pairs")));
        }
        if pairs.contains_key("") {
            return Err(Invalid::new("must not have an empty key"));
        }
        if pairs.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_METADATA_BYTES {
            return Err(Invalid::new(format!("must have at most {MAX_METADATA_BYTES} bytes of keys and values")));
        }
        Ok(Self(pairs))
    }

    /// Metadata as it was stored, without checks: the rules may have changed since.
    pub const fn stored(pairs: BTreeMap<String, String>) -> Self {
        Self(pairs)
    }

    /// The pairs, by key.
    pub const fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(count: usize, value: &str) -> BTreeMap<String, String> {
        (0..count).map(|index| (format!("{index:02}"), value.to_owned())).collect()
    }

    #[test]
    fn metadata_has_at_most_20_pairs_and_4_kib() {
        let long = |bytes: usize| BTreeMap::from([("k".to_owned(), "x".repeat(bytes - 1))]);
        for (pairs, allowed) in [
            (pairs(0, ""), true),
            (pairs(20, ""), true),
            (pairs(21, ""), false),
            (pairs(16, &"x".repeat(254)), true),
            (pairs(16, &"x".repeat(255)), false),
            (long(4_096), true),
            (long(4_097), false),
            (BTreeMap::from([("k".to_owned(), "é".repeat(2_047))]), true),
            (BTreeMap::from([("k".to_owned(), "é".repeat(2_048))]), false),
            (BTreeMap::from([(String::new(), "x".to_owned())]), false),
        ] {
            assert_eq!(Metadata::new(pairs.clone()).is_ok(), allowed, "{pairs:?}");
        }
    }
}
