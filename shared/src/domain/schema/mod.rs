//! JSON Schema for the data of events: drafts 2020-12, 2019-09, 7, 6 and 4.
//!
//! The schema's author is the platform, but a tenant sends the data, and a process serves many tenants. So every
//! validation has a number of steps, after which the data is refused, and a schema is limited such that ordinary data
//! stays far below it.
//!
//! `format` and the keywords `content…` are annotations and refuse nothing. Integers of 64 bits are exact. Other
//! numbers are 64-bit floating-point numbers, taken as their shortest decimals: 19.99 is a multiple of 0.01. Of a number with
//! more than 15 digits it is not always the nearest one, but at most the one beside it.

mod compile;
mod document;
mod draft;
mod error;
mod evaluate;
pub mod limits;
mod pattern;
mod pointer;
mod program;
#[cfg(test)]
mod tests;
mod uri;
mod violation;

use std::fmt;

use document::Document;
use document::parse::{ParseError, parse};
pub use draft::Draft;
pub use error::SchemaError;
use evaluate::budget::Budget;
use limits::{MAX_DATA_BYTES, MAX_DATA_LEVELS, MAX_EXAMPLE_STEPS, MAX_STEPS};
use pattern::Pattern;
use program::Program;
use violation::quoted;
pub use violation::{JSON, LIMIT, Violation};

/// A compiled schema has up to this many times the bytes of its text, without its patterns.
const BYTES_PER_TEXT: usize = 20;

/// A compiled schema.
pub struct Schema {
    program: Program,
    text_bytes: usize,
}

impl Schema {
    /// Compiles the JSON text of a schema. Its `$schema` names the draft; without one, it is 2020-12.
    ///
    /// # Errors
    /// [`SchemaError`] for the first fault: a keyword whose value has the wrong form, a reference to another
    /// document, or a limit in [`limits`].
    pub fn compile(text: &str) -> Result<Self, SchemaError> {
        Ok(Self { program: compile::compile(text)?, text_bytes: text.len() })
    }

    /// At most this many bytes of memory.
    pub fn bytes(&self) -> usize {
        let patterns = self.program.patterns.iter().map(Pattern::bytes).sum::<usize>();
        BYTES_PER_TEXT * self.text_bytes + patterns
    }

    /// The schema's draft.
    pub fn draft(&self) -> Draft {
        self.program.draft
    }

    /// Validates a JSON text.
    ///
    /// # Errors
    /// At most [`limits::MAX_VIOLATIONS`] violations. There is exactly one, with the rule [`LIMIT`], if the text or
    /// its validation exceeds a limit; and one with the rule [`JSON`] if the text is not JSON, or has a name twice in
    /// an object.
    pub fn validate_text(&self, text: &str) -> Result<(), Vec<Violation>> {
        self.validate_within(text, MAX_STEPS).map(|_| ())
    }

    /// Validates a text as the JSON string with this content.
    ///
    /// # Errors
    /// As [`Schema::validate_text`].
    pub fn validate_string(&self, text: &str) -> Result<(), Vec<Violation>> {
        let document = within_limit(text).map_err(|violation| vec![violation])?;
        let document = Document::of_text(document);
        evaluate::evaluate(&self.program, &document, &mut Budget::new(MAX_STEPS))
    }

    /// Validates a value, as [`Schema::validate_text`] does its text. The text is faster.
    ///
    /// # Errors
    /// As [`Schema::validate_text`].
    pub fn validate(&self, value: &serde_json::Value) -> Result<(), Vec<Violation>> {
        self.validate_text(&value.to_string())
    }

    /// Validates the example that is kept with the schema. It may take a tenth of the steps, so that data of the same
    /// kind is far below the limit.
    ///
    /// # Errors
    /// As [`Schema::validate_text`].
    pub fn validate_example(&self, text: &str) -> Result<(), Vec<Violation>> {
        self.validate_within(text, MAX_EXAMPLE_STEPS).map(|_| ())
    }

    /// Validates a text within a number of steps. Returns the steps that it took.
    fn validate_within(&self, text: &str, steps: u32) -> Result<u32, Vec<Violation>> {
        let document = parse_data(text).map_err(|violation| vec![violation])?;
        let mut budget = Budget::new(steps);
        evaluate::evaluate(&self.program, &document, &mut budget)?;
        Ok(steps - budget.left())
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({:?}, {} subschemas)", self.program.draft, self.program.schemas.len())
    }
}

fn within_limit(text: &str) -> Result<&str, Violation> {
    let too_large = || Violation::limit(String::new(), format!("must have at most {MAX_DATA_BYTES} bytes"));
    Some(text).filter(|text| text.len() <= MAX_DATA_BYTES).ok_or_else(too_large)
}

fn parse_data(text: &str) -> Result<Document<'_>, Violation> {
    parse(within_limit(text)?, MAX_DATA_LEVELS).map_err(|error| match error {
        ParseError::TooDeep { pointer } => {
            Violation::limit(pointer, format!("must have at most {MAX_DATA_LEVELS} levels of objects and arrays"))
        }
        ParseError::RepeatedName { pointer, name } => {
            Violation::json(pointer, format!("must not have the name {} twice", quoted(&name)))
        }
        ParseError::NumberOutOfRange { pointer } => {
            Violation::limit(pointer, "must be a number in the range of 64-bit floating point")
        }
        ParseError::Syntax(reason) => Violation::json(String::new(), format!("must be JSON: {reason}")),
    })
}
