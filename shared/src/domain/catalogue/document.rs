//! The catalogue as an OpenAPI document, in which each type is a webhook. The body of a webhook is the request that a
//! receiver gets; its `data` is a component with the type's schema and name.

use serde_json::{Map, Value, json};

use super::{CatalogueType, Contents, Example, FullType, SchemaText, TypeChange, TypeSettings, TypeText, WantedType};
use crate::domain::Invalid;
use crate::domain::event::event_type::EventType;
use crate::domain::openapi_webhooks::{DocumentError, MAX_DOCUMENT_BYTES, Webhook, export, import, schema_pointer};
use crate::domain::time::Timestamp;

/// The value of `object` in a webhook's body, by which its import finds the type's own schema in `data`.
const ENVELOPE: &str = "webhook_event";
/// The beginning of references to components.
const COMPONENTS: &str = "#/components/schemas/";
/// The place of a body in a webhook.
const MEDIA: &str = "/post/requestBody/content/application~1json";

/// A type in an imported document.
#[derive(Debug, Clone)]
pub struct ImportedType {
    /// The type's name.
    pub name: EventType,
    description: Option<TypeText>,
    group: Option<TypeText>,
    is_deprecated: bool,
    contents: Contents,
}

/// What an import does to a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportEffect {
    /// It is created.
    Created,
    /// It is changed.
    Updated,
    /// It is already as in the document.
    Unchanged,
}

/// A type of an imported document.
#[derive(Debug)]
pub struct Imported {
    /// What the import does to it.
    pub effect: ImportEffect,
    /// The type after the import.
    pub kind: CatalogueType,
}

impl ImportedType {
    /// What the import does to the type, and the write for it.
    pub fn imported(self, before: Option<&FullType>, now: Timestamp) -> (Imported, Option<TypeChange>) {
        let name = self.name.clone();
        let wanted = self.wanted(before);
        let Some(before) = before else {
            let change = wanted.creation(&name, now);
            return (Imported { effect: ImportEffect::Created, kind: change.after.clone() }, Some(change));
        };
        match wanted.replacement(before, now) {
            Some(change) => (Imported { effect: ImportEffect::Updated, kind: change.after.clone() }, Some(change)),
            None => (Imported { effect: ImportEffect::Unchanged, kind: before.kind.clone() }, None),
        }
    }

    /// The wanted state of the type. What the document does not say stays as it is.
    fn wanted(self, before: Option<&FullType>) -> WantedType {
        let settings = before.map(|before| before.kind.settings.clone()).unwrap_or_default();
        let Self { description, group, is_deprecated, contents, .. } = self;
        WantedType { settings: TypeSettings { description, group, is_deprecated, ..settings }, contents }
    }
}

/// Reads the types of an OpenAPI document.
///
/// # Errors
/// The fault of the document, or all faults of its types.
pub fn read_document(text: &str) -> Result<Vec<ImportedType>, Vec<DocumentError>> {
    let fault = |reason: String| vec![DocumentError { pointer: String::new(), reason }];
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(fault(format!("must have at most {MAX_DOCUMENT_BYTES} bytes")));
    }
    let mut document: Value = serde_json::from_str(text).map_err(|error| fault(format!("must be JSON: {error}")))?;
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    for key in ["webhooks", "x-webhooks"] {
        let webhooks = document.get_mut(key).and_then(Value::as_object_mut);
        webhooks.into_iter().flatten().for_each(|(name, webhook)| unwrap(name, webhook, &schemas));
    }
    let (mut types, mut faults) = (Vec::new(), Vec::new());
    for webhook in import(&document).map_err(|error| vec![error])? {
        let pointer = format!("/webhooks/{}", webhook.name.replace('~', "~0").replace('/', "~1"));
        let fault = |(part, Invalid(reason)): (&str, Invalid)| {
            let space = if part.is_empty() { "" } else { " " };
            DocumentError { pointer: pointer.clone(), reason: format!("{part}{space}{reason}") }
        };
        match imported(webhook) {
            Ok(imported) => types.push(imported),
            Err(invalid) => faults.extend(invalid.into_iter().map(fault)),
        }
    }
    if faults.is_empty() { Ok(types) } else { Err(faults) }
}

