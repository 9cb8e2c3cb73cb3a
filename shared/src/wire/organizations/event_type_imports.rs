//! Imports of event types from an OpenAPI document.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::IgnoredAny;
use utoipa::ToSchema;

use crate::domain::catalogue::{ImportEffect, Imported, ImportedType, read_document};
use crate::domain::event::event_type::EventType;
use crate::wire::body::{self, InvalidJson};
use crate::wire::error::Problem;
use crate::wire::openapi::{import_effect, object};

/// Checks that a body is a JSON object. The faults of the document itself have JSON Pointers instead.
///
/// # Errors
/// [`InvalidJson`] with the position.
pub fn check_json(body: &[u8]) -> Result<(), InvalidJson> {
    body::parse::<HashMap<String, IgnoredAny>>(body).map(drop)
}

/// The types of an OpenAPI document.
///
/// # Errors
/// All faults, by their JSON Pointers in the document.
pub fn parse_import(body: &[u8]) -> Result<Vec<ImportedType>, Vec<Problem>> {
    let text = std::str::from_utf8(body).map_err(|_| vec![Problem::new("", "must be UTF-8")])?;
    read_document(text)
        .map_err(|faults| faults.into_iter().map(|fault| Problem::new(fault.pointer, fault.reason)).collect())
}

/// What an import does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::EventTypeImport)]
pub struct ImportOut {
    #[schema(schema_with = object::event_type_import)]
    object: &'static str,
    /// Whether nothing was changed.
    dry_run: bool,
    /// The types of the document, by name.
    event_types: Vec<ImportedTypeOut>,
}

/// A type of an imported document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::ImportedEventType)]
struct ImportedTypeOut {
    #[schema(value_type = EventType)]
    name: String,
    #[schema(schema_with = import_effect)]
    effect: &'static str,
    /// The number of its newest version after the import.
    #[schema(required)]
    schema_version: Option<u32>,
}

impl ImportOut {
    /// The result of an import.
    pub fn new(imported: &[Imported], dry_run: bool) -> Self {
        let shown = |imported: &Imported| ImportedTypeOut {
            name: imported.kind.name.to_string(),
            effect: match imported.effect {
                ImportEffect::Created => "created",
                ImportEffect::Updated => "updated",
                ImportEffect::Unchanged => "unchanged",
            },
            schema_version: imported.kind.latest,
        };
        Self { object: "event_type_import", dry_run, event_types: imported.iter().map(shown).collect() }
    }
}
