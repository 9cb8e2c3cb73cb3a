//! JSON values with detection of duplicate keys.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// Most characters of a key that an error repeats.
const MAX_SHOWN_CHARS: usize = 64;

/// A JSON value and its first duplicate key. [`Value`] keeps the last one without an error.
pub(super) struct Keyed {
    pub(super) value: Value,
    /// The first key that occurs twice in one object, shortened; `None` if there is none.
    pub(super) repeated: Option<String>,
}

impl From<Value> for Keyed {
    fn from(value: Value) -> Self {
        Self { value, repeated: None }
    }
}

impl<'de> Deserialize<'de> for Keyed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyedVisitor)
    }
}

struct KeyedVisitor;

impl<'de> Visitor<'de> for KeyedVisitor {
    type Value = Keyed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Keyed, E> {
        Ok(Value::Null.into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Keyed, E> {
        Ok(Value::Bool(value).into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Keyed, E> {
        Ok(Value::from(value).into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Keyed, E> {
        Ok(Value::from(value).into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Keyed, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number).into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Keyed, E> {
        Ok(Value::from(value).into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Keyed, E> {
        Ok(Value::from(value).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Keyed, A::Error> {
        let (mut values, mut repeated) = (Vec::new(), None);
        while let Some(entry) = entries.next_element::<Keyed>()? {
            values.push(entry.value);
            repeated = repeated.or(entry.repeated);
        }
        Ok(Keyed { value: Value::Array(values), repeated })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Keyed, A::Error> {
        let (mut values, mut repeated) = (Map::new(), None);
        while let Some((key, entry)) = entries.next_entry::<String, Keyed>()? {
            if values.contains_key(&key) {
                repeated = repeated.or_else(|| Some(key.chars().take(MAX_SHOWN_CHARS).collect()));
            }
            repeated = repeated.or(entry.repeated);
            values.insert(key, entry.value);
        }
        Ok(Keyed { value: Value::Object(values), repeated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_duplicate_key_is_reported() {
        for (text, repeated) in [
            (r#"{"a": 1, "b": {"a": 2}}"#, None),
            (r#"[{"a": 1}, {"a": 1}]"#, None),
            (r#"{"a": 1, "A": 1}"#, None),
            (r#"{"a": 1, "a": 1}"#, Some("a")),
            (r#"{"a": 1, "\u0061": 1}"#, Some("a")),
            (r#"[0, {"x": {"b": [], "b": {}}}]"#, Some("b")),
        ] {
            let keyed: Keyed = serde_json::from_str(text).unwrap();
            assert_eq!(keyed.repeated.as_deref(), repeated, "{text}");
        }
        let long: Keyed = serde_json::from_str(&format!("{{\"{0}\": 1, \"{0}\": 2}}", "x".repeat(1_000))).unwrap();
        assert_eq!(long.repeated.unwrap().len(), MAX_SHOWN_CHARS);
    }

    #[test]
    fn values_equal_those_of_the_json_library() {
        for text in ["null", "true", "-1", "18446744073709551615", "1.5", "1e300", "\"x\"", r#"[1, {"a": [null]}]"#] {
            let keyed: Keyed = serde_json::from_str(text).unwrap();
            assert_eq!(keyed.value, serde_json::from_str::<Value>(text).unwrap());
        }
    }
}
