//! Event types of the catalogue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::domain::catalogue::{
    Contents, Example, FullType, SchemaText, TypePatch, TypeSettings, TypeText, WantedType,
};
use crate::domain::event::event_type::EventType;
use crate::wire::error::Problem;
use crate::wire::field::{Field, RawField, Reader};
use crate::wire::openapi::Millisecond;

/// The body of `POST` and `PUT` of event types. `PUT` ignores the name.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::EventTypeIn)]
pub struct EventTypeIn {
    #[schema(value_type = String, required)]
    name: Field<String>,
    #[schema(value_type = String)]
    description: Field<String>,
    #[schema(value_type = Option<bool>)]
    archived: Field<bool>,
    #[schema(value_type = Option<bool>)]
    deprecated: Field<bool>,
    /// JSON Schemas by the number of their version, of which the newest counts.
    #[schema(value_type = Option<Object>)]
    schemas: RawField,
    #[schema(value_type = Option<String>)]
    group_name: Field<String>,
}

impl EventTypeIn {
    /// Validates the fields of a new type.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<(EventType, WantedType), Vec<Problem>> {
        let mut read = Reader::default();
        let Self { name, description, archived, deprecated, schemas, group_name } = self;
        let name = read.required("name", name, |name| {
            let name = EventType::parse(&name)?;
            name.check_published()?;
            Ok(name)
        });
        let rest = Self { name: Field::Absent, description, archived, deprecated, schemas, group_name };
        let wanted = rest.read(&mut read);
        read.finish(name.map(|name| (name, wanted)))
    }

    /// Validates the fields of a type whose name the path has.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse_replacement(self) -> Result<WantedType, Vec<Problem>> {
        let mut read = Reader::default();
        let wanted = self.read(&mut read);
        read.finish(Some(wanted))
    }

    fn read(self, read: &mut Reader) -> WantedType {
        WantedType {
            settings: TypeSettings {
                description: read.optional("description", self.description, description).flatten(),
                group: read.optional("groupName", self.group_name, |text| TypeText::group(&text)),
                is_archived: read.optional("archived", self.archived, Ok).unwrap_or_default(),
                is_deprecated: read.optional("deprecated", self.deprecated, Ok).unwrap_or_default(),
                ..TypeSettings::default()
            },
            contents: self.schemas.cleared("schemas", read, contents).flatten().unwrap_or_default(),
        }
    }
}

/// The body of `PATCH` of event types.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::EventTypePatch)]
pub struct EventTypePatchIn {
    #[schema(value_type = Option<String>)]
    description: Field<String>,
    #[schema(value_type = Option<bool>)]
    archived: Field<bool>,
    #[schema(value_type = Option<bool>)]
    deprecated: Field<bool>,
    #[schema(value_type = Option<Object>)]
    schemas: RawField,
    #[schema(value_type = Option<String>)]
    group_name: Field<String>,
}

impl EventTypePatchIn {
    /// Validates the fields. `null` removes description, schemas and group.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<TypePatch, Vec<Problem>> {
        let mut read = Reader::default();
        let contents = self.schemas.cleared("schemas", &mut read, contents);
        let patch = TypePatch {
            description: read.cleared("description", self.description, description).map(Option::flatten),
            group: read.cleared("groupName", self.group_name, |text| TypeText::group(&text)),
            is_archived: read.changed("archived", self.archived, Ok),
            is_deprecated: read.changed("deprecated", self.deprecated, Ok),
            schema: contents.clone().map(|contents| contents.and_then(|contents| contents.schema)),
            example: contents.map(|contents| contents.and_then(|contents| contents.example)),
            ..TypePatch::default()
        };
        read.finish(Some(patch))
    }
}

fn description(text: String) -> Result<Option<TypeText>, Invalid> {
    if text.is_empty() { Ok(None) } else { TypeText::description(&text).map(Some) }
}

