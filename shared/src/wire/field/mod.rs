//! A field of a request body. Deserializing a field never fails, so that one response can report all problems of a
//! body.

mod endpoint;
mod reader;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) use endpoint::MAX_NARROW_CHARS;
pub use endpoint::{NamesTypes, narrow_subscriptions, subscriptions, wanted_status};
pub use reader::{Reader, each};

use super::keyed::Keyed;

/// The state of a field in a request. Its value may be a secret, so `Debug` is redacted.
#[derive(Default)]
pub enum Field<T> {
    /// The field is absent.
    #[default]
    Absent,
    /// The field is `null`.
    Null,
    /// The field has a value of the expected type.
    Value(T),
    /// The field has a value of another type.
    WrongKind,
    /// The field is an object in which this key occurs twice.
    Repeated(String),
}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Null => "Null",
            Self::Value(_) => "Value(…)",
            Self::WrongKind => "WrongKind",
            Self::Repeated(_) => "Repeated(…)",
        })
    }
}

impl<T> Field<T> {
    /// The value, if there is one of the expected type.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// An expected type of JSON value.
pub trait Kind: DeserializeOwned {
    /// The message for a value of another type, such as "must be a string".
    const EXPECTED: &'static str;

    /// The value; `None` if it has another type.
    fn read(value: Value) -> Option<Self> {
        serde_json::from_value(value).ok()
    }
}

impl Kind for String {
    const EXPECTED: &'static str = "must be a string";
}

impl Kind for bool {
    const EXPECTED: &'static str = "must be true or false";
}

impl Kind for i64 {
    const EXPECTED: &'static str = "must be a whole number";

    fn read(value: Value) -> Option<Self> {
        whole_number(&value)
    }
}

impl Kind for Vec<String> {
    const EXPECTED: &'static str = "must be an array of strings";
}

impl Kind for Vec<u32> {
    const EXPECTED: &'static str = "must be an array of whole numbers";

    fn read(value: Value) -> Option<Self> {
        value.as_array()?.iter().map(|entry| u32::try_from(whole_number(entry)?).ok()).collect()
    }
}

/// In JSON, `1.0` and `1` are the same number. From 2^53 on, an `f64` cannot represent fractions, so such numbers
/// are rejected.
fn whole_number(value: &Value) -> Option<i64> {
    let whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and in range")]
    value.as_i64().or_else(|| value.as_f64().filter(whole).map(|number| number as i64))
}

impl Kind for BTreeMap<String, String> {
    const EXPECTED: &'static str = "must be an object whose values are strings";
}

impl<'de, T: Kind> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Keyed::deserialize(deserializer)? {
            Keyed { repeated: Some(key), .. } => Ok(Self::Repeated(key)),
            Keyed { value: Value::Null, .. } => Ok(Self::Null),
            Keyed { value, .. } => Ok(T::read(value).map_or(Self::WrongKind, Self::Value)),
        }
    }
}

/// Only for the OpenAPI document, which contains the default of a field that is absent.
impl<T> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

/// A field whose JSON text is kept, because the numbers in it are exact.
#[derive(Debug, Default)]
pub enum RawField {
    /// The field is absent.
    #[default]
    Absent,
    /// The field is `null`.
    Null,
    /// The text of the field.
    Text(Box<RawValue>),
}

impl<'de> Deserialize<'de> for RawField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Ok(if text.get() == "null" { Self::Null } else { Self::Text(text) })
    }
}

/// Only for the OpenAPI document, which contains the default of a field that is absent.
impl Serialize for RawField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl RawField {
    /// Validates the text. `Some(None)` stands for `null`. A problem begins with the JSON Pointer of the faulty part.
    pub fn cleared<T, E: ToString>(
        self,
        name: &str,
        read: &mut Reader,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Text(text) => read.check(name, parse(text.get())).map(Some),
        }
    }
}
