//! Checks the form of a keyword's value, and finds the subschemas in it.

use super::forms::Form;
use crate::domain::schema::document::number::Number;
use crate::domain::schema::document::{Document, Json, NodeId};
use crate::domain::schema::draft::Draft;
use crate::domain::schema::error::SchemaError;
use crate::domain::schema::program::Types;

/// What a keyword's value contains.
#[derive(Default)]
pub(crate) struct Contents {
    /// The subschemas.
    pub(crate) schemas: Vec<NodeId>,
    /// The patterns: values or names.
    pub(crate) patterns: Vec<NodeId>,
    /// The number of elements of `enum`, `const`, and of lists of names.
    pub(crate) listed: usize,
}

/// Checks a value.
///
/// # Errors
/// [`SchemaError`] if it does not have the form.
pub(crate) fn contents(
    document: &Document<'_>,
    draft: Draft,
    form: Form,
    node: NodeId,
) -> Result<Contents, SchemaError> {
    let mut contents = Contents::default();
    let value = document.value(node);
    let has_form = match form {
        Form::Any => true,
        Form::Value => {
            contents.listed = values_in(document, node);
            true
        }
        Form::Text => matches!(value, Json::Text(_)),
        Form::Boolean => matches!(value, Json::Bool(_)),
        Form::Number => matches!(value, Json::Number(_)),
        Form::PositiveNumber => {
            matches!(value, Json::Number(Number::Natural(1..)))
                || matches!(value, Json::Number(Number::Float(n)) if *n > 0.0)
        }
        Form::Count => matches!(value, Json::Number(number) if number.as_count().is_some()),
        Form::Pattern => {
            contents.patterns.push(node);
            matches!(value, Json::Text(_))
        }
        Form::Types => types(document, node).is_some(),
        Form::Values => match value {
            Json::Array(array) => {
                contents.listed = values_in(document, node);
                array.count > 0 || draft > Draft::Draft6
            }
            _ => false,
        },
        Form::Names => {
            let names = names(document, node);
            contents.listed = names.as_ref().map_or(0, Vec::len);
            names.is_some_and(|names| !names.is_empty() || draft > Draft::Draft4)
        }
        Form::NameLists | Form::SchemaMap | Form::PatternMap | Form::SchemaOrNameListMap => {
            return contents_of_map(document, form, node);
        }
        Form::List => matches!(value, Json::Array(_)),
        Form::Object => matches!(value, Json::Object(_)),
        Form::Anchor => is_anchor(document.text(node)),
        Form::RecursiveReference => document.text(node) == "#",
        Form::Schema | Form::SchemaOrBoolean => {
            contents.schemas.push(node);
            true
        }
        Form::Schemas | Form::SchemaOrSchemas => match value {
            Json::Array(array) => {
                contents.schemas.extend(document.elements(*array));
                array.count > 0 || form == Form::SchemaOrSchemas
            }
            _ => {
                contents.schemas.push(node);
                form == Form::SchemaOrSchemas
            }
        },
    };
    if has_form { Ok(contents) } else { Err(SchemaError::new(document.pointer(node), form.phrase())) }
}

fn contents_of_map(document: &Document<'_>, form: Form, node: NodeId) -> Result<Contents, SchemaError> {
    let Json::Object(object) = document.value(node) else {
        return Err(SchemaError::new(document.pointer(node), form.phrase()));
    };
    let mut contents = Contents::default();
    for index in 0..object.count {
        let (name, value) = document.member(*object, index);
        let is_list = matches!(document.value(value), Json::Array(_));
        if form == Form::PatternMap {
            contents.patterns.push(name);
        }
        if form == Form::NameLists || form == Form::SchemaOrNameListMap && is_list {
            let names = names(document, value)
                .ok_or_else(|| SchemaError::new(document.pointer(value), Form::Names.phrase()))?;
            contents.listed += names.len() + 1;
        } else {
            contents.schemas.push(value);
        }
    }
    Ok(contents)
}

/// The names of an array of different names.
pub(crate) fn names<'d>(document: &'d Document<'_>, node: NodeId) -> Option<Vec<&'d str>> {
    let Json::Array(array) = document.value(node) else { return None };
    let mut names = Vec::new();
    for element in document.elements(*array) {
        let Json::Text(name) = document.value(*element) else { return None };
        names.push(name.as_ref());
    }
    names.sort_unstable();
    let are_different = names.windows(2).all(|pair| pair[0] != pair[1]);
    are_different.then_some(names)
}

/// The types that a `type` allows.
pub(crate) fn types(document: &Document<'_>, node: NodeId) -> Option<Types> {
    if let Json::Text(name) = document.value(node) {
        return Types::named(name);
    }
    let names = names(document, node)?;
    if names.is_empty() {
        return None;
    }
    names.into_iter().try_fold(Types::default(), |types, name| Some(types.with(Types::named(name)?)))
}

fn is_anchor(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn values_in(document: &Document<'_>, node: NodeId) -> usize {
    let mut nodes = vec![node];
    let mut count = 0;
    while let Some(node) = nodes.pop() {
        count += 1;
        match document.value(node) {
            Json::Array(array) => nodes.extend(document.elements(*array)),
            Json::Object(object) => nodes.extend(document.members(*object).map(|(_, value)| value)),
            _ => {}
        }
    }
    count
}
