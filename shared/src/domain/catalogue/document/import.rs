//! Reads the types of an OpenAPI document.

use super::ENVELOPE;
use crate::domain::Invalid;
use crate::domain::catalogue::{
    CatalogueType, Contents, Example, FullType, SchemaText, TypeChange, TypeSettings, TypeText, Visibility, WantedType,
};
use crate::domain::event::event_type::EventType;
use crate::domain::openapi_webhooks::{DocumentError, Webhook, import};
use crate::domain::time::Timestamp;

/// After how many faults of types a document is read no further.
pub(super) const MAX_FAULTS: usize = 100;

/// A type in an imported document.
#[derive(Debug, Clone)]
pub struct ImportedType {
    /// The type's name.
    pub name: EventType,
    description: Option<TypeText>,
    group: Option<TypeText>,
    is_deprecated: bool,
    /// The visibility of the type if it is created.
    visibility: Visibility,
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

    /// The wanted state of the type. The document decides about everything but `archived` and, of a type that exists,
    /// `visibility`: a description, a group, a schema or an example that it does not have is removed.
    pub(super) fn wanted(self, before: Option<&FullType>) -> WantedType {
        let Self { description, group, is_deprecated, visibility, contents, .. } = self;
        let settings = match before {
            Some(before) => before.kind.settings.clone(),
            None => TypeSettings { visibility, ..TypeSettings::default() },
        };
        WantedType { settings: TypeSettings { description, group, is_deprecated, ..settings }, contents }
    }
}

/// Reads the types of an OpenAPI document. This compiles their schemas, which can take seconds.
///
/// # Errors
/// The fault of the document, or the faults of its types. After 100 faults the next types are not read.
pub fn read_document(text: &str) -> Result<Vec<ImportedType>, Vec<DocumentError>> {
    let (mut types, mut faults) = (Vec::new(), Vec::new());
    let take = |pointer: &str, webhook: Webhook| {
        if faults.len() >= MAX_FAULTS {
            return;
        }
        let fault = |(part, Invalid(reason)): (&str, Invalid)| {
            let space = if part.is_empty() { "" } else { " " };
            DocumentError { pointer: pointer.to_owned(), reason: format!("{part}{space}{reason}") }
        };
        match imported(webhook) {
            Ok(imported) => types.push(imported),
            Err(invalid) => faults.extend(invalid.into_iter().map(fault)),
        }
    };
    import(text, ENVELOPE, take).map_err(|error| vec![error])?;
    if faults.is_empty() { Ok(types) } else { Err(faults) }
}

fn imported(webhook: Webhook) -> Result<ImportedType, Vec<(&'static str, Invalid)>> {
    let mut faults = Vec::new();
    let mut note = |part, invalid| faults.push((part, invalid));
    let published = |name: EventType| name.check_published().map(|()| name);
    let name = EventType::parse(&webhook.name).and_then(published).map_err(|invalid| note("", invalid)).ok();
    let text = webhook.description.or(webhook.summary).filter(|text| !text.is_empty());
    let description = text.map(|text| TypeText::description(&text)).transpose();
    let description = description.map_err(|invalid| note("description", invalid)).ok().flatten();
    let group = webhook.group.map(|group| TypeText::group(&group)).transpose();
    let group = group.map_err(|invalid| note("group", invalid)).ok().flatten();
    let schema = webhook.schema.map(|schema| SchemaText::compiled(&schema.to_string())).transpose();
    let schema = schema.map_err(|invalid| note("schema", invalid)).ok().flatten();
    let example = webhook.example.map(|example| Example::parse(&example.to_string())).transpose();
    let example = example.map_err(|invalid| note("example", invalid)).ok().flatten();
    if let (Some((_, compiled)), Some(example)) = (&schema, &example) {
        example.check(compiled).err().into_iter().flatten().for_each(|invalid| note("example", invalid));
    }
    let contents = Contents { schema: schema.map(|(text, _)| text), example };
    match name {
        Some(name) if faults.is_empty() => {
            let visibility = if webhook.internal { Visibility::Internal } else { Visibility::Public };
            Ok(ImportedType { name, description, group, is_deprecated: webhook.deprecated, visibility, contents })
        }
        _ => Err(faults),
    }
}
