//! Writes types as an OpenAPI document.

use serde_json::{Map, Value, json};

use super::{COMPONENTS, ENVELOPE, replace_references};
use crate::domain::catalogue::{FullType, TypeText};
use crate::domain::openapi_webhooks::{Webhook, export, schema_pointer};

/// The OpenAPI document of these types.
pub fn write_document(version: &str, types: &[FullType]) -> Value {
    let webhooks: Vec<_> = types.iter().map(webhook).collect();
    let mut document = export("Webhooks", version, &webhooks);
    let mut components = Map::new();
    for full in types {
        let name = full.kind.name.as_str();
        let Some(operation) = document.pointer_mut(&format!("/webhooks/{name}/post")) else { continue };
        let (schema, example) = match operation.pointer_mut("/requestBody/content/application~1json") {
            Some(media) => (media.get_mut("schema").map(Value::take), media.get_mut("example").map(Value::take)),
            None => (None, None),
        };
        let data = match schema {
            Some(mut schema) => {
                let component = format!("{COMPONENTS}{name}");
                replace_references(&mut schema, &format!("#{}", schema_pointer(name)), &component);
                components.insert(name.to_owned(), schema);
                json!({ "$ref": component })
            }
            None => json!({ "type": "object" }),
        };
        let mut media = json!({ "schema": envelope(name, &data) });
        if let Some(example) = example {
            media["example"] = example_of(name, &example);
        }
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": media } });
    }
    if !components.is_empty() {
        document["components"] = json!({ "schemas": components });
    }
    document
}

fn webhook(full: &FullType) -> Webhook {
    let parsed = |text: &str| serde_json::from_str(text).ok();
    let (settings, contents) = (&full.kind.settings, full.contents());
    Webhook {
        name: full.kind.name.to_string(),
        summary: None,
        description: settings.description.as_ref().map(TypeText::to_string),
        group: settings.group.as_ref().map(TypeText::to_string),
        deprecated: settings.is_deprecated,
        schema: contents.schema.and_then(|schema| parsed(schema.as_str())),
        example: contents.example.and_then(|example| parsed(example.as_str())),
    }
}

/// The schema of the request that a receiver gets.
fn envelope(name: &str, data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["id", "object", "type", "created", "timestamp", "data"],
        "properties": {
            "id": { "type": "string", "pattern": "^wevt_[0-9a-f]{32}$" },
            "object": { "const": ENVELOPE },
            "type": { "const": name },
            "created": { "type": "string", "format": "date-time" },
            "timestamp": { "type": "string", "format": "date-time" },
            "data": data,
        },
    })
}

fn example_of(name: &str, data: &Value) -> Value {
    let created = "2026-03-24T20:00:00.000Z";
    let id = "wevt_019d2184cc007000a1b2c3d4e5f60000";
    json!({
        "id": id, "object": ENVELOPE, "type": name, "created": created, "timestamp": created, "data": data,
    })
}
