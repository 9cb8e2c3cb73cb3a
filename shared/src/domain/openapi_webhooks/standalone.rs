//! Makes a schema of a document stand alone: the components to which it refers become its `$defs`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::openapi_3_0;
use super::walk::visit;
use super::{DocumentError, joined, schema_pointer};
use crate::domain::schema::limits::MAX_SCHEMA_BYTES;

const COMPONENTS: &str = "#/components/schemas/";

/// The schema at this pointer, with its components.
///
/// # Errors
/// [`DocumentError`] for a reference to anything but components and the schema itself, for a component that does not
/// exist, and if the schema has more than [`MAX_SCHEMA_BYTES`].
pub(super) fn standalone(
    document: &Value,
    webhook: &str,
    pointer: &str,
    schema: &Value,
    is_openapi_3_0: bool,
) -> Result<Value, DocumentError> {
    let own = format!("#{}", schema_pointer(webhook));
    let mut bytes = 0;
    let mut waiting = BTreeSet::new();
    let mut take = |schema: &Value, pointer: &str, waiting: &mut BTreeSet<String>| {
        bytes += schema.to_string().len();
        if bytes > MAX_SCHEMA_BYTES {
            let reason = format!("must have, with its components, at most {MAX_SCHEMA_BYTES} bytes");
            return Err(DocumentError::new(pointer, reason));
        }
        let mut schema = schema.clone();
        if is_openapi_3_0 {
            openapi_3_0::translate(&mut schema);
        }
        rewrite(&mut schema, pointer, &own, waiting)?;
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

/// Rewrites the references of a schema. Adds the names of the components to which they lead.
fn rewrite(
    schema: &mut Value,
    pointer: &str,
    own: &str,
    components: &mut BTreeSet<String>,
) -> Result<(), DocumentError> {
    visit(schema, pointer, &mut |keywords, place| {
        for keyword in ["$ref", "$dynamicRef"] {
            let Some(Value::String(reference)) = keywords.get_mut(keyword) else { continue };
            if let Some(rest) = reference.strip_prefix(COMPONENTS) {
                let name = rest.split('/').next().unwrap_or_default();
                components.insert(name.replace("~1", "/").replace("~0", "~"));
                *reference = format!("#/$defs/{rest}");
            } else if let Some(rest) = reference.strip_prefix(own).filter(|r| r.is_empty() || r.starts_with('/')) {
                *reference = format!("#{rest}");
            } else if reference.starts_with("#/") || !reference.starts_with('#') || reference == "#" {
                let reason = "must refer to a schema in #/components/schemas, or to a part of the webhook's own schema";
                return Err(DocumentError::new(joined(place, keyword), reason));
            }
        }
        // OpenAPI's mapping of a discriminator refers to components, which the schema does not have any more.
        if keywords.get("discriminator").is_some_and(Value::is_object) {
            keywords.remove("discriminator");
        }
        Ok(())
    })
}
