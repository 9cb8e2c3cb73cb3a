//! Parsing of request bodies.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::error::Problem;
use crate::domain::event::MAX_DATA_LEVELS;

/// The UTF-8 byte order mark. RFC 8259 allows parsers to ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The message for a body that is JSON, but not an object.
const NOT_AN_OBJECT: &str = "the body must be a JSON object";

/// The body is not a JSON object. The message contains the reason and the position.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidJson(pub String);

/// A deserialized body and its unknown fields.
#[derive(Debug)]
pub struct Parsed<T> {
    fields: T,
    unknown: Vec<Problem>,
}

impl<T> Parsed<T> {
    /// The fields, which are not validated.
    pub const fn fields(&self) -> &T {
        &self.fields
    }

    /// Validates the fields with `read`.
    ///
    /// # Errors
    /// All problems of the body, including its unknown fields.
    pub fn read<U>(self, read: impl FnOnce(T) -> Result<U, Vec<Problem>>) -> Result<U, Vec<Problem>> {
        let mut problems = self.unknown;
        match read(self.fields) {
            Ok(built) if problems.is_empty() => return Ok(built),
            Ok(_) => {}
            Err(wrong) => problems.extend(wrong),
        }
        Err(problems)
    }

    /// Validates the fields with `read`, and ignores unknown ones.
    ///
    /// # Errors
    /// All problems of the known fields.
    pub fn read_known<U>(self, read: impl FnOnce(T) -> Result<U, Vec<Problem>>) -> Result<U, Vec<Problem>> {
        read(self.fields)
    }
}

/// Parses a JSON object. An empty body counts as an empty object, and a leading byte order mark is ignored.
///
/// # Errors
/// [`InvalidJson`] if the body is not a JSON object.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Parsed<T>, InvalidJson> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    // A derived `Deserialize` accepts an array of the fields' values.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(InvalidJson(NOT_AN_OBJECT.to_owned()));
    }
    let mut unknown = BTreeSet::new();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let fields = serde_ignored::deserialize(&mut json, |path| {
        unknown.insert(path.to_string());
    });
    let fields = fields.and_then(|fields| json.end().map(|()| fields)).map_err(|e| invalid_json(&e))?;
    let unknown = unknown.into_iter().map(|name| Problem::new(name, "is not a known field")).collect();
    Ok(Parsed { fields, unknown })
}

fn invalid_json(error: &serde_json::Error) -> InvalidJson {
    InvalidJson(match error.classify() {
        Category::Data if error.to_string().starts_with("invalid type") => NOT_AN_OBJECT.to_owned(),
        // The messages of serde_json end with "at line L column C".
        _ => format!("the body is not valid JSON: {error}"),
    })
}

/// A JSON object that is passed on byte for byte, or a string.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct RawObject(Option<Box<RawValue>>);

impl RawObject {
    /// The object's text; `None` if the field is absent or null.
    ///
    /// # Errors
    /// The reason, as a phrase, if the value is not an object or has more than [`MAX_DATA_LEVELS`] levels.
    pub fn text(&self) -> Result<Option<&str>, String> {
        match self.0.as_deref().map(RawValue::get) {
            Some(text) if !text.starts_with('{') => Err("must be a JSON object".to_owned()),
            Some(text) if levels(text) > MAX_DATA_LEVELS => {
                Err(format!("must have at most {MAX_DATA_LEVELS} levels of objects and arrays"))
            }
            text => Ok(text),
        }
    }

    /// The text of a string in the object's place; `None` if the field is absent or null.
    ///
    /// # Errors
    /// The reason, as a phrase, if the value is not a string of Unicode characters.
    pub fn string(&self) -> Result<Option<String>, String> {
        let Some(value) = self.0.as_deref() else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|_| "must be a string".to_owned())
    }
}

/// The depth of nested objects and arrays in a JSON text. It is computed without recursion, since the depth is not
/// limited yet.
fn levels(json: &str) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                level += 1;
                deepest = deepest.max(level);
            }
            b'}' | b']' => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(default)]
    struct Sample {
        name: Field<String>,
        count: Field<i64>,
        data: RawObject,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self { name: Field::Absent, count: Field::Absent, data: RawObject(None) }
        }
    }

    #[test]
    fn fields_are_deserialized_independently() {
        let sample: Sample = parse(br#"{"name": null, "count": "x", "data": {"a":  1.10}}"#).unwrap().fields;
        assert!(matches!((sample.name, sample.count), (Field::Null, Field::WrongKind)));
        assert_eq!(sample.data.text(), Ok(Some(r#"{"a":  1.10}"#)));
        let empty: Sample = parse(b"").unwrap().fields;
        assert!(matches!(empty.name, Field::Absent));
        assert_eq!(empty.data.text(), Ok(None));
    }

    #[test]
    fn every_unknown_field_is_named() {
        let parsed = parse::<Sample>(br#"{"nam": 1, "name": "x", "z": {}}"#).unwrap();
        let problems = parsed.read::<()>(|_| Err(vec![Problem::new("name", "is too short")])).unwrap_err();
        let names: Vec<_> = problems.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(names, ["nam", "z", "name"]);
        assert!(parse::<Sample>(b"{\"z\": 1}").unwrap().read(Ok).is_err());
        assert!(parse::<Sample>(b"{}").unwrap().read(Ok).is_ok());
    }

    #[test]
    fn an_error_for_a_body_that_is_not_a_json_object_states_position_and_reason() {
        let message = |body: &[u8]| parse::<Sample>(body).unwrap_err().0;
        for body in ["[]", "1", "\"x\"", "null"] {
            assert_eq!(message(body.as_bytes()), "the body must be a JSON object", "{body}");
        }
        assert!(message(b"{\n  \"name\": }").ends_with("at line 2 column 11"));
        assert!(message(b"{\"name\": \"x\"").contains("EOF"));
        assert!(message(b"{\"name\": 1, \"name\": 2}").contains("duplicate field"));
        let deep = format!("{{\"name\": {}{}}}", "[".repeat(200), "]".repeat(200));
        assert!(message(deep.as_bytes()).contains("recursion limit"));
    }

    #[test]
    fn a_byte_order_mark_before_the_body_is_ignored() {
        let marked = |body: &str| parse::<Sample>(format!("\u{feff}{body}").as_bytes());
        assert!(matches!(marked(r#"{"count": 7}"#).unwrap().fields.count, Field::Value(7)));
        assert!(matches!(marked("").unwrap().fields.count, Field::Absent));
        assert!(marked("\u{feff}{}").is_err());
    }

    #[test]
    fn data_has_at_most_64_levels() {
        let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        let mixed = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        let read = |data: &str| {
            let sample: Sample = parse(format!("{{\"data\": {data}}}").as_bytes()).unwrap().fields;
            sample.data.text().map(|text| text.map(str::to_owned))
        };
        let refusal = Err("must have at most 64 levels of objects and arrays".to_owned());
        for (data, allowed) in [
            (nested(64), true),
            (nested(65), false),
            (mixed(64), true),
            (mixed(65), false),
            (mixed(100_000), false),
            (format!("{{\"a\": \"{}\"}}", "[{".repeat(100)), true),
            (format!("{{\"a\\\"{}\": {{}}}}", "[{".repeat(100)), true),
            (format!("{{\"a\": [{}]}}", vec!["{}"; 100].join(",")), true),
            (format!("{{\"\\\\\": {}}}", nested(64)), false),
        ] {
            let expected = if allowed { Ok(Some(data.clone())) } else { refusal.clone() };
            assert_eq!(read(&data), expected);
        }
    }
}