/// The newest of several versions of a schema, and the first of its examples that satisfies it.
fn contents(text: &str) -> Result<Contents, Invalid> {
    #[derive(Deserialize)]
    struct Examples {
        #[serde(default)]
        examples: Vec<Box<RawValue>>,
    }
    let versions: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(text).map_err(|_| Invalid::new("must be an object of schemas by version"))?;
    let number = |name: &String| name.parse::<u64>().unwrap_or_default();
    let Some((_, schema)) = versions.iter().max_by_key(|(name, _)| number(name)) else {
        return Ok(Contents::default());
    };
    let examples = serde_json::from_str::<Examples>(schema.get()).map(|it| it.examples).unwrap_or_default();
    let schema = Some(SchemaText::parse(schema.get())?);
    let with_example = |example: &RawValue| {
        let contents = Contents { schema: schema.clone(), example: Example::parse(example.get()).ok() };
        contents.check().is_ok().then_some(contents)
    };
    let found = examples.iter().find_map(|example| with_example(example));
    Ok(found.unwrap_or(Contents { schema, example: None }))
}

/// The body of `POST …/import/openapi`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::EventTypeImportOpenApiIn)]
pub struct ImportIn {
    /// An OpenAPI document.
    #[schema(value_type = Option<Object>)]
    spec: RawField,
    /// The same as JSON text.
    #[schema(value_type = Option<String>)]
    spec_raw: Field<String>,
    #[schema(value_type = Option<bool>)]
    dry_run: Field<bool>,
    /// Refused if it is true.
    #[schema(value_type = Option<bool>)]
    replace_all: Field<bool>,
}

impl ImportIn {
    /// Validates the fields. Returns the document, and whether nothing is to be changed.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<(String, bool), Vec<Problem>> {
        let mut read = Reader::default();
        let raw = read.optional("specRaw", self.spec_raw, Ok);
        let document = match (self.spec, raw) {
            (RawField::Text(spec), None) => Some(spec.get().to_owned()),
            (RawField::Absent | RawField::Null, Some(raw)) => Some(raw),
            _ => {
                read.problem("spec", "must be given, or specRaw, but not both");
                None
            }
        };
        let is_dry_run = read.optional("dryRun", self.dry_run, Ok).unwrap_or_default();
        if read.optional("replaceAll", self.replace_all, Ok).unwrap_or_default() {
            read.problem("replaceAll", "is not supported: types that the document does not have stay");
        }
        read.finish(document.map(|document| (document, is_dry_run)))
    }
}

/// The result of an import.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = svix::EventTypeImportOpenApiOut)]
pub struct ImportOut {
    data: ModifiedOut,
}

/// The types that an import changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = svix::EventTypeImportOpenApiOutData)]
struct ModifiedOut {
    /// The names of the types that were changed, or would be.
    modified: Vec<String>,
}

impl ImportOut {
    /// The result of an import that changes these types.
    pub fn new(modified: impl IntoIterator<Item = EventType>) -> Self {
        Self { data: ModifiedOut { modified: modified.into_iter().map(|name| name.to_string()).collect() } }
    }
}

/// An event type.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::EventTypeOut)]
pub struct EventTypeOut {
    name: String,
    description: String,
    archived: bool,
    deprecated: bool,
    /// The newest schema by the number of its version; null without a schema, or if it is not asked for.
    #[schema(value_type = Option<Object>, required)]
    schemas: Option<Box<RawValue>>,
    #[schema(required)]
    group_name: Option<String>,
    #[schema(value_type = Millisecond)]
    created_at: String,
    #[schema(value_type = Millisecond)]
    updated_at: String,
}

impl EventTypeOut {
    /// An event type, with its schema if `has_content`.
    pub fn new(full: &FullType, has_content: bool) -> Self {
        let (kind, settings) = (&full.kind, &full.kind.settings);
        let newest = full.newest.as_ref().filter(|_| has_content);
        let schemas = newest.and_then(|newest| {
            let schema = RawValue::from_string(newest.contents.schema.as_ref()?.as_str().to_owned()).ok()?;
            to_raw_value(&BTreeMap::from([(newest.number.to_string(), schema)])).ok()
        });
        Self {
            name: kind.name.to_string(),
            description: settings.description.as_ref().map(TypeText::to_string).unwrap_or_default(),
            archived: settings.is_archived,
            deprecated: settings.is_deprecated,
            schemas,
            group_name: settings.group.as_ref().map(TypeText::to_string),
            created_at: kind.created_at.rfc3339(),
            updated_at: kind.updated_at.rfc3339(),
        }
    }
}
