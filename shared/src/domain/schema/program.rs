//! A compiled schema: subschemas that refer to each other by their position.

use super::document::number::Number;
use super::document::{Document, NodeId};
use super::draft::Draft;
use super::pattern::Pattern;
use super::pointer;

/// The position of a compiled subschema.
pub(crate) type SchemaId = u32;
/// The position of a pattern.
pub(crate) type PatternId = u32;

/// A compiled schema. Its first subschema is the schema itself.
pub(crate) struct Program {
    pub(crate) draft: Draft,
    pub(crate) schemas: Vec<Compiled>,
    pub(crate) locations: Vec<Location>,
    pub(crate) patterns: Vec<Pattern>,
    /// The values of `enum` and `const`.
    pub(crate) literals: Document<'static>,
}

/// Where a subschema is in the text: its pointer relative to the subschema that contains it.
pub(crate) struct Location {
    pub(crate) parent: Option<u32>,
    pub(crate) pointer: Box<str>,
}

/// A compiled subschema.
#[derive(Default)]
pub(crate) struct Compiled {
    /// Cheap ones first. `unevaluatedProperties` and `unevaluatedItems` are last, as they depend on the others.
    pub(crate) keywords: Box<[Keyword]>,
    pub(crate) location: u32,
    /// Whether its verdicts on objects and arrays are kept, as it may be asked again about the same place.
    pub(crate) remembers_containers: bool,
    /// Whether all its verdicts are kept.
    pub(crate) remembers_all: bool,
    /// Whether no keyword has subschemas.
    pub(crate) is_flat: bool,
    /// Whether an `unevaluated…` keyword depends on all subschemas of this one.
    pub(crate) is_tracked: bool,
}

