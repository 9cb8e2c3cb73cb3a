//! The items of event types, their versions, and their entries in the list of types.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::domain::catalogue::{
    CatalogueType, Contents, Example, SchemaText, TypeEntry, TypeSettings, TypeText, TypeVersion, Visibility,
};
use crate::domain::event::event_type::EventType;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::events::compression::{compress, decompress};
use crate::store::item::{Base, Unreadable};
use crate::store::keys;

/// The attributes of a type.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct TypeItem {
    #[serde(flatten)]
    base: Base,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    archived: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    deprecated: bool,
    visibility: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<u32>,
    created_at: String,
    updated_at: String,
    version: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(it: &bool) -> bool {
    !*it
}

impl TypeItem {
    pub(super) fn new(kind: &CatalogueType) -> Self {
        let settings = &kind.settings;
        Self {
            base: Base::new(keys::event_type(&kind.name), "event_type"),
            name: kind.name.to_string(),
            description: settings.description.as_ref().map(TypeText::to_string),
            group: settings.group.as_ref().map(TypeText::to_string),
            archived: settings.is_archived,
            deprecated: settings.is_deprecated,
            visibility: settings.visibility.as_str().to_owned(),
            latest: kind.latest,
            created_at: kind.created_at.rfc3339(),
            updated_at: kind.updated_at.rfc3339(),
            version: kind.version,
        }
    }
}

impl TryFrom<TypeItem> for CatalogueType {
    type Error = Unreadable;

    fn try_from(item: TypeItem) -> Result<Self, Unreadable> {
        Ok(Self {
            name: EventType::parse(&item.name)?,
            settings: TypeSettings {
                description: item.description.map(|text| TypeText::description(&text)).transpose()?,
                group: item.group.map(|text| TypeText::group(&text)).transpose()?,
                is_archived: item.archived,
                is_deprecated: item.deprecated,
                visibility: Visibility::parse(&item.visibility)?,
            },
            latest: item.latest,
            created_at: Timestamp::parse(&item.created_at)?,
            updated_at: Timestamp::parse(&item.updated_at)?,
            version: item.version,
        })
    }
}

/// The attributes of a type's entry in the list of types. All entries are one partition, so it has only what selects a type.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryItem {
    #[serde(flatten)]
    base: Base,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    archived: bool,
    visibility: String,
}

impl EntryItem {
    pub(super) fn new(kind: &CatalogueType) -> Self {
        let settings = &kind.settings;
        Self {
            base: Base::new(keys::type_entry(&kind.name), "event_type_entry"),
            name: kind.name.to_string(),
            group: settings.group.as_ref().map(TypeText::to_string),
            archived: settings.is_archived,
            visibility: settings.visibility.as_str().to_owned(),
        }
    }
}

impl TryFrom<EntryItem> for TypeEntry {
    type Error = Unreadable;

    fn try_from(item: EntryItem) -> Result<Self, Unreadable> {
        Ok(Self {
            name: EventType::parse(&item.name)?,
            group: item.group.map(|text| TypeText::group(&text)).transpose()?,
            is_archived: item.archived,
            visibility: Visibility::parse(&item.visibility)?,
        })
    }
}

/// The attributes of a version.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct VersionItem {
    #[serde(flatten)]
    base: Base,
    /// The compressed schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<ByteBuf>,
    /// The compressed example.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<ByteBuf>,
    created_at: String,
    /// When the type was created. A type that was removed and created again begins with version 1 again.
    type_created_at: String,
}

impl VersionItem {
    pub(super) fn new(kind: &CatalogueType, version: &TypeVersion) -> Result<Self, StoreError> {
        let compressed = |text: Option<&str>| text.map(compress).transpose().map(|bytes| bytes.map(ByteBuf::from));
        let Contents { schema, example } = &version.contents;
        Ok(Self {
            base: Base::new(keys::type_version(&kind.name, version.number), "event_type_version"),
            schema: compressed(schema.as_ref().map(SchemaText::as_str))?,
            example: compressed(example.as_ref().map(Example::as_str))?,
            created_at: version.created_at.rfc3339(),
            type_created_at: kind.created_at.rfc3339(),
        })
    }
}

impl TryFrom<VersionItem> for TypeVersion {
    type Error = Unreadable;

    fn try_from(item: VersionItem) -> Result<Self, Unreadable> {
        let text = |bytes: Option<ByteBuf>| bytes.map(|bytes| decompress(&bytes)).transpose();
        let number = keys::parse_type_version(&item.base.key());
        Ok(Self {
            number: number.ok_or_else(|| Unreadable("not a version's key".to_owned()))?,
            contents: Contents {
                schema: text(item.schema)?.map(SchemaText::stored),
                example: text(item.example)?.map(Example::stored),
            },
            created_at: Timestamp::parse(&item.created_at)?,
        })
    }
}
