//! Makes a schema of a document stand alone: the components to which it refers become its `$defs`.

use std::collections::BTreeSet;
use std::convert::Infallible;

use serde_json::{Map, Value, json};

use super::import::size;
use super::openapi_3_0;
use super::walk::visit;
use super::{DocumentError, joined};
use crate::domain::schema::limits::MAX_SCHEMA_BYTES;

const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";
const REFERENCES: [&str; 2] = ["$ref", "$dynamicRef"];

/// Where a schema comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'d> {
    /// The document.
    pub(super) document: &'d Value,
    /// Whether it is written for OpenAPI 3.0.
    pub(super) is_openapi_3_0: bool,
    /// Whether it is a schema of the catalogue that was exported.
    pub(super) is_own: bool,
}

/// The schema at this pointer, with its components.
///
/// # Errors
/// [`DocumentError`] for a reference to a part of the document that is neither a component nor in the schema itself, for a
/// component that does not exist, and if the schema has more than [`MAX_SCHEMA_BYTES`].
pub(super) fn standalone(source: &Source<'_>, pointer: &str, schema: &Value) -> Result<Value, DocumentError> {
    let Source { document, is_openapi_3_0, is_own } = *source;
    let own = format!("#{pointer}");
    let mut bytes = 0;
    let mut waiting = BTreeSet::new();
    let mut take = |schema: &Value, pointer: &str, waiting: &mut BTreeSet<String>| {
        let limit = |bytes: usize| match bytes {
            0..=MAX_SCHEMA_BYTES => Ok(()),
            _ => {
                let reason = format!("must have, with its components, at most {MAX_SCHEMA_BYTES} bytes");
                Err(DocumentError::new(pointer, reason))
            }
        };
        // Before anything is copied. The references become shorter.
        limit(bytes + size(schema).saturating_sub(saved(schema, &own)))?;
        let mut schema = schema.clone();
        if is_openapi_3_0 {
            openapi_3_0::translate(&mut schema);
        }
        rewrite(&mut schema, pointer, &own, waiting)?;
        if !is_own {
            drop_discriminators(&mut schema);
        }
        bytes += size(&schema);
        limit(bytes)?;
        Ok(schema)
    };
    let mut result = take(schema, pointer, &mut waiting)?;
    let mut components = Map::new();
    while let Some(name) = waiting.pop_first() {
        let place = joined("/components/schemas", &name);
        let Some(component) = document.pointer(&place) else {
            return Err(DocumentError::new(place, "must exist, as a webhook's schema refers to it"));
        };
        let mut names = BTreeSet::new();
        let component = take(component, &place, &mut names)?;
        components.insert(name, component);
        waiting.extend(names.into_iter().filter(|name| !components.contains_key(name)));
    }
    if !components.is_empty() {
        let Value::Object(keywords) = &mut result else { return Ok(result) };
        let definitions = keywords.entry("$defs").or_insert_with(|| json!({}));
        for (name, component) in components {
            if definitions.get(&name).is_some_and(|known| *known != component) {
                let reason = format!("must not have {name:?} in $defs, as it refers to a component with this name");
                return Err(DocumentError::new(pointer, reason));
            }
            if let Value::Object(definitions) = definitions {
                definitions.insert(name, component);
            }
        }
    }
    Ok(result)
}

/// At most this many bytes are saved when the references of a schema are rewritten.
fn saved(schema: &Value, own: &str) -> usize {
    let of_reference = |reference: &str| match reference {
        _ if reference.starts_with(own) => own.len() - "#".len(),
        _ if reference.starts_with(COMPONENTS) => COMPONENTS.len() - DEFINITIONS.len(),
        _ => 0,
    };
    match schema {
        Value::Object(fields) => {
            let of_field = |(keyword, value): (&String, &Value)| match value {
                Value::String(text) if REFERENCES.contains(&keyword.as_str()) => of_reference(text),
                other => saved(other, own),
            };
            fields.iter().map(of_field).sum()
        }
        Value::Array(values) => values.iter().map(|value| saved(value, own)).sum(),
        _ => 0,
    }
}

/// Removes what OpenAPI adds to `oneOf`: its mapping refers to components, which the schema does not have any more.
fn drop_discriminators(schema: &mut Value) {
    let visited = visit(schema, "", &mut |keywords, _| -> Result<(), Infallible> {
        if keywords.get("discriminator").is_some_and(Value::is_object) {
            keywords.remove("discriminator");
        }
        Ok(())
    });
    let Ok(()) = visited;
}

/// Rewrites the references of a schema. A reference to another document stays, as an identifier in the schema may be what it
/// means. Adds the names of the components to which they lead.
fn rewrite(
    schema: &mut Value,
    pointer: &str,
    own: &str,
    components: &mut BTreeSet<String>,
) -> Result<(), DocumentError> {
    visit(schema, pointer, &mut |keywords, place| {
        for keyword in REFERENCES {
            let Some(Value::String(reference)) = keywords.get_mut(keyword) else { continue };
            if let Some(rest) = reference.strip_prefix(own).filter(|r| r.is_empty() || r.starts_with('/')) {
                *reference = format!("#{rest}");
            } else if let Some(rest) = reference.strip_prefix(COMPONENTS) {
                let name = rest.split('/').next().unwrap_or_default();
                components.insert(name.replace("~1", "/").replace("~0", "~"));
                *reference = format!("{DEFINITIONS}{rest}");
            } else if reference.starts_with("#/") || reference == "#" {
                let reason = "must refer to a schema in #/components/schemas, or to a part of the webhook's own schema";
                return Err(DocumentError::new(joined(place, keyword), reason));
            }
        }
        Ok(())
    })
}
