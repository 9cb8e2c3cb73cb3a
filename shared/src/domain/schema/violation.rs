//! What is wrong with data.

use super::limits::{MAX_POINTER_BYTES, MAX_QUOTED_CHARS};

/// The rule of the violation that says that data or its validation exceeds a limit.
pub const LIMIT: &str = "limit";
/// The rule of the violation that says that data is not JSON, or JSON that parsers read differently.
pub const JSON: &str = "json";

/// A rule that data violates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The JSON Pointer of the place in the data; of a place that contains it if the pointer is longer than
    /// [`MAX_POINTER_BYTES`].
    pub pointer: String,
    /// The keyword, such as `required`; [`LIMIT`] or [`JSON`] if no keyword is violated.
    pub rule: String,
    /// The JSON Pointer of the keyword in the schema, with the same limit.
    pub schema_pointer: String,
    /// What is wrong, as a phrase that follows the place: "must be a string". It has at most [`MAX_QUOTED_CHARS`]
    /// characters of the data.
    pub message: String,
}

impl Violation {
    pub(crate) fn limit(pointer: String, message: impl Into<String>) -> Self {
        Self::without_keyword(LIMIT, pointer, message.into())
    }

    pub(crate) fn json(pointer: String, message: impl Into<String>) -> Self {
        Self::without_keyword(JSON, pointer, message.into())
    }

    fn without_keyword(rule: &str, pointer: String, message: String) -> Self {
        Self { pointer: shortened(pointer), rule: rule.to_owned(), schema_pointer: String::new(), message }
    }
}

/// The pointer, or that of the closest container whose pointer is short enough.
pub(crate) fn shortened(mut pointer: String) -> String {
    if pointer.len() > MAX_POINTER_BYTES {
        let start = pointer.as_bytes().get(..=MAX_POINTER_BYTES).unwrap_or_default();
        pointer.truncate(start.iter().rposition(|byte| *byte == b'/').unwrap_or_default());
    }
    pointer
}

/// A text in quotes, cut to [`MAX_QUOTED_CHARS`].
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        let long = "é".repeat(65);
        assert_eq!(quoted(&long), format!("\"{}\"…", "é".repeat(64)));
        assert_eq!(quoted("a\n"), r#""a\n""#);
        assert_eq!(shortened(format!("/a/{}", "x".repeat(1_022))), "/a");
        assert_eq!(shortened(format!("/a/{}", "x".repeat(1_021))).len(), 1_024);
        assert_eq!(shortened(format!("/{}", "é".repeat(2_000))), "");
    }
}
