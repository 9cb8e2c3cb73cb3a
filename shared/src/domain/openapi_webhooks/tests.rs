use serde_json::{Value, json};

use super::*;
use crate::domain::schema::Schema;

/// The value of `object` in an envelope.
const ENVELOPE: &str = "envelope";

fn import(document: &Value) -> Result<Vec<Webhook>, DocumentError> {
    let mut webhooks = Vec::new();
    super::import(&document.to_string(), ENVELOPE, |_, webhook| webhooks.push(webhook))?;
    Ok(webhooks)
}

fn document(version: &str, operation: Value, schemas: Value) -> Value {
    let key = if version.starts_with("3.0") { "x-webhooks" } else { "webhooks" };
    json!({ "openapi": version, key: { "member.added": { "post": operation } }, "components": { "schemas": schemas } })
}

fn body(schema: Value) -> Value {
    json!({ "requestBody": { "content": { "application/json": { "schema": schema } } } })
}

fn imported_schema(version: &str, schema: Value, schemas: Value) -> Value {
    import(&document(version, body(schema), schemas)).unwrap().remove(0).schema.unwrap()
}

#[test]
fn a_webhook_has_the_fields_of_its_operation() {
    let operation = json!({
        "summary": "Added", "description": "A member was added.", "tags": ["members", "x"], "deprecated": true,
        "x-internal": true,
        "requestBody": { "content": { "application/json; charset=utf-8": {
            "schema": { "type": "object" }, "examples": { "a": { "value": { "id": 1 } } },
        } } },
    });
    let expected = Webhook {
        name: "member.added".into(),
        summary: Some("Added".into()),
        description: Some("A member was added.".into()),
        group: Some("members".into()),
        deprecated: true,
        internal: true,
        schema: Some(json!({ "type": "object" })),
        example: Some(json!({ "id": 1 })),
    };
    assert_eq!(import(&document("3.1.0", operation, json!({}))), Ok(vec![expected]));
    let expected = Webhook { name: "member.added".into(), ..Webhook::default() };
    assert_eq!(import(&document("3.1.1", json!({}), json!({}))), Ok(vec![expected]));
    assert_eq!(import(&json!({ "openapi": "3.1.0" })), Ok(vec![]));
}

#[test]
fn parts_may_be_components() {
    let document = json!({
        "openapi": "3.1.0",
        "webhooks": { "a": { "$ref": "#/components/pathItems/a" } },
        "components": {
            "pathItems": { "a": { "post": { "requestBody": { "$ref": "#/components/requestBodies/a" } } } },
            "requestBodies": { "a": { "content": { "application/json": {
                "schema": true, "examples": { "x": { "$ref": "#/components/examples/x" } },
            } } } },
            "examples": { "x": { "value": 5 } },
        },
    });
    let webhooks = import(&document).unwrap();
    assert_eq!((&webhooks[0].schema, &webhooks[0].example), (&Some(json!(true)), &Some(json!(5))));
}

#[test]
fn components_become_definitions() {
    let schemas = json!({
        "Member": { "properties": { "team": { "$ref": "#/components/schemas/Team" }, "$ref": { "type": "string" } } },
        "Team": { "properties": { "lead": { "$ref": "#/components/schemas/Member" } } },
        "Other": {},
    });
    let schema = imported_schema("3.1.0", json!({ "$ref": "#/components/schemas/Member" }), schemas);
    let expected = json!({ "$ref": "#/$defs/Member", "$defs": {
        "Member": { "properties": { "team": { "$ref": "#/$defs/Team" }, "$ref": { "type": "string" } } },
        "Team": { "properties": { "lead": { "$ref": "#/$defs/Member" } } },
    } });
    assert_eq!(schema, expected);
    assert!(Schema::compile(&schema.to_string()).is_ok());
}

