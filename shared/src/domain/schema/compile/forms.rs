//! Which keywords a draft has, and the form of their values.

use crate::domain::schema::draft::Draft;
use Draft::{Draft4, Draft6, Draft7, Draft201909, Draft202012};

/// The form of a keyword's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Any JSON.
    Any,
    Text,
    Boolean,
    Number,
    PositiveNumber,
    /// An integer of 0 or more.
    Count,
    Pattern,
    /// The name of a type, or an array of different names.
    Types,
    /// The array of `enum`.
    Values,
    /// The value of `const`.
    Value,
    /// An array of different names.
    Names,
    /// An object whose values are arrays of different names.
    NameLists,
    /// An array.
    List,
    /// An object.
    Object,
    /// The name of a place in the schema: letters, digits, `-`, `_` and `.`.
    Anchor,
    /// The reference `#`.
    RecursiveReference,
    Schema,
    /// A schema or a boolean, also in draft 4.
    SchemaOrBoolean,
    /// A non-empty array of schemas.
    Schemas,
    /// A schema or an array of schemas.
    SchemaOrSchemas,
    /// An object whose values are schemas.
    SchemaMap,
    /// An object of patterns whose values are schemas.
    PatternMap,
    /// An object whose values are schemas or arrays of names.
    SchemaOrNameListMap,
}

/// The form of a keyword's value; `None` if the draft does not know the keyword.
pub(crate) fn form_of(draft: Draft, keyword: &str) -> Option<Form> {
    let (first, last, form) = match keyword {
        "id" => (Draft4, Draft4, Form::Text),
        "$id" => (Draft6, Draft202012, Form::Text),
        "$schema" | "$ref" | "title" | "description" | "format" => (Draft4, Draft202012, Form::Text),
        "$comment" | "contentEncoding" | "contentMediaType" => (Draft7, Draft202012, Form::Text),
        "$anchor" => (Draft201909, Draft202012, Form::Anchor),
        "$recursiveRef" => (Draft201909, Draft201909, Form::RecursiveReference),
        "$recursiveAnchor" => (Draft201909, Draft201909, Form::Boolean),
        "$dynamicRef" => (Draft202012, Draft202012, Form::Text),
        "$dynamicAnchor" => (Draft202012, Draft202012, Form::Anchor),
        "$vocabulary" => (Draft201909, Draft202012, Form::Object),
        "$defs" => (Draft201909, Draft202012, Form::SchemaMap),
        "definitions" => (Draft4, Draft202012, Form::SchemaMap),
        "default" => (Draft4, Draft202012, Form::Any),
        "examples" => (Draft6, Draft202012, Form::List),
        "readOnly" | "writeOnly" => (Draft7, Draft202012, Form::Boolean),
        "deprecated" => (Draft201909, Draft202012, Form::Boolean),
        "contentSchema" => (Draft201909, Draft202012, Form::Schema),
        "type" => (Draft4, Draft202012, Form::Types),
        "enum" => (Draft4, Draft202012, Form::Values),
        "const" => (Draft6, Draft202012, Form::Value),
        "minimum" | "maximum" => (Draft4, Draft202012, Form::Number),
        "exclusiveMinimum" | "exclusiveMaximum" if draft == Draft4 => (Draft4, Draft4, Form::Boolean),
        "exclusiveMinimum" | "exclusiveMaximum" => (Draft6, Draft202012, Form::Number),
        "multipleOf" => (Draft4, Draft202012, Form::PositiveNumber),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            (Draft4, Draft202012, Form::Count)
        }
        "minContains" | "maxContains" => (Draft201909, Draft202012, Form::Count),
        "pattern" => (Draft4, Draft202012, Form::Pattern),
        "uniqueItems" => (Draft4, Draft202012, Form::Boolean),
        "required" => (Draft4, Draft202012, Form::Names),
        "dependentRequired" => (Draft201909, Draft202012, Form::NameLists),
        "dependentSchemas" => (Draft201909, Draft202012, Form::SchemaMap),
        // Later drafts keep it for compatibility.
        "dependencies" => (Draft4, Draft202012, Form::SchemaOrNameListMap),
        "allOf" | "anyOf" | "oneOf" => (Draft4, Draft202012, Form::Schemas),
        "not" => (Draft4, Draft202012, Form::Schema),
        "if" | "then" | "else" => (Draft7, Draft202012, Form::Schema),
        "properties" => (Draft4, Draft202012, Form::SchemaMap),
        "patternProperties" => (Draft4, Draft202012, Form::PatternMap),
        "additionalProperties" => (Draft4, Draft202012, Form::SchemaOrBoolean),
        "propertyNames" | "contains" => (Draft6, Draft202012, Form::Schema),
        "prefixItems" => (Draft202012, Draft202012, Form::Schemas),
        "items" if draft == Draft202012 => (Draft202012, Draft202012, Form::Schema),
        "items" => (Draft4, Draft201909, Form::SchemaOrSchemas),
        "additionalItems" => (Draft4, Draft201909, Form::SchemaOrBoolean),
        "unevaluatedProperties" | "unevaluatedItems" => (Draft201909, Draft202012, Form::Schema),
        _ => return None,
    };
    (first..=last).contains(&draft).then_some(form)
}

impl Form {
    /// What a value of this form is, as a phrase.
    pub(crate) const fn phrase(self) -> &'static str {
        match self {
            Self::Any | Self::Value => "must be JSON",
            Self::Text | Self::Pattern => "must be a string",
            Self::Boolean => "must be true or false",
            Self::Number => "must be a number",
            Self::PositiveNumber => "must be a number greater than 0",
            Self::Count => "must be an integer of 0 or more",
            Self::Types => {
                "must be null, boolean, integer, number, string, array or object, or an array of different such names"
            }
            Self::Values => "must be an array of the allowed values",
            Self::Names => "must be an array of different strings",
            Self::NameLists => "must be an object whose values are arrays of different strings",
            Self::List => "must be an array",
            Self::Object => "must be an object",
            Self::Anchor => "must be a letter or _, followed by letters, digits, -, _ and .",
            Self::RecursiveReference => "must be #",
            Self::Schema => "must be a schema: an object or a boolean",
            Self::SchemaOrBoolean => "must be a schema or a boolean",
            Self::Schemas => "must be a non-empty array of schemas",
            Self::SchemaOrSchemas => "must be a schema or an array of schemas",
            Self::SchemaMap | Self::PatternMap => "must be an object whose values are schemas",
            Self::SchemaOrNameListMap => "must be an object whose values are schemas or arrays of different strings",
        }
    }
}