/// Replaces the body of the receiver's request by its `data`. `schemas` are the components of the document.
fn unwrap(name: &str, webhook: &mut Value, schemas: &Value) {
    let Some(media) = webhook.pointer_mut(MEDIA).and_then(Value::as_object_mut) else { return };
    let object = media.get("schema").and_then(|schema| schema.pointer("/properties/object/const"));
    if object.and_then(Value::as_str) != Some(ENVELOPE) {
        return;
    }
    let data = media.get("schema").and_then(|schema| schema.pointer("/properties/data")).cloned();
    // Without a schema of its own, a type has only this there.
    let data = data.filter(|data| *data != json!({ "type": "object" })).map(|data| own_schema(name, data, schemas));
    let example = media.get("example").and_then(|example| example.get("data")).cloned();
    for (key, value) in [("schema", data), ("example", example)] {
        match value {
            Some(value) => drop(media.insert(key.to_owned(), value)),
            None => drop(media.remove(key)),
        }
    }
}

/// The component to which the schema of a webhook's data refers, with references that lead to the webhook's schema; or
/// else the schema itself.
fn own_schema(webhook: &str, data: Value, schemas: &Value) -> Value {
    let reference = data.get("$ref").and_then(Value::as_str);
    let component = reference.and_then(|reference| reference.strip_prefix(COMPONENTS));
    let Some((name, schema)) = component.and_then(|name| Some((name, schemas.get(name)?))) else { return data };
    let mut schema = schema.clone();
    replace_references(&mut schema, &format!("{COMPONENTS}{name}"), &format!("#{}", schema_pointer(webhook)));
    schema
}

