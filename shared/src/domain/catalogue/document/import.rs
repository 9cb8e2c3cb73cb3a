//! Reads the types of an OpenAPI document.

use serde_json::{Value, json};

use super::{COMPONENTS, ENVELOPE, MEDIA, replace_references};
use crate::domain::Invalid;
use crate::domain::catalogue::{
    CatalogueType, Contents, Example, FullType, SchemaText, TypeChange, TypeSettings, TypeText, WantedType,
};
use crate::domain::event::event_type::EventType;
use crate::domain::openapi_webhooks::{DocumentError, MAX_DOCUMENT_BYTES, Webhook, import, schema_pointer};
use crate::domain::time::Timestamp;

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
    pub(super) fn wanted(self, before: Option<&FullType>) -> WantedType {
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
