//! Writes event types as an OpenAPI document.

use std::collections::BTreeSet;
use std::convert::Infallible;

use serde_json::{Map, Value, json};

use super::walk::visit;
use super::{Webhook, schema_pointer};

/// An OpenAPI 3.1 document with these types as `webhooks`. Each schema keeps its `$defs`, and its references lead to
/// its place in the document, so that schemas with equal names in `$defs` do not affect each other.
pub fn export(title: &str, version: &str, webhooks: &[Webhook]) -> Value {
    let groups: BTreeSet<_> = webhooks.iter().filter_map(|webhook| webhook.group.as_deref()).collect();
    let tags: Vec<_> = groups.into_iter().map(|name| json!({ "name": name })).collect();
    let items = webhooks.iter().map(|webhook| (webhook.name.clone(), json!({ "post": operation(webhook) })));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": version },
        // Deliveries are signed. The schemes of OpenAPI describe credentials of requests to the API.
        "security": [],
        "webhooks": items.collect::<Map<_, _>>(),
    });
    if !tags.is_empty() {
        document["tags"] = tags.into();
    }
    document
}

fn operation(webhook: &Webhook) -> Map<String, Value> {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), webhook.name.clone().into());
    let texts = [("summary", &webhook.summary), ("description", &webhook.description)];
    for (key, text) in texts.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?))) {
        operation.insert(key.to_owned(), text.clone().into());
    }
    if let Some(group) = &webhook.group {
        operation.insert("tags".to_owned(), json!([group]));
    }
    if webhook.deprecated {
        operation.insert("deprecated".to_owned(), true.into());
    }
    let mut media = Map::new();
    if let Some(schema) = &webhook.schema {
        media.insert("schema".to_owned(), placed(schema, &webhook.name));
    }
    if let Some(example) = &webhook.example {
        media.insert("example".to_owned(), example.clone());
    }
    if !media.is_empty() {
        operation.insert("requestBody".to_owned(), json!({ "content": { "application/json": media } }));
    }
    operation.insert("responses".to_owned(), json!({ "2XX": { "description": "The event is received." } }));
    operation
}

/// The schema with references that are relative to the document.
fn placed(schema: &Value, name: &str) -> Value {
    let own = format!("#{}", schema_pointer(name));
    let mut schema = schema.clone();
    let visited = visit(&mut schema, "", &mut |keywords, _| -> Result<(), Infallible> {
        for keyword in ["$ref", "$dynamicRef"] {
            if let Some(Value::String(reference)) = keywords.get_mut(keyword)
                && (reference == "#" || reference.starts_with("#/"))
            {
                *reference = format!("{own}{}", reference.trim_start_matches('#'));
            }
        }
        Ok(())
    });
    let Ok(()) = visited;
    schema
}