fn imported(webhook: Webhook) -> Result<ImportedType, Vec<(&'static str, Invalid)>> {
    let mut faults = Vec::new();
    let mut note = |part, invalid| faults.push((part, invalid));
    let name = EventType::parse(&webhook.name).map_err(|invalid| note("", invalid)).ok();
    let text = webhook.description.or(webhook.summary).filter(|text| !text.is_empty());
    let description = text.map(|text| TypeText::description(&text)).transpose();
    let description = description.map_err(|invalid| note("description", invalid)).ok().flatten();
    let group = webhook.group.map(|group| TypeText::group(&group)).transpose();
    let group = group.map_err(|invalid| note("group", invalid)).ok().flatten();
    let schema = webhook.schema.map(|schema| SchemaText::parse(&schema.to_string())).transpose();
    let schema = schema.map_err(|invalid| note("schema", invalid)).ok().flatten();
    let example = webhook.example.map(|example| Example::parse(&example.to_string())).transpose();
    let example = example.map_err(|invalid| note("example", invalid)).ok().flatten();
    let contents = Contents { schema, example };
    for invalid in contents.check().err().into_iter().flatten() {
        note("example", invalid);
    }
    match name {
        Some(name) if faults.is_empty() => {
            Ok(ImportedType { name, description, group, is_deprecated: webhook.deprecated, contents })
        }
        _ => Err(faults),
    }
}

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
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn stored(name: &str, settings: TypeSettings, schema: Option<&str>, example: Option<&str>) -> FullType {
        let contents = Contents {
            schema: schema.map(|schema| SchemaText::parse(schema).unwrap()),
            example: example.map(|example| Example::parse(example).unwrap()),
        };
        let TypeChange { after, new, .. } =
            WantedType { settings, contents }.creation(&EventType::parse(name).unwrap(), NOW);
        FullType { kind: after, newest: new }
    }

    fn types() -> Vec<FullType> {
        let described = TypeSettings {
            description: TypeText::description("An order was *paid*.").ok(),
            group: TypeText::group("orders").ok(),
            is_deprecated: true,
            ..TypeSettings::default()
        };
        let tree = r##"{"type":"object","required":["id"],"properties":{"id":{"$ref":"#/$defs/id"},"parts":{"items":{"$ref":"#"}}},"$defs":{"id":{"type":"string"}}}"##;
        let order = Some(r#"{"id":"a","parts":[{"id":"b"}]}"#);
        let older = r##"{"$schema":"http://json-schema.org/draft-07/schema#","items":{"$ref":"#/definitions/a"},"definitions":{"a":true}}"##;
        vec![
            stored("order", TypeSettings::default(), Some(older), None),
            stored("order.paid", described, Some(tree), order),
            stored("order.sent-out", TypeSettings::default(), Some("true"), None),
            stored("plain", TypeSettings::default(), None, None),
            stored("shown", TypeSettings::default(), None, Some(r#"{"a":1}"#)),
        ]
    }

    #[test]
    fn an_exported_document_is_imported_as_the_same_types() {
        let types = types();
        let document = write_document("7", &types);
        let imported = read_document(&document.to_string()).unwrap();
        assert_eq!(imported.len(), types.len());
        for (imported, before) in imported.into_iter().zip(&types) {
            assert_eq!(imported.name, before.kind.name);
            let (imported, change) = imported.imported(Some(before), NOW);
            assert!(imported.effect == ImportEffect::Unchanged && change.is_none(), "{change:?} {before:?}");
        }
    }

    #[test]
    fn the_body_of_a_webhook_is_what_a_receiver_gets() {
        let document = write_document("7", &types());
        assert_eq!(document["info"]["version"], "7");
        let media = document.pointer(&format!("/webhooks/order.paid{MEDIA}")).unwrap();
        assert_eq!(media["schema"]["properties"]["type"]["const"], "order.paid");
        assert_eq!(media["schema"]["properties"]["data"]["$ref"], "#/components/schemas/order.paid");
        assert_eq!(media["example"]["data"]["id"], "a");
        let own = &document["components"]["schemas"]["order.paid"];
        assert_eq!(own["properties"]["id"]["$ref"], "#/components/schemas/order.paid/$defs/id");
        assert_eq!(own["properties"]["parts"]["items"]["$ref"], "#/components/schemas/order.paid");
        let plain = document.pointer(&format!("/webhooks/plain{MEDIA}/schema/properties/data")).unwrap();
        assert_eq!(*plain, json!({"type": "object"}));
    }

    #[test]
    fn a_document_of_others_describes_the_data_itself() {
        let media = json!({"schema": {"type": "object", "required": ["a"]}, "example": {"a": 1}});
        let item = json!({"post": {"summary": "Paid", "tags": ["orders"], "requestBody": {"content": {
            "application/json": media,
        }}}});
        let document = json!({"openapi": "3.1.0", "webhooks": {"order.paid": item}});
        let imported = read_document(&document.to_string()).unwrap().remove(0).wanted(None);
        assert_eq!(imported.settings.description.unwrap().as_str(), "Paid");
        assert_eq!(imported.settings.group.unwrap().as_str(), "orders");
        assert_eq!(imported.contents.example.unwrap().as_str(), r#"{"a":1}"#);
    }

    #[test]
    fn every_fault_of_a_type_is_named() {
        let hook = |schema: Value, example: Value| json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema, "example": example}}}}});
        let document = json!({"openapi": "3.1.0", "webhooks": {
            "a b": hook(json!(true), json!({})),
            "bad": hook(json!({"properties": {"a": {"type": "strin"}}}), json!({})),
            "unlike": hook(json!({"required": ["a"]}), json!({})),
        }});
        let faults = read_document(&document.to_string()).unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/webhooks/a b", "/webhooks/bad", "/webhooks/unlike"]);
        assert!(faults[1].reason.starts_with("schema /properties/a/type "), "{}", faults[1].reason);
        assert!(faults[2].reason.starts_with("example "), "{}", faults[2].reason);
        for text in ["{", "[]", r#"{"openapi": "2.0"}"#] {
            assert_eq!(read_document(text).unwrap_err().len(), 1, "{text}");
        }
        assert!(read_document(&" ".repeat(MAX_DOCUMENT_BYTES + 1)).is_err());
    }
}
