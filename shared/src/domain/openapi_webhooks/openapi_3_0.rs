//! Translation of the schemas of OpenAPI 3.0, a dialect of its own, to JSON Schema 2020-12.

use std::convert::Infallible;

use serde_json::{Map, Value, json};

use super::walk::visit;

/// Translates a schema and its subschemas.
pub(super) fn translate(schema: &mut Value) {
    let translated = visit(schema, "", &mut |keywords, _| -> Result<(), Infallible> {
        one(keywords);
        Ok(())
    });
    let Ok(()) = translated;
}

fn one(keywords: &mut Map<String, Value>) {
    // Keywords beside a reference are ignored in OpenAPI 3.0.
    if keywords.get("$ref").is_some_and(Value::is_string) {
        keywords.retain(|keyword, _| keyword == "$ref");
        return;
    }
    for (exclusive, inclusive) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match keywords.get(exclusive) {
            Some(Value::Bool(true)) => {
                keywords.remove(exclusive);
                if let Some(limit) = keywords.remove(inclusive) {
                    keywords.insert(exclusive.to_owned(), limit);
                }
            }
            Some(Value::Bool(false)) => {
                keywords.remove(exclusive);
            }
            _ => {}
        }
    }
    if let Some(example) = keywords.remove("example") {
        keywords.entry("examples").or_insert_with(|| Value::Array(vec![example]));
    }
    if keywords.remove("nullable") == Some(Value::Bool(true)) {
        allow_null(keywords);
    }
}

fn allow_null(keywords: &mut Map<String, Value>) {
    if let Some(Value::Array(values)) = keywords.get_mut("enum").filter(|values| values.is_array())
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    match keywords.get_mut("type") {
        Some(Value::String(name)) => {
            let name = std::mem::take(name);
            keywords.insert("type".to_owned(), json!([name, "null"]));
        }
        // Without a type, the rules are in the other keywords, often a reference in `allOf`.
        _ => {
            let rules = Value::Object(std::mem::take(keywords));
            keywords.insert("anyOf".to_owned(), json!([rules, { "type": "null" }]));
        }
    }
}
