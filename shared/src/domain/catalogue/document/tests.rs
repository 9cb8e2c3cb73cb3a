use serde_json::{Value, json};

use super::export::FRAME_BYTES;
use super::import::MAX_FAULTS;
use super::{DocumentWriter, ENVELOPE, ImportEffect, read_document};
use crate::domain::catalogue::{
    Contents, Example, FullType, SchemaText, TypeChange, TypeSettings, TypeText, Visibility, WantedType,
};
use crate::domain::event::event_type::EventType;
use crate::domain::time::Timestamp;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

fn stored(name: &str, settings: TypeSettings, schema: Option<&str>, example: Option<&str>) -> FullType {
    let contents = Contents {
        schema: schema.map(|schema| SchemaText::parse(schema).unwrap()),
        example: example.map(|example| Example::parse(example).unwrap()),
    };
    let TypeChange { after, new, .. } =
        WantedType { settings, contents }.creation(&EventType::parse(name).unwrap(), NOW);
    FullType { kind: after, newest: new }
}

fn document(types: &[FullType]) -> Value {
    let mut writer = DocumentWriter::default();
    types.iter().for_each(|full| writer.push(full));
    let bytes = writer.bytes();
    let text = writer.finish("7");
    let sent = serde_json::to_string(&text).unwrap().len();
    assert!((sent..sent + FRAME_BYTES).contains(&bytes), "{sent} {bytes}");
    serde_json::from_str(&text).unwrap()
}

fn assert_round_trip(types: &[FullType]) {
    let imported = read_document(&document(types).to_string()).unwrap();
    assert_eq!(imported.len(), types.len());
    for (imported, before) in imported.into_iter().zip(types) {
        assert_eq!(imported.name, before.kind.name);
        let (created, _) = imported.clone().imported(None, NOW);
        let (imported, change) = imported.imported(Some(before), NOW);
        assert!(imported.effect == ImportEffect::Unchanged && change.is_none(), "{change:?} {before:?}");
        assert_eq!(created.kind.settings, before.kind.settings);
    }
}

