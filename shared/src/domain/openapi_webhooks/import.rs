//! Reads the webhooks of an OpenAPI document.

use serde_json::{Value, json};

use super::standalone::{Source, standalone};
use super::{DocumentError, INTERNAL, MAX_CONTENTS_BYTES, MAX_DOCUMENT_BYTES, MAX_WEBHOOKS, Webhook, joined};
use crate::domain::catalogue::MAX_EXAMPLE_BYTES;
use crate::domain::schema::Draft;

/// Reads the JSON text of a document: `webhooks` of OpenAPI 3.1, or `x-webhooks` of OpenAPI 3.0. `take` gets each webhook with
/// its JSON Pointer in the document, one after the other, as all of them together can be far larger than the document. Its
/// schema is not compiled. If the body of a webhook has the constant `envelope` as its property `object`, the schema and the
/// example are those of its property `data`.
///
/// # Errors
/// [`DocumentError`] if the text is not JSON or has more than [`MAX_DOCUMENT_BYTES`]; for the first fault of the parts that are
/// read; for more than [`MAX_WEBHOOKS`] webhooks; and if their schemas and examples have more than [`MAX_CONTENTS_BYTES`].
pub fn import(text: &str, envelope: &str, mut take: impl FnMut(&str, Webhook)) -> Result<(), DocumentError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::new("", format!("must have at most {MAX_DOCUMENT_BYTES} bytes")));
    }
    let document: Value =
        serde_json::from_str(text).map_err(|e| DocumentError::new("", format!("must be JSON: {e}")))?;
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    let is_openapi_3_0 = version.starts_with("3.0.");
    if !is_openapi_3_0 && !version.starts_with("3.1.") {
        return Err(DocumentError::new("/openapi", "must be a version of OpenAPI 3.1 or 3.0"));
    }
    let key = if is_openapi_3_0 { "x-webhooks" } else { "webhooks" };
    let pointer = joined("", key);
    let webhooks = match document.get(key) {
        None => return Ok(()),
        Some(Value::Object(webhooks)) => webhooks,
        Some(_) => return Err(DocumentError::new(pointer, "must be an object")),
    };
    if webhooks.len() > MAX_WEBHOOKS {
        return Err(DocumentError::new(pointer, format!("must have at most {MAX_WEBHOOKS} webhooks")));
    }
    let reader = Reader { document: &document, envelope, is_openapi_3_0, dialect: dialect(&document)? };
    let mut bytes = 0;
    for (name, item) in webhooks {
        let place = joined(&pointer, name);
        let webhook = reader.webhook(name, item, &place)?;
        bytes += [&webhook.schema, &webhook.example].into_iter().flatten().map(size).sum::<usize>();
        if bytes > MAX_CONTENTS_BYTES {
            let reason = format!(
                "must have schemas, each with its components, and examples of at most {MAX_CONTENTS_BYTES} bytes"
            );
            return Err(DocumentError::new(pointer, reason));
        }
        take(&place, webhook);
    }
    Ok(())
}

/// The bytes of a value's JSON text.
pub(super) fn size(value: &Value) -> usize {
    value.to_string().len()
}

/// The document's dialect of JSON Schema, if it is another draft than 2020-12.
fn dialect(document: &Value) -> Result<Option<Draft>, DocumentError> {
    let Some(dialect) = document.get("jsonSchemaDialect") else { return Ok(None) };
    let dialect = dialect.as_str().unwrap_or_default();
    if dialect.starts_with("https://spec.openapis.org/oas/3.1/") {
        return Ok(None);
    }
    let Some(draft) = Draft::of_uri(dialect) else {
        return Err(DocumentError::new("/jsonSchemaDialect", "must be a draft of JSON Schema from 4 to 2020-12"));
    };
    Ok(Some(draft).filter(|draft| *draft != Draft::Draft202012))
}

struct Reader<'d> {
    document: &'d Value,
    envelope: &'d str,
    is_openapi_3_0: bool,
    dialect: Option<Draft>,
}

