//! From a schema's text to the compiled schema.

mod build;
mod check;
mod forms;
mod graph;
mod places;
mod references;
mod scopes;

use super::document::Json;
use super::document::parse::{ParseError, parse};
use super::draft::Draft;
use super::error::SchemaError;
use super::limits::{MAX_SCHEMA_BYTES, MAX_SCHEMA_LEVELS};
use super::pointer;
use super::program::Program;

/// Compiles a schema.
///
/// # Errors
/// [`SchemaError`] for the first fault.
pub(super) fn compile(text: &str) -> Result<Program, SchemaError> {
    if text.len() > MAX_SCHEMA_BYTES {
        return Err(SchemaError::new("", format!("must have at most {MAX_SCHEMA_BYTES} bytes")));
    }
    let document = parse(text, MAX_SCHEMA_LEVELS).map_err(|error| match error {
        ParseError::TooDeep { pointer } => {
            SchemaError::new(pointer, format!("must have at most {MAX_SCHEMA_LEVELS} levels of objects and arrays"))
        }
        ParseError::RepeatedName { pointer, name } => {
            SchemaError::new(pointer::joined(&pointer, &name), "must not have the same name twice")
        }
        ParseError::NumberOutOfRange { pointer } => {
            SchemaError::new(pointer, "must be a number in the range of 64-bit floating point")
        }
        ParseError::Syntax(reason) => SchemaError::new("", format!("must be JSON: {reason}")),
    })?;
    let draft = match document.get(document.root(), "$schema") {
        None => Draft::Draft202012,
        Some(node) => match document.value(node) {
            Json::Text(uri) => Draft::of_uri(uri).ok_or_else(|| {
                SchemaError::new("/$schema", "must be draft 2020-12, 2019-09, 7, 6 or 4 of JSON Schema")
            })?,
            _ => return Err(SchemaError::new("/$schema", "must be a string")),
        },
    };
    let mut program = build::build(places::Places::find(&document, draft)?)?;
    graph::check(&program)?;
    graph::mark(&mut program);
    Ok(program)
}
