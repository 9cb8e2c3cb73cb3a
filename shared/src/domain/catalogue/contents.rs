//! The schema and the example of a type.

use serde_json::Value;

use crate::domain::Invalid;
use crate::domain::event::MAX_DATA_LEVELS;
use crate::domain::schema::{Schema, SchemaError, Violation};

/// Most bytes of an example.
pub const MAX_EXAMPLE_BYTES: usize = 64 * 1024;

/// The JSON text of a valid schema, without whitespace between its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaText(String);

impl SchemaText {
    /// Compiles the schema, and keeps its text.
    ///
    /// # Errors
    /// [`Invalid`], beginning with the JSON Pointer of the first fault.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::compiled(text).map(|(text, _)| text)
    }

    /// As [`SchemaText::parse`], with the compiled schema.
    ///
    /// # Errors
    /// As [`SchemaText::parse`].
    pub fn compiled(text: &str) -> Result<(Self, Schema), Invalid> {
        let schema = Schema::compile(text).map_err(|error| placed(&error.pointer, &error.reason))?;
        Ok((Self(compact(text)), schema))
    }

    /// A stored text.
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compiles the schema.
    ///
    /// # Errors
    /// [`SchemaError`] if a stored text is no longer accepted.
    pub fn compile(&self) -> Result<Schema, SchemaError> {
        Schema::compile(&self.0)
    }
}

/// The JSON text of an example: an object, as the data of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example(String);

impl Example {
    /// Checks the form of an example, and keeps its text.
    ///
    /// # Errors
    /// [`Invalid`] if it is not an object, or is too large or too deep.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > MAX_EXAMPLE_BYTES {
            return Err(Invalid::new(format!("must be at most {MAX_EXAMPLE_BYTES} bytes")));
        }
        if !text.trim_ascii_start().starts_with('{') || serde_json::from_str::<Value>(text).is_err() {
            return Err(Invalid::new("must be a JSON object"));
        }
        if levels(text) > MAX_DATA_LEVELS {
            return Err(Invalid::new(format!("must have at most {MAX_DATA_LEVELS} levels of objects and arrays")));
        }
        Ok(Self(compact(text)))
    }

    /// A stored text.
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks that the example satisfies a schema.
    ///
    /// # Errors
    /// The violations, each beginning with the JSON Pointer of its place in the example.
    pub fn check(&self, schema: &Schema) -> Result<(), Vec<Invalid>> {
        let invalid = |it: &Violation| placed(&it.pointer, &it.message);
        schema.validate_example(&self.0).map_err(|violations| violations.iter().map(invalid).collect())
    }
}

/// What a version of a type contains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The schema of the data.
    pub schema: Option<SchemaText>,
    /// An example of the data.
    pub example: Option<Example>,
}

impl Contents {
    /// Checks that the example satisfies the schema.
    ///
    /// # Errors
    /// The violations, each beginning with the JSON Pointer of its place in the example.
    pub fn check(&self) -> Result<(), Vec<Invalid>> {
        let (Some(schema), Some(example)) = (&self.schema, &self.example) else { return Ok(()) };
        match schema.compile() {
            Ok(schema) => example.check(&schema),
            // The schema was compiled when it was parsed.
            Err(_) => Ok(()),
        }
    }

    /// Whether both are the same JSON. The order of an object's names makes no difference.
    pub fn is_same(&self, other: &Self) -> bool {
        let texts = |it: &Self| (it.schema.as_ref().map(|it| json(&it.0)), it.example.as_ref().map(|it| json(&it.0)));
        self == other || texts(self) == texts(other)
    }
}

fn placed(pointer: &str, reason: &str) -> Invalid {
    Invalid::new(if pointer.is_empty() { reason.to_owned() } else { format!("{pointer} {reason}") })
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// The characters of a JSON text that are not whitespace between its parts, each with whether it is in a string.
fn significant(json: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut in_string, mut is_escaped) = (false, false);
    json.chars().filter_map(move |c| {
        let was_in_string = in_string;
        if in_string {
            in_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
        } else {
            in_string = c == '"';
        }
        (was_in_string || !c.is_ascii_whitespace()).then_some((c, was_in_string))
    })
}

fn compact(json: &str) -> String {
    significant(json).map(|(c, _)| c).collect()
}

/// The depth of nested objects and arrays.
fn levels(json: &str) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    for (c, _) in significant(json).filter(|(_, in_string)| !in_string) {
        match c {
            '{' | '[' => level += 1,
            '}' | ']' => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_everything_but_whitespace_between_their_parts() {
        let text = "{ \"a b\" :\t[1.10, \"x \\\" y\" ],\n\"é\\\\\": { } }";
        assert_eq!(Example::parse(text).unwrap().as_str(), "{\"a b\":[1.10,\"x \\\" y\"],\"é\\\\\":{}}");
        assert_eq!(SchemaText::parse("\n true ").unwrap().as_str(), "true");
    }

    #[test]
    fn examples_are_objects_of_limited_size_and_depth() {
        let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        let long = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        for (text, allowed) in [
            ("{}".to_owned(), true),
            ("[]".to_owned(), false),
            ("1".to_owned(), false),
            ("{".to_owned(), false),
            ("{}{".to_owned(), false),
            (nested(MAX_DATA_LEVELS), true),
            (nested(MAX_DATA_LEVELS + 1), false),
            (format!("{{\"a\":\"{}\"}}", "[".repeat(100)), true),
            (long(MAX_EXAMPLE_BYTES), true),
            (long(MAX_EXAMPLE_BYTES + 1), false),
        ] {
            assert_eq!(Example::parse(&text).is_ok(), allowed, "{text:.40}");
        }
    }

    #[test]
    fn an_example_must_satisfy_its_schema() {
        let contents = |schema: &str, example: &str| Contents {
            schema: SchemaText::parse(schema).ok(),
            example: Example::parse(example).ok(),
        };
        assert_eq!(contents(r#"{"required": ["a"]}"#, r#"{"a": 1}"#).check(), Ok(()));
        let violations = contents(r#"{"properties": {"a": {"type": "string"}}}"#, r#"{"a": 1}"#).check().unwrap_err();
        assert!(violations[0].0.starts_with("/a must be"), "{violations:?}");
        assert_eq!(Contents::default().check(), Ok(()));
    }

    #[test]
    fn the_order_of_names_makes_no_difference() {
        let example = |text: &str| Contents { example: Example::parse(text).ok(), ..Contents::default() };
        assert!(example(r#"{"a": 1, "b": [1, 2]}"#).is_same(&example(r#"{"b": [1, 2], "a": 1}"#)));
        assert!(!example(r#"{"b": [1, 2]}"#).is_same(&example(r#"{"b": [2, 1]}"#)));
        assert!(!example("{}").is_same(&Contents::default()));
    }
}