impl Reader<'_> {
    fn webhook(&self, name: &str, item: &Value, pointer: &str) -> Result<Webhook, DocumentError> {
        let (item, pointer) = self.referred(item, pointer)?;
        let pointer = joined(&pointer, "post");
        let Some(operation) = item.get("post").filter(|operation| operation.is_object()) else {
            return Err(DocumentError::new(pointer, "must be an object: the request that delivers the event"));
        };
        let text = |key: &str| match operation.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(DocumentError::new(joined(&pointer, key), "must be a string")),
        };
        let flag = |key: &str| match operation.get(key) {
            None => Ok(false),
            Some(Value::Bool(is_set)) => Ok(*is_set),
            Some(_) => Err(DocumentError::new(joined(&pointer, key), "must be true or false")),
        };
        let (deprecated, internal) = (flag("deprecated")?, flag(INTERNAL)?);
        let group = match operation.get("tags") {
            None => None,
            Some(Value::Array(tags)) if tags.iter().all(Value::is_string) => {
                tags.first().and_then(Value::as_str).map(str::to_owned)
            }
            Some(_) => return Err(DocumentError::new(joined(&pointer, "tags"), "must be an array of strings")),
        };
        let (schema, example) = match operation.get("requestBody") {
            Some(body) => self.body(body, &joined(&pointer, "requestBody"))?,
            None => (None, None),
        };
        let (summary, description) = (text("summary")?, text("description")?);
        Ok(Webhook { name: name.to_owned(), summary, description, group, deprecated, internal, schema, example })
    }

    /// The schema and the example of a request's body.
    fn body(&self, body: &Value, pointer: &str) -> Result<(Option<Value>, Option<Value>), DocumentError> {
        let (body, pointer) = self.referred(body, pointer)?;
        let pointer = joined(&pointer, "content");
        let Some(Value::Object(content)) = body.get("content") else {
            return Err(DocumentError::new(pointer, "must be an object of media types"));
        };
        let is_json = |media_type: &str| {
            media_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json"))
        };
        let Some((media_type, media)) = content.iter().find(|(media_type, _)| is_json(media_type)) else {
            return Err(DocumentError::new(pointer, "must have application/json"));
        };
        let pointer = joined(&pointer, media_type);
        let mut schema = media.get("schema");
        let mut place = joined(&pointer, "schema");
        let object = schema.and_then(|schema| schema.pointer("/properties/object/const"));
        let is_envelope = object.and_then(Value::as_str) == Some(self.envelope);
        let mut example = self.example(media, &pointer)?;
        if is_envelope {
            (schema, place) = self.data(schema, &place);
            example = media.get("example").and_then(|example| example.get("data"));
        } else if self.is_openapi_3_0 && example.is_none() {
            example = schema.and_then(|schema| schema.get("example"));
        }
        if example.is_some_and(|example| size(example) > MAX_EXAMPLE_BYTES) {
            let reason = format!("must have an example of at most {MAX_EXAMPLE_BYTES} bytes");
            return Err(DocumentError::new(pointer, reason));
        }
        let example = example.cloned();
        let Some(schema) = schema else { return Ok((None, example)) };
        if !schema.is_object() && (!schema.is_boolean() || self.is_openapi_3_0) {
            return Err(DocumentError::new(place, "must be a schema"));
        }
        let Self { document, is_openapi_3_0, .. } = *self;
        let mut schema = standalone(&Source { document, is_openapi_3_0, is_own: is_envelope }, &place, schema)?;
        if let (Some(draft), Value::Object(keywords)) = (self.dialect, &mut schema) {
            keywords.entry("$schema").or_insert_with(|| draft.uri().into());
        }
        Ok((Some(schema), example))
    }

    /// The schema of the `data` of an envelope, and its pointer: the component to which it refers, or else the schema itself.
    fn data<'v>(&'v self, envelope: Option<&'v Value>, pointer: &str) -> (Option<&'v Value>, String) {
        let place = format!("{pointer}/properties/data");
        // Without a schema of its own, a type has only this there.
        let is_any = |data: &Value| *data == json!({ "type": "object" });
        let data = envelope.and_then(|it| it.pointer("/properties/data")).filter(|data| !is_any(data));
        let reference = data.and_then(|data| data.get("$ref")?.as_str()?.strip_prefix('#'));
        let component = reference.filter(|place| place.starts_with("/components/schemas/"));
        match component.and_then(|place| Some((self.document.pointer(place)?, place))) {
            Some((component, place)) => (Some(component), place.to_owned()),
            None => (data, place),
        }
    }

    fn example<'v>(&'v self, media: &'v Value, pointer: &str) -> Result<Option<&'v Value>, DocumentError> {
        if let Some(example) = media.get("example") {
            return Ok(Some(example));
        }
        let first = media.get("examples").and_then(Value::as_object).and_then(|examples| examples.iter().next());
        let Some((name, example)) = first else { return Ok(None) };
        let (example, _) = self.referred(example, &joined(&joined(pointer, "examples"), name))?;
        Ok(example.get("value"))
    }

    /// The value, or the component to which it refers, and its pointer.
    fn referred<'v>(&'v self, value: &'v Value, pointer: &str) -> Result<(&'v Value, String), DocumentError> {
        let Some(Value::String(reference)) = value.get("$ref") else { return Ok((value, pointer.to_owned())) };
        let target = reference.strip_prefix('#').filter(|place| place.starts_with("/components/"));
        match target.and_then(|place| Some((self.document.pointer(place)?, place))) {
            Some((value, place)) if value.get("$ref").is_none() => Ok((value, place.to_owned())),
            _ => Err(DocumentError::new(joined(pointer, "$ref"), "must refer to one of this document's components")),
        }
    }
}
