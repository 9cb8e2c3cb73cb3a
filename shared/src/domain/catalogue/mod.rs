//! The catalogue of event types: what the platform says about each type, and which schema the data of an event must
//! satisfy.

mod change;
mod contents;
mod document;
mod rule;
mod text;

use super::Invalid;
use super::event::event_type::EventType;
use super::time::Timestamp;

pub use change::{TypeChange, TypePatch, WantedType};
pub use contents::{Contents, Example, MAX_EXAMPLE_BYTES, SchemaText};
pub use document::{DocumentWriter, ImportEffect, Imported, ImportedType, read_document};
pub use rule::{Refusal, required_version};
pub use text::{MAX_DESCRIPTION_CHARS, MAX_GROUP_CHARS, TypeText};

/// Who may see a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Every caller.
    #[default]
    Public,
    /// The platform alone. To an organization's key the type is unknown.
    Internal,
}

impl Visibility {
    /// Both values.
    pub const ALL: [Self; 2] = [Self::Public, Self::Internal];

    /// The name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
        }
    }

    /// The value with this name.
    ///
    /// # Errors
    /// [`Invalid`] naming the possible values.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|visibility| visibility.as_str() == text);
        found.ok_or_else(|| Invalid::new("must be public or internal"))
    }
}

/// What the platform says about a type, without its schema.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeSettings {
    /// A description for people.
    pub description: Option<TypeText>,
    /// The group that the type belongs to.
    pub group: Option<TypeText>,
    /// Whether lists and the exported document leave the type out. It can be published and subscribed to all the same.
    pub is_archived: bool,
    /// Whether receivers should stop using the type.
    pub is_deprecated: bool,
    /// Who may see the type.
    pub visibility: Visibility,
}

/// An event type of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueType {
    /// The type's name.
    pub name: EventType,
    /// What the platform says about it.
    pub settings: TypeSettings,
    /// The number of its newest version; `None` if it never had a schema or an example.
    pub latest: Option<u32>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The number of changes. A write is conditional on it.
    pub version: u64,
}

/// What a list needs to know of a type before the type is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeEntry {
    /// The type's name.
    pub name: EventType,
    /// The group that it belongs to.
    pub group: Option<TypeText>,
    /// Whether lists and the exported document leave it out.
    pub is_archived: bool,
    /// Who may see it.
    pub visibility: Visibility,
}

impl TypeEntry {
    /// Whether the caller may see the type.
    pub fn is_visible(&self, is_platform: bool) -> bool {
        is_platform || self.visibility == Visibility::Public
    }
}

/// A version of a type: a schema and an example. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeVersion {
    /// The number, from 1.
    pub number: u32,
    /// The schema and the example.
    pub contents: Contents,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A type with its newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullType {
    /// The type.
    pub kind: CatalogueType,
    /// The newest version; `None` if it has none.
    pub newest: Option<TypeVersion>,
}

impl FullType {
    /// The schema and the example.
    pub fn contents(&self) -> Contents {
        self.newest.as_ref().map(|newest| newest.contents.clone()).unwrap_or_default()
    }
}