/// A keyword with its operands.
pub(crate) enum Keyword {
    /// The schema `false`.
    Never,
    Types(Types),
    Constant(NodeId),
    Enumeration(Box<Enumeration>),
    Minimum(Number),
    Maximum(Number),
    ExclusiveMinimum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
    MinLength(u64),
    MaxLength(u64),
    MinItems(u64),
    MaxItems(u64),
    MinProperties(u64),
    MaxProperties(u64),
    Required(Box<[Box<str>]>),
    DependentRequired(&'static str, Box<[NameList]>),
    Pattern(PatternId),
    UniqueItems,
    Reference(&'static str, SchemaId),
    AllOf(Box<[SchemaId]>),
    AnyOf(Box<[SchemaId]>),
    OneOf(Box<[SchemaId]>),
    Not(SchemaId),
    If(Box<Conditional>),
    DependentSchemas(&'static str, Box<[(Box<str>, SchemaId)]>),
    Members(Box<Members>),
    PropertyNames(SchemaId),
    Items(Box<Items>),
    Contains(Box<Contains>),
    UnevaluatedProperties(SchemaId),
    UnevaluatedItems(SchemaId),
}

/// A name, and the names that it requires.
pub(crate) type NameList = (Box<str>, Box<[Box<str>]>);

/// `enum`.
pub(crate) struct Enumeration {
    /// The texts, sorted.
    pub(crate) texts: Box<[Box<str>]>,
    /// All other values.
    pub(crate) others: Box<[NodeId]>,
}

/// `if`, `then` and `else`.
pub(crate) struct Conditional {
    pub(crate) condition: SchemaId,
    pub(crate) then: Option<SchemaId>,
    pub(crate) otherwise: Option<SchemaId>,
}

/// `properties`, `patternProperties` and `additionalProperties`.
pub(crate) struct Members {
    /// Sorted by name.
    pub(crate) properties: Box<[(Box<str>, SchemaId)]>,
    pub(crate) patterns: Box<[(PatternId, SchemaId)]>,
    pub(crate) additional: Option<SchemaId>,
}

/// `prefixItems` and `items`; in older drafts `items` and `additionalItems`.
pub(crate) struct Items {
    pub(crate) prefix: Box<[SchemaId]>,
    pub(crate) rest: Option<SchemaId>,
}

/// `contains`, `minContains` and `maxContains`.
pub(crate) struct Contains {
    pub(crate) schema: SchemaId,
    pub(crate) min: u64,
    pub(crate) max: Option<u64>,
    /// Whether the elements that it finds count as evaluated: from draft 2020-12.
    pub(crate) evaluates: bool,
}

/// A set of JSON types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Types(pub(crate) u8);

impl Types {
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(2);
    pub(crate) const INTEGER: Self = Self(4);
    /// Numbers with a fraction.
    pub(crate) const FRACTION: Self = Self(8);
    pub(crate) const STRING: Self = Self(16);
    pub(crate) const ARRAY: Self = Self(32);
    pub(crate) const OBJECT: Self = Self(64);

    /// The set of the values of a type's name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::INTEGER.with(Self::FRACTION),
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => return None,
        })
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The names of the types: "an object or null".
    pub(crate) fn names(self) -> String {
        let number = if self.overlaps(Self::FRACTION) { "a number" } else { "an integer" };
        let names = [
            (Self::OBJECT, "an object"),
            (Self::ARRAY, "an array"),
            (Self::STRING, "a string"),
            (Self::INTEGER.with(Self::FRACTION), number),
            (Self::BOOLEAN, "a boolean"),
            (Self::NULL, "null"),
        ];
        let names: Vec<_> = names.iter().filter(|(types, _)| self.overlaps(*types)).map(|(_, name)| *name).collect();
        names.join(" or ")
    }
}

impl Keyword {
    /// The keyword's name in the schema; empty for the schema `false`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Never => "",
            Self::Types(_) => "type",
            Self::Constant(_) => "const",
            Self::Enumeration(_) => "enum",
            Self::Minimum(_) => "minimum",
            Self::Maximum(_) => "maximum",
            Self::ExclusiveMinimum(_) => "exclusiveMinimum",
            Self::ExclusiveMaximum(_) => "exclusiveMaximum",
            Self::MultipleOf(_) => "multipleOf",
            Self::MinLength(_) => "minLength",
            Self::MaxLength(_) => "maxLength",
            Self::MinItems(_) => "minItems",
            Self::MaxItems(_) => "maxItems",
            Self::MinProperties(_) => "minProperties",
            Self::MaxProperties(_) => "maxProperties",
            Self::Required(_) => "required",
            Self::Pattern(_) => "pattern",
            Self::UniqueItems => "uniqueItems",
            Self::DependentRequired(name, _) | Self::Reference(name, _) | Self::DependentSchemas(name, _) => name,
            Self::AllOf(_) => "allOf",
            Self::AnyOf(_) => "anyOf",
            Self::OneOf(_) => "oneOf",
            Self::Not(_) => "not",
            Self::If(_) => "if",
            Self::Members(_) => "properties",
            Self::PropertyNames(_) => "propertyNames",
            Self::Items(_) => "items",
            Self::Contains(_) => "contains",
            Self::UnevaluatedProperties(_) => "unevaluatedProperties",
            Self::UnevaluatedItems(_) => "unevaluatedItems",
        }
    }

    /// The subschemas that apply to the same place of the data.
    pub(crate) fn at_same_place(&self) -> Vec<SchemaId> {
        match self {
            Self::Reference(_, schema) | Self::Not(schema) => vec![*schema],
            Self::AllOf(schemas) | Self::AnyOf(schemas) | Self::OneOf(schemas) => schemas.to_vec(),
            Self::If(c) => [Some(c.condition), c.then, c.otherwise].into_iter().flatten().collect(),
            Self::DependentSchemas(_, list) => list.iter().map(|(_, schema)| *schema).collect(),
            _ => Vec::new(),
        }
    }

    /// The subschemas that apply to the names, members or elements of the data.
    pub(crate) fn below(&self) -> Vec<SchemaId> {
        match self {
            Self::Members(members) => {
                let named = members.properties.iter().map(|(_, schema)| *schema);
                named.chain(members.patterns.iter().map(|(_, schema)| *schema)).chain(members.additional).collect()
            }
            Self::Items(items) => items.prefix.iter().copied().chain(items.rest).collect(),
            Self::Contains(contains) => vec![contains.schema],
            Self::PropertyNames(schema) | Self::UnevaluatedProperties(schema) | Self::UnevaluatedItems(schema) => {
                vec![*schema]
            }
            _ => Vec::new(),
        }
    }
}

impl Program {
    pub(crate) fn schema(&self, id: SchemaId) -> &Compiled {
        &self.schemas[id as usize]
    }

    pub(crate) fn pattern(&self, id: PatternId) -> &Pattern {
        &self.patterns[id as usize]
    }

    /// The JSON Pointer of a subschema.
    pub(crate) fn pointer(&self, location: u32) -> String {
        let mut parts = Vec::new();
        let mut at = Some(location);
        while let Some(location) = at.and_then(|at| self.locations.get(at as usize)) {
            parts.push(location.pointer.as_ref());
            at = location.parent;
        }
        parts.into_iter().rev().collect()
    }

    /// The keyword under which a subschema is written.
    pub(crate) fn keyword_of(&self, location: u32) -> String {
        let relative = self.locations.get(location as usize).map_or("", |location| location.pointer.as_ref());
        pointer::unescaped(relative.split('/').nth(1).unwrap_or("false")).into_owned()
    }
}
