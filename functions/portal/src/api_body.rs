//! The body of the API's request that a form stands for, so that a form has the rules of the API.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use shared::edge::ApiError;
use shared::wire::body::{self, Parsed};
use shared::wire::error::Problem;

/// The fields of a body.
#[derive(Default)]
pub(crate) struct ApiBody {
    fields: BTreeMap<&'static str, Box<RawValue>>,
    problems: Vec<Problem>,
}

impl ApiBody {
    /// Sets a field.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Serialize) {
        if let Ok(value) = to_raw_value(&value) {
            self.fields.insert(name, value);
        }
    }

    /// Sets a field to a number, or to the text if it is none, which the API refuses.
    pub(crate) fn number(&mut self, name: &'static str, text: &str) {
        match text.parse::<i64>() {
            Ok(number) => self.set(name, number),
            Err(_) => self.set(name, text),
        }
    }

    /// Sets a field to JSON text, which stays as it is.
    pub(crate) fn json(&mut self, name: &'static str, text: &str) {
        match RawValue::from_string(text.to_owned()) {
            Ok(value) => drop(self.fields.insert(name, value)),
            Err(error) => self.problem(name, format!("is not valid JSON: {error}")),
        }
    }

    /// Records a problem that the API would not find.
    pub(crate) fn problem(&mut self, name: &str, message: impl ToString) {
        self.problems.push(Problem::new(name, message));
    }

    /// Parses the body as the API does.
    ///
    /// # Errors
    /// 400 with the problems.
    pub(crate) fn finish<T: DeserializeOwned>(self) -> Result<Parsed<T>, ApiError> {
        if !self.problems.is_empty() {
            return Err(ApiError::invalid(self.problems));
        }
        let text = serde_json::to_vec(&self.fields).unwrap_or_default();
        Ok(body::parse(&text)?)
    }
}
