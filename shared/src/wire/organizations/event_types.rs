//! Event types of the catalogue and their versions.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::catalogue::{
    CatalogueType, Contents, Example, FullType, SchemaText, TypePatch, TypeSettings, TypeText, TypeVersion, Visibility,
    WantedType,
};
use crate::domain::event::event_type::EventType;
use crate::wire::error::Problem;
use crate::wire::field::{Field, RawField, Reader};
use crate::wire::openapi::{DataSchema, Millisecond, TypeDescription, TypeGroup, object};

/// The body of `POST /v1/event-types`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewEventType)]
pub struct EventTypeIn {
    #[schema(value_type = EventType, required)]
    name: Field<String>,
    #[schema(value_type = Option<TypeDescription>)]
    description: Field<String>,
    #[schema(value_type = Option<TypeGroup>)]
    group: Field<String>,
    #[schema(value_type = Option<DataSchema>)]
    schema: RawField,
    /// An example of the data, which must satisfy the schema. At most 64 KiB.
    #[schema(value_type = Option<Object>, examples(json!({"order": "ord_1", "amount": 99.5})))]
    example: RawField,
    /// Whether lists and the exported document leave the type out.
    #[schema(value_type = Option<bool>, default = false)]
    archived: Field<bool>,
    /// Whether receivers should stop using the type.
    #[schema(value_type = Option<bool>, default = false)]
    deprecated: Field<bool>,
    #[schema(value_type = Option<Visibility>)]
    visibility: Field<String>,
}

/// The body of `PUT /v1/event-types/{event_type}`. A field that is absent gets its default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::EventTypeReplacement)]
pub struct EventTypeReplacementIn {
    #[schema(value_type = Option<TypeDescription>)]
    description: Field<String>,
    #[schema(value_type = Option<TypeGroup>)]
    group: Field<String>,
    #[schema(value_type = Option<DataSchema>)]
    schema: RawField,
    /// An example of the data, which must satisfy the schema. At most 64 KiB.
    #[schema(value_type = Option<Object>, examples(json!({"order": "ord_1", "amount": 99.5})))]
    example: RawField,
    /// Whether lists and the exported document leave the type out.
    #[schema(value_type = Option<bool>, default = false)]
    archived: Field<bool>,
    /// Whether receivers should stop using the type.
    #[schema(value_type = Option<bool>, default = false)]
    deprecated: Field<bool>,
    #[schema(value_type = Option<Visibility>)]
    visibility: Field<String>,
}

/// The body of `PATCH /v1/event-types/{event_type}`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::EventTypePatch)]
pub struct EventTypePatchIn {
    #[schema(value_type = Option<TypeDescription>)]
    description: Field<String>,
    #[schema(value_type = Option<TypeGroup>)]
    group: Field<String>,
    #[schema(value_type = Option<DataSchema>)]
    schema: RawField,
    /// An example of the data, which must satisfy the schema. At most 64 KiB.
    #[schema(value_type = Option<Object>, examples(json!({"order": "ord_1", "amount": 99.5})))]
    example: RawField,
    /// Whether lists and the exported document leave the type out.
    #[schema(value_type = bool)]
    archived: Field<bool>,
    /// Whether receivers should stop using the type.
    #[schema(value_type = bool)]
    deprecated: Field<bool>,
    #[schema(value_type = Visibility)]
    visibility: Field<String>,
}

impl EventTypeIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<(EventType, WantedType), Vec<Problem>> {
        let mut read = Reader::default();
        let name = read.required("name", self.name, |name| {
            let name = EventType::parse(&name)?;
            name.check_published()?;
            Ok(name)
        });
        let Self { description, group, schema, example, archived, deprecated, visibility, .. } = self;
        let replacement =
            EventTypeReplacementIn { description, group, schema, example, archived, deprecated, visibility };
        let wanted = replacement.read(&mut read);
        read.finish(name.map(|name| (name, wanted)))
    }
}

