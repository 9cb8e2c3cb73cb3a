//! Visits the subschemas of a schema, and not the values in `const`, `enum`, `default` and examples.

use serde_json::{Map, Value};

use super::joined;

const SCHEMAS: [&str; 13] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "prefixItems",
];
const LISTS: [&str; 5] = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
const MAPS: [&str; 6] = ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Calls a function with each object schema, the outermost last, and its pointer. A schema with an identifier of its
/// own is visited without its subschemas, as references in it are relative to it.
pub(super) fn visit<E>(
    schema: &mut Value,
    pointer: &str,
    function: &mut impl FnMut(&mut Map<String, Value>, &str) -> Result<(), E>,
) -> Result<(), E> {
    let Value::Object(keywords) = schema else { return Ok(()) };
    if keywords.get("$id").is_some_and(|id| id.as_str().is_some_and(|id| !id.starts_with('#'))) {
        return Ok(());
    }
    for (keyword, value) in keywords.iter_mut() {
        let place = joined(pointer, keyword);
        match value {
            Value::Array(schemas) if LISTS.contains(&keyword.as_str()) => {
                for (index, schema) in schemas.iter_mut().enumerate() {
                    visit(schema, &joined(&place, &index.to_string()), function)?;
                }
            }
            Value::Object(schemas) if MAPS.contains(&keyword.as_str()) => {
                for (name, schema) in schemas.iter_mut() {
                    visit(schema, &joined(&place, name), function)?;
                }
            }
            schema if SCHEMAS.contains(&keyword.as_str()) => visit(schema, &place, function)?,
            _ => {}
        }
    }
    function(keywords, pointer)
}
