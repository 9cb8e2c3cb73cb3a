//! The catalogue as an OpenAPI document, in which each type is a webhook. The body of a webhook is the request that a
//! receiver gets; its `data` is a component with the type's schema and name.

mod export;
mod import;

use serde_json::Value;

pub use export::write_document;
pub use import::{ImportEffect, Imported, ImportedType, read_document};

/// The value of `object` in a webhook's body, by which its import finds the type's own schema in `data`.
const ENVELOPE: &str = "webhook_event";
/// The beginning of references to components.
const COMPONENTS: &str = "#/components/schemas/";
/// The place of a body in a webhook.
const MEDIA: &str = "/post/requestBody/content/application~1json";

/// Replaces the beginning of references in a schema.
fn replace_references(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(reference) if ["$ref", "$dynamicRef"].contains(&key.as_str()) => {
                        let rest = reference.strip_prefix(from);
                        if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                            *reference = format!("{to}{rest}");
                        }
                    }
                    other => replace_references(other, from, to),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace_references(value, from, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