impl EventTypeReplacementIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<WantedType, Vec<Problem>> {
        let mut read = Reader::default();
        let wanted = self.read(&mut read);
        read.finish(Some(wanted))
    }

    fn read(self, read: &mut Reader) -> WantedType {
        WantedType {
            settings: TypeSettings {
                description: read.optional("description", self.description, |text| TypeText::description(&text)),
                group: read.optional("group", self.group, |text| TypeText::group(&text)),
                is_archived: read.optional("archived", self.archived, Ok).unwrap_or_default(),
                is_deprecated: read.optional("deprecated", self.deprecated, Ok).unwrap_or_default(),
                visibility: read
                    .optional("visibility", self.visibility, |text| Visibility::parse(&text))
                    .unwrap_or_default(),
            },
            contents: Contents {
                schema: self.schema.cleared("schema", read, SchemaText::parse).flatten(),
                example: self.example.cleared("example", read, Example::parse).flatten(),
            },
        }
    }
}

impl EventTypePatchIn {
    /// Validates the fields. `null` removes description, group, schema and example.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<TypePatch, Vec<Problem>> {
        let mut read = Reader::default();
        let patch = TypePatch {
            description: read.cleared("description", self.description, |text| TypeText::description(&text)),
            group: read.cleared("group", self.group, |text| TypeText::group(&text)),
            is_archived: read.changed("archived", self.archived, Ok),
            is_deprecated: read.changed("deprecated", self.deprecated, Ok),
            visibility: read.changed("visibility", self.visibility, |text| Visibility::parse(&text)),
            schema: self.schema.cleared("schema", &mut read, SchemaText::parse),
            example: self.example.cleared("example", &mut read, Example::parse),
        };
        read.finish(Some(patch))
    }
}

/// A type in a list: without its schema and its example.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::ListedEventType)]
pub struct ListedTypeOut {
    #[schema(schema_with = object::event_type)]
    object: &'static str,
    #[schema(value_type = EventType)]
    name: String,
    #[schema(value_type = Option<TypeDescription>, required)]
    description: Option<String>,
    #[schema(value_type = Option<TypeGroup>, required)]
    group: Option<String>,
    archived: bool,
    deprecated: bool,
    #[schema(value_type = Visibility)]
    visibility: &'static str,
    /// The number of the newest version; null if the type never had a schema or an example.
    #[schema(required)]
    schema_version: Option<u32>,
    #[schema(value_type = Millisecond)]
    created_at: String,
    #[schema(value_type = Millisecond)]
    updated_at: String,
}

impl From<&CatalogueType> for ListedTypeOut {
    fn from(kind: &CatalogueType) -> Self {
        let settings = &kind.settings;
        Self {
            object: "event_type",
            name: kind.name.to_string(),
            description: settings.description.as_ref().map(TypeText::to_string),
            group: settings.group.as_ref().map(TypeText::to_string),
            archived: settings.is_archived,
            deprecated: settings.is_deprecated,
            visibility: settings.visibility.as_str(),
            schema_version: kind.latest,
            created_at: kind.created_at.rfc3339(),
            updated_at: kind.updated_at.rfc3339(),
        }
    }
}

/// An event type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::EventTypeDetail)]
pub struct EventTypeOut {
    #[serde(flatten)]
    listed: ListedTypeOut,
    #[schema(value_type = Option<DataSchema>, required)]
    schema: Option<Box<RawValue>>,
    /// An example of the data.
    #[schema(value_type = Option<Object>, required)]
    example: Option<Box<RawValue>>,
}

impl From<&FullType> for EventTypeOut {
    fn from(full: &FullType) -> Self {
        let (schema, example) = texts(full.contents());
        Self { listed: ListedTypeOut::from(&full.kind), schema, example }
    }
}

/// A version of an event type. It never changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::EventTypeVersion)]
pub struct TypeVersionOut {
    #[schema(schema_with = object::event_type_version)]
    object: &'static str,
    /// The number of the version.
    schema_version: u32,
    #[schema(value_type = Option<DataSchema>, required)]
    schema: Option<Box<RawValue>>,
    /// An example of the data.
    #[schema(value_type = Option<Object>, required)]
    example: Option<Box<RawValue>>,
    #[schema(value_type = Millisecond)]
    created_at: String,
}

impl From<&TypeVersion> for TypeVersionOut {
    fn from(version: &TypeVersion) -> Self {
        let (schema, example) = texts(version.contents.clone());
        Self {
            object: "event_type_version",
            schema_version: version.number,
            schema,
            example,
            created_at: version.created_at.rfc3339(),
        }
    }
}

fn texts(contents: Contents) -> (Option<Box<RawValue>>, Option<Box<RawValue>>) {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).ok();
    let Contents { schema, example } = contents;
    (schema.and_then(|schema| raw(schema.as_str())), example.and_then(|example| raw(example.as_str())))
}
