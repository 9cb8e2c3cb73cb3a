//! A field of a request body. Deserializing a field never fails, so that one response can report all problems of a
//! body.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::Problem;
use super::keyed::Keyed;
use crate::domain::Invalid;
use crate::domain::endpoint::WantedStatus;
use crate::domain::endpoint::subscription::{MAX_SUBSCRIPTIONS, Subscription};
use crate::domain::event::event_type::Catalogue;

/// Most characters of an event type in the dialects other than `organizations`.
pub(crate) const MAX_NARROW_CHARS: usize = 128;

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

/// A body that names event types, which the catalogue must allow.
pub trait NamesTypes {
    /// The types or subscriptions as the request has them; none if it does not name any.
    fn types(&self) -> &[String];
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

/// Validates fields and collects their problems.
#[derive(Debug, Default)]
pub struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    /// Validates a field that must be present.
    pub fn required<T: Kind, U>(
        &mut self,
        name: &str,
        field: Field<T>,
        parse: impl FnOnce(T) -> Result<U, Invalid>,
    ) -> Option<U> {
        if matches!(field, Field::Absent | Field::Null) {
            self.problem(name, "is required");
            return None;
        }
        self.optional(name, field, parse)
    }

    /// Validates a field that may be absent or `null`.
    pub fn optional<T: Kind, U>(
        &mut self,
        name: &str,
        field: Field<T>,
        parse: impl FnOnce(T) -> Result<U, Invalid>,
    ) -> Option<U> {
        match field {
            Field::Absent | Field::Null => None,
            Field::Value(value) => self.check(name, parse(value)),
            Field::WrongKind => {
                self.problem(name, T::EXPECTED);
                None
            }
            Field::Repeated(key) => {
                self.problem(name, format!("must not have {key:?} twice"));
                None
            }
        }
    }

    /// Validates a field of a change that cannot be `null`.
    pub fn changed<T: Kind, U>(
        &mut self,
        name: &str,
        field: Field<T>,
        parse: impl FnOnce(T) -> Result<U, Invalid>,
    ) -> Option<U> {
        if matches!(field, Field::Null) {
            self.problem(name, "must not be null");
            return None;
        }
        self.optional(name, field, parse)
    }

    /// Validates a field of a change that `null` resets. `Some(None)` stands for `null`.
    pub fn cleared<T: Kind, U>(
        &mut self,
        name: &str,
        field: Field<T>,
        parse: impl FnOnce(T) -> Result<U, Invalid>,
    ) -> Option<Option<U>> {
        match field {
            Field::Null => Some(None),
            other => self.optional(name, other, parse).map(Some),
        }
    }

    /// Records the problem of a value that is already validated.
    pub fn check<U>(&mut self, name: &str, value: Result<U, impl ToString>) -> Option<U> {
        value.map_err(|invalid| self.problem(name, invalid)).ok()
    }

    /// Records a problem of a field.
    pub fn problem(&mut self, name: &str, message: impl ToString) {
        self.problems.push(Problem::new(name, message));
    }

    /// Returns the value that was built from the fields, if there are no problems.
    ///
    /// # Errors
    /// All recorded problems.
    pub fn finish<T>(self, built: Option<T>) -> Result<T, Vec<Problem>> {
        match built {
            Some(built) if self.problems.is_empty() => Ok(built),
            _ => Err(self.problems),
        }
    }
}

/// Parses each entry of an array. An error contains the index of the entry.
///
/// # Errors
/// [`Invalid`] for the first invalid entry.
pub fn each<T>(entries: &[String], parse: impl Fn(&str) -> Result<T, Invalid>) -> Result<Vec<T>, Invalid> {
    let one = |(index, entry): (usize, &String)| {
        parse(entry).map_err(|Invalid(reason)| Invalid(format!("[{index}] {reason}")))
    };
    entries.iter().enumerate().map(one).collect()
}

/// Parses the requested status of an endpoint.
///
/// # Errors
/// [`Invalid`] naming the possible values.
pub fn wanted_status(status: String) -> Result<WantedStatus, Invalid> {
    match status.as_str() {
        "active" => Ok(WantedStatus::Active),
        "paused" => Ok(WantedStatus::Paused),
        "disabled" => Ok(WantedStatus::Disabled),
        _ => Err(Invalid::new("must be active, paused or disabled")),
    }
}

/// Parses 1 to 64 subscriptions, and removes duplicates.
///
/// # Errors
/// [`Invalid`] if there are none or too many, or for the first one that is malformed or not in the catalogue.
pub fn subscriptions(types: &[String], catalogue: &Catalogue) -> Result<Vec<Subscription>, Invalid> {
    if types.is_empty() || types.len() > MAX_SUBSCRIPTIONS {
        return Err(Invalid::new(format!("must name 1 to {MAX_SUBSCRIPTIONS} event types")));
    }
    let mut wanted = each(types, |text| {
        let subscription = Subscription::parse(text)?;
        catalogue.check_subscribed(&subscription)?;
        Ok(subscription)
    })?;
    let mut seen = Vec::new();
    wanted.retain(|subscription| {
        let new = !seen.contains(subscription);
        seen.push(subscription.clone());
        new
    });
    Ok(wanted)
}

/// As [`subscriptions`], for the dialects whose event types have at most 128 characters and no hyphens.
///
/// # Errors
/// As [`subscriptions`], and for the first one that is longer or has a hyphen.
pub fn narrow_subscriptions(types: &[String], catalogue: &Catalogue) -> Result<Vec<Subscription>, Invalid> {
    each(types, |text| match text {
        _ if text.len() > MAX_NARROW_CHARS => {
            Err(Invalid::new(format!("must be at most {MAX_NARROW_CHARS} characters")))
        }
        _ if text.contains('-') => Err(Invalid::new(
            "must be segments of letters, digits and _ joined by dots, such as member.added, with * for any segment",
        )),
        _ => Ok(()),
    })?;
    subscriptions(types, catalogue)
}