fn types() -> Vec<FullType> {
    let described = TypeSettings {
        description: TypeText::description("An order was *paid*.").ok(),
        group: TypeText::group("orders").ok(),
        is_deprecated: true,
        ..TypeSettings::default()
    };
    let tree = r##"{"type":"object","required":["id"],"properties":{"id":{"$ref":"#/$defs/id"},"parts":{"items":{"$ref":"#"}}},"$defs":{"id":{"type":"string"}}}"##;
    let order = Some(r#"{"id":"a","parts":[{"id":"b"}]}"#);
    let older = r##"{"$schema":"http://json-schema.org/draft-07/schema#","items":{"$ref":"#/definitions/a"},"definitions":{"a":true}}"##;
    vec![
        stored("order", TypeSettings::default(), Some(older), None),
        stored("order.paid", described, Some(tree), order),
        stored("order.sent-out", TypeSettings::default(), Some("true"), None),
        stored("plain", TypeSettings::default(), None, None),
        stored("shown", TypeSettings::default(), None, Some(r#"{"a":1}"#)),
        stored("unseen", TypeSettings { visibility: Visibility::Internal, ..TypeSettings::default() }, None, None),
    ]
}

#[test]
fn an_exported_document_is_imported_as_the_same_types() {
    assert_round_trip(&types());
    assert_round_trip(&[]);
    let plain = |schema: &str| stored("order.paid", TypeSettings::default(), Some(schema), None);
    let references: Vec<_> = (0..300).map(|_| json!({"$ref": "#/$defs/a"})).collect();
    let filler = "x".repeat(45_000);
    let many = json!({"$defs": {"a": {"description": filler}}, "anyOf": references});
    assert_round_trip(&[plain(&many.to_string())]);
    for schema in [
        // Schemas with identifiers of their own, and references to them.
        r##"{"$defs":{"a":{"$id":"https://example.com/a"}},"items":{"$ref":"https://example.com/a"}}"##,
        r##"{"$defs":{"a":{"$id":"a","$defs":{"b":true}}},"items":{"$ref":"a#/$defs/b"}}"##,
        r##"{"$id":"https://example.com/root","$defs":{"a":{"$id":"a"}},"items":{"$ref":"a"},"not":{"$ref":"#/$defs/a"}}"##,
        r##"{"oneOf":[{"$ref":"#/$defs/a"}],"discriminator":{"propertyName":"kind"},"$defs":{"a":{"type":"object"}}}"##,
        // Its own parts are called as those of a document.
        r##"{"components":{"schemas":{"a":{"type":"string"}}},"items":{"$ref":"#/components/schemas/a"}}"##,
    ] {
        assert_round_trip(&[plain(schema)]);
    }
}

#[test]
fn the_body_of_a_webhook_is_what_a_receiver_gets() {
    const MEDIA: &str = "/post/requestBody/content/application~1json";
    let document = document(&types());
    assert_eq!(document["info"]["version"], "7");
    let media = document.pointer(&format!("/webhooks/order.paid{MEDIA}")).unwrap();
    assert_eq!(media["schema"]["properties"]["type"]["const"], "order.paid");
    assert_eq!(media["schema"]["properties"]["data"]["$ref"], "#/components/schemas/order.paid");
    assert_eq!(media["example"]["data"]["id"], "a");
    let own = &document["components"]["schemas"]["order.paid"];
    assert_eq!(own["properties"]["id"]["$ref"], "#/components/schemas/order.paid/$defs/id");
    assert_eq!(own["properties"]["parts"]["items"]["$ref"], "#/components/schemas/order.paid");
    let plain = document.pointer(&format!("/webhooks/plain{MEDIA}/schema/properties/data")).unwrap();
    assert_eq!(*plain, json!({"type": "object"}));
}

#[test]
fn a_document_of_others_describes_the_data_itself() {
    let media = json!({"schema": {"type": "object", "required": ["a"]}, "example": {"a": 1}});
    let item = json!({"post": {"summary": "Paid", "tags": ["orders"], "requestBody": {"content": {
        "application/json": media,
    }}}});
    let document = json!({"openapi": "3.1.0", "webhooks": {"order.paid": item}});
    let imported = read_document(&document.to_string()).unwrap().remove(0).wanted(None);
    assert_eq!(imported.settings.description.unwrap().as_str(), "Paid");
    assert_eq!(imported.settings.group.unwrap().as_str(), "orders");
    assert_eq!(imported.contents.example.unwrap().as_str(), r#"{"a":1}"#);
}

/// A document of others may lack the extension. A type that exists keeps its visibility, so that such a document shows nothing.
#[test]
fn only_a_type_that_is_created_gets_its_visibility_from_the_document() {
    use Visibility::{Internal, Public};
    let of = |visibility| stored("a", TypeSettings { visibility, ..TypeSettings::default() }, None, None);
    for (extension, before, expected) in [
        (json!(null), None, Public),
        (json!(false), None, Public),
        (json!(true), None, Internal),
        (json!(null), Some(of(Internal)), Internal),
        (json!(false), Some(of(Internal)), Internal),
        (json!(true), Some(of(Public)), Public),
    ] {
        let mut operation = json!({"summary": "changed"});
        if !extension.is_null() {
            operation["x-internal"] = extension.clone();
        }
        let document = json!({"openapi": "3.1.0", "webhooks": {"a": {"post": operation}}});
        let imported = read_document(&document.to_string()).unwrap().remove(0).wanted(before.as_ref());
        assert_eq!(imported.settings.visibility, expected, "{extension} {before:?}");
    }
    let document = json!({"openapi": "3.1.0", "webhooks": {"a": {"post": {"x-internal": "yes"}}}});
    assert_eq!(read_document(&document.to_string()).unwrap_err()[0].pointer, "/webhooks/a/post/x-internal");
}

#[test]
fn every_fault_of_a_type_is_named() {
    let hook = |schema: Value, example: Value| json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema, "example": example}}}}});
    let document = json!({"openapi": "3.1.0", "webhooks": {
        "a b": hook(json!(true), json!({})),
        "bad": hook(json!({"properties": {"a": {"type": "strin"}}}), json!({})),
        "unlike": hook(json!({"required": ["a"]}), json!({})),
    }});
    let faults = read_document(&document.to_string()).unwrap_err();
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/webhooks/a b", "/webhooks/bad", "/webhooks/unlike"]);
    assert!(faults[1].reason.starts_with("schema /properties/a/type "), "{}", faults[1].reason);
    assert!(faults[2].reason.starts_with("example "), "{}", faults[2].reason);
    for text in ["{", "[]", r#"{"openapi": "2.0"}"#] {
        assert_eq!(read_document(text).unwrap_err().len(), 1, "{text}");
    }
    let other = json!({"items": {"$ref": "other.json"}});
    let document = json!({"openapi": "3.0.3", "x-webhooks": {
        "a/b": hook(json!({}), json!({})), "bad": hook(other, json!({})), "webhook.created": hook(json!({}), json!({})),
    }});
    let faults = read_document(&document.to_string()).unwrap_err();
    let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.reason.as_str())).collect();
    assert_eq!(
        found.iter().map(|it| it.0).collect::<Vec<_>>(),
        ["/x-webhooks/a~1b", "/x-webhooks/bad", "/x-webhooks/webhook.created"]
    );
    assert!(found[1].1.starts_with("schema /items/$ref ") && found[2].1.contains("only the service"), "{found:?}");
    let hooks = (0..1_000).map(|number| (format!("a {number}"), json!({"post": {}})));
    let document = json!({"openapi": "3.1.0", "webhooks": hooks.collect::<serde_json::Map<_, _>>()});
    assert_eq!(read_document(&document.to_string()).unwrap_err().len(), MAX_FAULTS);
}

#[test]
fn a_component_that_is_too_large_is_refused_before_it_is_copied() {
    // The document is as large as it may be, and would be copied once for each webhook.
    let envelope = |name: &str| {
        json!({"properties": {
            "object": {"const": ENVELOPE}, "type": {"const": name}, "data": {"$ref": "#/components/schemas/large"},
        }})
    };
    let hook =
        |name: &str| json!({"post": {"requestBody": {"content": {"application/json": {"schema": envelope(name)}}}}});
    let hooks = (0..100).map(|number| format!("n{number}")).map(|name| (name.clone(), hook(&name)));
    let document = json!({
        "openapi": "3.1.0", "webhooks": hooks.collect::<serde_json::Map<_, _>>(),
        "components": {"schemas": {"large": {"enum": vec![0; 400_000]}}},
    });
    let faults = read_document(&document.to_string()).unwrap_err();
    assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, "/components/schemas/large"));
}
