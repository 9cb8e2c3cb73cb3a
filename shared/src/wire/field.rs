//! One field of a request body. Reading it never fails at once, so that everything that is wrong
//! with a body can be reported together.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::error::Problem;
use super::keyed::Keyed;
use crate::domain::Invalid;
use crate::domain::endpoint::WantedStatus;
use crate::domain::event_type::{Catalogue, MAX_SUBSCRIPTIONS, Subscription};

/// A field as it was sent. It may be a secret, so its value is not printed.
#[derive(Default)]
pub enum Field<T> {
    /// Not at all.
    #[default]
    Absent,
    /// As `null`.
    Null,
    /// With a value of the right kind.
    Value(T),
    /// With a value of another kind.
    WrongKind,
    /// With an object that has this key twice.
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

/// A kind of JSON value.
pub trait Kind: DeserializeOwned {
    /// What a value of another kind is told: "must be a string".
    const EXPECTED: &'static str;

    /// The value, if it is of this kind.
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

/// To JSON, `1.0` is as whole as `1`. Beyond 2^53 a fraction could not be told.
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

/// For the OpenAPI document alone, which asks what a field is that was not sent.
impl<T> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

/// Reads fields one after the other, and remembers what is wrong with them.
#[derive(Debug, Default)]
pub struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    /// A field that must be there.
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

    /// A field that may be absent or `null`.
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

    /// A field of a change that cannot be cleared.
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

    /// A field of a change that `null` clears.
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

    /// A value that was read already.
    pub fn check<U>(&mut self, name: &str, value: Result<U, impl ToString>) -> Option<U> {
        value.map_err(|invalid| self.problem(name, invalid)).ok()
    }

    /// Something is wrong with a field.
    pub fn problem(&mut self, name: &str, message: impl ToString) {
        self.problems.push(Problem::new(name, message));
    }

    /// What was built from the fields, if all of them made sense.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub fn finish<T>(self, built: Option<T>) -> Result<T, Vec<Problem>> {
        match built {
            Some(built) if self.problems.is_empty() => Ok(built),
            _ => Err(self.problems),
        }
    }
}

/// Parses each entry of an array, naming the one that is wrong.
///
/// # Errors
/// [`Invalid`] for the first entry that is refused.
pub fn each<T>(entries: &[String], parse: impl Fn(&str) -> Result<T, Invalid>) -> Result<Vec<T>, Invalid> {
    let one = |(index, entry): (usize, &String)| {
        parse(entry).map_err(|Invalid(reason)| Invalid(format!("[{index}] {reason}")))
    };
    entries.iter().enumerate().map(one).collect()
}

/// Reads the status that an endpoint is to have.
///
/// # Errors
/// [`Invalid`] naming those there are.
pub fn wanted_status(status: String) -> Result<WantedStatus, Invalid> {
    match status.as_str() {
        "active" => Ok(WantedStatus::Active),
        "paused" => Ok(WantedStatus::Paused),
        "disabled" => Ok(WantedStatus::Disabled),
        _ => Err(Invalid::new("must be active, paused or disabled")),
    }
}

/// Reads 1 to 64 different subscriptions.
///
/// # Errors
/// [`Invalid`] for none, too many, or the first that is malformed or not in the catalogue.
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
