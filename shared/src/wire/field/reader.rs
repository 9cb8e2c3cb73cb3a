//! Validates fields.

use super::{Field, Kind};
use crate::domain::Invalid;
use crate::wire::error::Problem;

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