#[test]
fn the_dialect_of_openapi_3_0_is_translated() {
    let table = [
        (json!({ "type": "string", "nullable": true }), json!({ "type": ["string", "null"] })),
        (
            json!({ "type": "string", "nullable": true, "enum": ["a"] }),
            json!({ "type": ["string", "null"], "enum": ["a", null] }),
        ),
        (json!({ "type": "string", "nullable": false }), json!({ "type": "string" })),
        (json!({ "minimum": 1, "exclusiveMinimum": true }), json!({ "exclusiveMinimum": 1 })),
        (json!({ "maximum": 1, "exclusiveMaximum": false }), json!({ "maximum": 1 })),
        (json!({ "example": { "nullable": true } }), json!({ "examples": [{ "nullable": true }] })),
        (
            json!({ "nullable": true, "allOf": [{ "type": "object" }] }),
            json!({ "anyOf": [{ "allOf": [{ "type": "object" }] }, { "type": "null" }] }),
        ),
        (
            json!({ "properties": { "nullable": { "type": "integer", "nullable": true } } }),
            json!({ "properties": { "nullable": { "type": ["integer", "null"] } } }),
        ),
    ];
    for (schema, expected) in table {
        assert_eq!(imported_schema("3.0.3", schema.clone(), json!({})), expected, "{schema}");
        assert_eq!(imported_schema("3.1.0", schema.clone(), json!({})), schema);
    }
    let reference = json!({ "$ref": "#/components/schemas/A", "nullable": true });
    let expected = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "type": ["string", "null"] } } });
    let schemas = json!({ "A": { "type": "string", "nullable": true } });
    assert_eq!(imported_schema("3.0.0", reference, schemas), expected);
}

#[test]
fn the_dialect_of_the_document_is_kept() {
    let mut document = document("3.1.0", body(json!({ "type": "object" })), json!({}));
    document["jsonSchemaDialect"] = "http://json-schema.org/draft-07/schema#".into();
    let schema = import(&document).unwrap().remove(0).schema.unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
}

#[test]
fn an_error_names_the_place() {
    let media = |media: Value| json!({ "requestBody": { "content": media } });
    let table = [
        (json!(5), "/webhooks/member.added/post"),
        (json!({ "summary": 5 }), "/webhooks/member.added/post/summary"),
        (json!({ "deprecated": "no" }), "/webhooks/member.added/post/deprecated"),
        (json!({ "tags": [1] }), "/webhooks/member.added/post/tags"),
        (json!({ "requestBody": 1 }), "/webhooks/member.added/post/requestBody/content"),
        (media(json!({ "text/plain": {} })), "/webhooks/member.added/post/requestBody/content"),
        (
            media(json!({ "application/json": { "schema": 1 } })),
            "/webhooks/member.added/post/requestBody/content/application~1json/schema",
        ),
        (
            body(json!({ "items": { "$ref": "#" } })),
            "/webhooks/member.added/post/requestBody/content/application~1json/schema/items/$ref",
        ),
        (body(json!({ "$ref": "#/components/schemas/None" })), "/components/schemas/None"),
        (body(json!({ "$ref": "#/components/schemas/Bad" })), "/components/schemas/Bad/not/$ref"),
    ];
    for (operation, pointer) in table {
        let error = import(&document("3.1.0", operation, json!({ "Bad": { "not": { "$ref": "#/info" } } })));
        assert_eq!(error.unwrap_err().pointer, pointer);
    }
    assert_eq!(import(&json!({ "openapi": "2.0" })).unwrap_err().pointer, "/openapi");
    assert_eq!(import(&json!({ "openapi": "3.1.0", "webhooks": [] })).unwrap_err().pointer, "/webhooks");
    assert_eq!(super::import("{", ENVELOPE, |_, _| ()).unwrap_err().pointer, "");
}

