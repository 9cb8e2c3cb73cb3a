//! Writes webhooks for an OpenAPI document.

use std::convert::Infallible;

use serde_json::{Map, Value, json};

use super::walk::visit;
use super::{INTERNAL, Webhook};

/// The webhook as a member of an OpenAPI 3.1 document's `webhooks`. The references of its schema stay as they are.
pub fn webhook_item(webhook: Webhook) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), webhook.name.into());
    let texts = [("summary", webhook.summary), ("description", webhook.description)];
    for (key, text) in texts.into_iter().filter_map(|(key, text)| Some((key, text?))) {
        operation.insert(key.to_owned(), text.into());
    }
    if let Some(group) = webhook.group {
        operation.insert("tags".to_owned(), json!([group]));
    }
    for (key, _) in
        [("deprecated", webhook.deprecated), (INTERNAL, webhook.internal)].iter().filter(|(_, is_set)| *is_set)
    {
        operation.insert((*key).to_owned(), true.into());
    }
    let parts = [("schema", webhook.schema), ("example", webhook.example)];
    let media: Map<_, _> = parts.into_iter().filter_map(|(key, part)| Some((key.to_owned(), part?))).collect();
    if !media.is_empty() {
        operation
            .insert("requestBody".to_owned(), json!({ "required": true, "content": { "application/json": media } }));
    }
    operation.insert("responses".to_owned(), json!({ "2XX": { "description": "The event is received." } }));
    json!({ "post": operation })
}

/// The schema for this place of a document: its references to itself lead to the place. It keeps its `$defs`, so that schemas
/// with equal names in `$defs` do not affect each other.
pub fn placed(mut schema: Value, pointer: &str) -> Value {
    let visited = visit(&mut schema, "", &mut |keywords, _| -> Result<(), Infallible> {
        for keyword in ["$ref", "$dynamicRef"] {
            if let Some(Value::String(reference)) = keywords.get_mut(keyword)
                && (reference == "#" || reference.starts_with("#/"))
            {
                *reference = format!("#{pointer}{}", reference.trim_start_matches('#'));
            }
        }
        Ok(())
    });
    let Ok(()) = visited;
    schema
}
