//! Writes types as an OpenAPI document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ENVELOPE;
use crate::domain::catalogue::{FullType, TypeText, Visibility};
use crate::domain::openapi_webhooks::{Webhook, placed, webhook_item};
use crate::domain::response::bytes_in_string;

/// More than the bytes of a document without its webhooks, components and tags.
pub(super) const FRAME_BYTES: usize = 1024;

/// Writes the OpenAPI document of types. Only their texts are kept, as JSON values need many times their memory.
#[derive(Debug, Default)]
pub struct DocumentWriter {
    /// The members of `webhooks`.
    webhooks: String,
    /// The members of `components.schemas`.
    components: String,
    groups: BTreeSet<String>,
    bytes: usize,
}

impl DocumentWriter {
    /// Adds a type.
    pub fn push(&mut self, full: &FullType) {
        let mut webhook = webhook(full);
        let name = webhook.name.clone();
        let place = format!("/components/schemas/{name}");
        let data = match webhook.schema.take() {
            Some(schema) => {
                self.bytes += push_member(&mut self.components, &name, &placed(schema, &place));
                json!({ "$ref": format!("#{place}") })
            }
            None => json!({ "type": "object" }),
        };
        webhook.schema = Some(envelope(&name, &data));
        webhook.example = webhook.example.map(|example| example_of(&name, &example));
        if let Some(group) = webhook.group.clone().filter(|group| !self.groups.contains(group)) {
            self.bytes += bytes_in_string(tag(&group).to_string().as_bytes()) + 1;
            self.groups.insert(group);
        }
        self.bytes += push_member(&mut self.webhooks, &name, &webhook_item(webhook));
    }

    /// At least the size of the document within a JSON string, in bytes.
    pub const fn bytes(&self) -> usize {
        FRAME_BYTES + self.bytes
    }

    /// The document, of this version.
    pub fn finish(self, version: &str) -> String {
        let info = json!({ "title": "Webhooks", "version": version });
        let tags: Vec<_> = self.groups.iter().map(|group| tag(group)).collect();
        let tags = if tags.is_empty() { String::new() } else { format!(r#""tags":{},"#, Value::from(tags)) };
        let components = match self.components.as_str() {
            "" => String::new(),
            components => format!(r#","components":{{"schemas":{{{components}}}}}"#),
        };
        // Deliveries are signed. The schemes of OpenAPI describe credentials of requests to the API.
        let frame = format!(r#""openapi":"3.1.0","info":{info},"security":[],{tags}"#);
        format!(r#"{{{frame}"webhooks":{{{}}}{components}}}"#, self.webhooks)
    }
}

fn tag(group: &str) -> Value {
    json!({ "name": group })
}

/// Adds a member to those of an object. Returns its size within a JSON string, in bytes.
fn push_member(members: &mut String, name: &str, value: &Value) -> usize {
    let before = members.len();
    let comma = if before == 0 { "" } else { "," };
    members.push_str(&format!("{comma}{}:{value}", Value::from(name)));
    bytes_in_string(&members.as_bytes()[before..])
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
        internal: settings.visibility == Visibility::Internal,
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