#[test]
fn documents_are_limited() {
    let webhooks = |count: usize| {
        let items = (0..count).map(|i| (format!("e{i}"), json!({ "post": {} })));
        json!({ "openapi": "3.1.0", "webhooks": items.collect::<serde_json::Map<_, _>>() })
    };
    assert_eq!(import(&webhooks(1_000)).map(|webhooks| webhooks.len()), Ok(1_000));
    assert_eq!(import(&webhooks(1_001)).unwrap_err().pointer, "/webhooks");
    let blank = " ".repeat(MAX_DOCUMENT_BYTES + 1);
    assert!(super::import(&blank, ENVELOPE, |_, _| ()).unwrap_err().reason.contains("1048576"));
    // Many webhooks that refer to the same large component.
    let large = json!({ "A": { "description": "x".repeat(60_000) } });
    let item = json!({ "post": body(json!({ "$ref": "#/components/schemas/A" })) });
    let items = (0..1_000).map(|i| (format!("e{i}"), item.clone()));
    let document = json!({
        "openapi": "3.1.0", "components": { "schemas": large }, "webhooks": items.collect::<serde_json::Map<_, _>>(),
    });
    assert!(import(&document).unwrap_err().reason.contains("4194304"));
    // An example that is too large is not copied either.
    let media = json!({ "examples": { "x": { "$ref": "#/components/examples/x" } } });
    let item = json!({ "post": { "requestBody": { "content": { "application/json": media } } } });
    let document = json!({
        "openapi": "3.1.0", "webhooks": { "a": item }, "components": { "examples": { "x": { "value": "x".repeat(65_536) } } },
    });
    assert!(import(&document).unwrap_err().reason.contains("example of at most 65536"));
    let large = json!({ "A": { "description": "x".repeat(70_000) } });
    let refused = import(&self::document("3.1.0", body(json!({ "$ref": "#/components/schemas/A" })), large));
    assert_eq!(refused.unwrap_err().pointer, "/components/schemas/A");
}

#[test]
fn an_exported_catalogue_is_imported_unchanged() {
    let tree = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": { "children": { "items": { "$ref": "#" } }, "kind": { "$ref": "#/$defs/a~1b" } },
        "$defs": { "a/b": { "enum": [{ "$ref": "#/$defs/a~1b" }] }, "unused": true },
        "example": { "$ref": "#" }, "examples": [1],
    });
    let with_id = json!({ "$id": "https://example.com/a", "$ref": "#/$defs/x", "$defs": { "x": {} } });
    let webhooks = vec![
        Webhook { name: "a".into(), ..Webhook::default() },
        Webhook { name: "a.b".into(), schema: Some(tree), example: Some(json!({ "$ref": "#" })), ..Webhook::default() },
        Webhook {
            name: "c_d".into(),
            summary: Some("C".into()),
            description: Some("D".into()),
            group: Some("g".into()),
            deprecated: true,
            internal: true,
            schema: Some(with_id),
            example: None,
        },
        Webhook { name: "e".into(), schema: Some(json!(false)), example: Some(Value::Null), ..Webhook::default() },
        Webhook { name: "f".into(), example: Some(json!([1])), ..Webhook::default() },
        Webhook {
            name: "g".into(),
            schema: Some(json!({ "$anchor": "x", "not": { "$ref": "#x" } })),
            ..Webhook::default()
        },
    ];
    let item = |webhook: &Webhook| {
        let pointer = format!("/webhooks/{}/post/requestBody/content/application~1json/schema", webhook.name);
        let schema = webhook.schema.clone().map(|schema| placed(schema, &pointer));
        (webhook.name.clone(), webhook_item(Webhook { schema, ..webhook.clone() }))
    };
    let items: serde_json::Map<_, _> = webhooks.iter().map(item).collect();
    assert_eq!(import(&json!({ "openapi": "3.1.0", "webhooks": items })), Ok(webhooks));
}

#[test]
fn the_data_of_an_envelope_is_the_webhooks_schema() {
    let envelope = |data: Value| {
        let schema = json!({ "properties": { "object": { "const": ENVELOPE }, "data": data } });
        let example = json!({ "object": ENVELOPE, "data": { "id": 1 } });
        let media = json!({ "schema": schema, "example": example });
        json!({ "requestBody": { "content": { "application/json": media } } })
    };
    let schemas = json!({ "A": { "items": { "$ref": "#/components/schemas/A" }, "discriminator": {} } });
    for (data, expected) in [
        (json!({ "type": "object" }), None),
        (json!({ "type": "string" }), Some(json!({ "type": "string" }))),
        (json!({ "$ref": "#/components/schemas/A" }), Some(json!({ "items": { "$ref": "#" }, "discriminator": {} }))),
    ] {
        let webhook = import(&document("3.1.0", envelope(data), schemas.clone())).unwrap().remove(0);
        assert_eq!((webhook.schema, webhook.example), (expected, Some(json!({ "id": 1 }))));
    }
    // The documents of others have discriminators whose mapping refers to components.
    let other = imported_schema("3.1.0", json!({ "oneOf": [{}], "discriminator": {} }), json!({}));
    assert_eq!(other, json!({ "oneOf": [{}] }));
}
