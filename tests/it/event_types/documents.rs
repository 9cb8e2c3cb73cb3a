//! Importing and exporting the catalogue as an OpenAPI document.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join;
use serde_json::{Value, json};

use super::{TYPES, create, names, put, schema};
use crate::support::{Fate, Gate, Reply, Tenant, World, over_network_by_call};

const EXPORT: &str = "/v1/openapi/webhooks.json";

async fn import(platform: &Tenant, query: &str, document: &Value) -> Reply {
    platform.post(&format!("/v1/event-type-imports{query}"), document).await
}

fn effects(imported: &Value) -> Vec<(&str, &str, Option<u64>)> {
    let types = imported["event_types"].as_array().unwrap().iter();
    let of = |it: &'_ Value| it["schema_version"].as_u64();
    types.map(|it| (it["name"].as_str().unwrap(), it["effect"].as_str().unwrap(), of(it))).collect()
}

#[tokio::test]
async fn an_exported_catalogue_is_imported_unchanged_and_into_an_empty_one_as_the_same_types() {
    let world = World::new().await;
    let tree = json!({
        "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
        "properties": {"parts": {"type": "array", "items": {"$ref": "#"}}, "id": {"$ref": "#/definitions/id"}},
        "definitions": {"id": {"type": "string", "pattern": "^[a-z]+$"}},
    });
    for body in [
        json!({"name": "order.paid", "schema": schema(), "example": {"order": "a"}, "group": "orders"}),
        json!({"name": "part-tree", "schema": tree, "description": "*Parts*", "deprecated": true}),
        json!({"name": "plain"}),
        json!({"name": "shown", "example": {"a": [1, {"b": null}]}}),
        json!({"name": "unseen", "visibility": "internal"}),
    ] {
        create(&world, &body).await;
    }
    let document = world.platform().get(EXPORT).await.body;
    assert_eq!(document["openapi"], "3.1.0");
    let unchanged = import(&world.platform(), "", &document).await.data(200);
    assert!(effects(&unchanged).iter().all(|(_, effect, _)| *effect == "unchanged"), "{unchanged}");
    let other = world.new_world().await;
    import(&other.platform(), "", &document).await.data(200);
    for name in names(&world.platform().get(TYPES).await.data(200)) {
        let path = format!("{TYPES}/{name}");
        let [before, after] = [&world, &other].map(|world| world.platform());
        let (mut before, mut after) = (before.get(&path).await.data(200), after.get(&path).await.data(200));
        for kind in [&mut before, &mut after] {
            kind.as_object_mut().unwrap().retain(|field, _| !field.ends_with("_at"));
        }
        assert_eq!(before, after);
    }
    assert_eq!(other.platform().get(EXPORT).await.body["webhooks"], document["webhooks"]);
}

#[tokio::test]
async fn an_import_creates_and_changes_the_types_of_the_document_and_keeps_the_others() {
    let world = World::new().await;
    let platform = world.platform();
    create(&world, &json!({"name": "kept", "schema": true})).await;
    create(&world, &json!({"name": "order.paid", "schema": true, "visibility": "internal"})).await;
    let hook = |schema: Value| json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}});
    let mut hooks = json!({"order.paid": hook(schema()), "order.sent": {"post": {"summary": "Sent"}}});
    // More types than one transaction writes.
    for number in 10..50 {
        hooks[format!("n{number}")] = hook(json!(true));
    }
    let document = json!({"openapi": "3.1.0", "webhooks": hooks});
    let planned = import(&platform, "?dry_run=true", &document).await.data(200);
    assert_eq!(planned["dry_run"], true);
    assert_eq!(names(&platform.get(TYPES).await.data(200)), ["kept", "order.paid"], "nothing is changed");
    let done = import(&platform, "", &document).await.data(200);
    assert_eq!(effects(&done), effects(&planned));
    let wanted = [("order.paid", "updated", Some(2)), ("order.sent", "created", None), ("n10", "created", Some(1))];
    assert!(wanted.iter().all(|wanted| effects(&done).contains(wanted)), "{done}");
    let paid = platform.get(&format!("{TYPES}/order.paid")).await.data(200);
    assert_eq!([&paid["schema"], &paid["visibility"]], [&schema(), &json!("internal")]);
    assert_eq!(platform.get(&format!("{TYPES}/order.sent")).await.data(200)["description"], "Sent");
    assert_eq!(platform.get(&format!("{TYPES}/kept")).await.data(200)["schema"], true);
    let again = import(&platform, "", &document).await.data(200);
    assert!(effects(&again).iter().all(|(_, effect, _)| *effect == "unchanged"), "{again}");
}

#[tokio::test]
async fn webhooks_of_openapi_3_0_are_imported_with_their_components() {
    let world = World::new().await;
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {},
        "x-webhooks": {"order.paid": {"post": {"requestBody": {"content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Order"},
        }}}}}},
        "components": {"schemas": {"Order": {"type": "object", "properties": {"note": {"type": "string", "nullable": true}}}}},
    });
    import(&world.platform(), "", &document).await.data(200);
    let tenant = world.tenant().await;
    tenant.post("/events", &json!({"type": "order.paid", "data": {"note": null}})).await.data(202);
    let refused = tenant.post("/events", &json!({"type": "order.paid", "data": {"note": 1}})).await;
    assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], "/data/note");
}

#[tokio::test]
async fn a_refused_document_changes_nothing() {
    let world = World::new().await;
    let platform = world.platform();
    let hook = |schema: Value| json!({"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}});
    let document = json!({"openapi": "3.1.0", "webhooks": {
        "good": hook(json!(true)), "bad": hook(json!({"type": "strin"})), "a b": hook(json!(true)),
    }});
    let refused = import(&platform, "", &document).await;
    refused.is_error(400, "validation_failed");
    let fields = &refused.body["error"]["details"]["fields"];
    let found: Vec<_> = fields.as_array().unwrap().iter().map(|field| &field["name"]).collect();
    assert!(found.contains(&&json!("/webhooks/bad")) && found.contains(&&json!("/webhooks/a b")), "{fields}");
    for (document, name) in [
        (json!({"openapi": "2.0"}), "/openapi"),
        (json!({"openapi": "3.1.0", "webhooks": []}), "/webhooks"),
        (json!({"openapi": "3.1.0", "webhooks": {"a": {"get": {}}}}), "/webhooks/a/post"),
    ] {
        let refused = import(&platform, "", &document).await;
        refused.is_error(400, "validation_failed");
        assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], name);
    }
    import(&platform, "?dry_run=perhaps", &json!({})).await.is_error(400, "validation_failed");
    assert_eq!(names(&platform.get(TYPES).await.data(200)), [""; 0]);
}

#[tokio::test]
async fn an_import_that_is_tried_again_reports_what_it_has_written() {
    let world = World::new().await;
    // More bytes than one transaction writes.
    let hook = json!({"post": {"description": "\u{4e00}".repeat(4_096), "requestBody": {"content": {"application/json": {
        "schema": {"$ref": "#/components/schemas/Large"},
    }}}}});
    let hooks = (10..40).map(|number| (format!("n{number}"), hook.clone()));
    let document = json!({
        "openapi": "3.1.0", "webhooks": hooks.collect::<serde_json::Map<_, _>>(),
        "components": {"schemas": {"Large": {"description": "x".repeat(62_000)}}},
    });
    let (performed, gate, transactions) = (Gate::closed(), Gate::closed(), AtomicUsize::new(0));
    let fate = Fate::AnswerBehind { performed: performed.clone(), gate: gate.clone() };
    let network = over_network_by_call(&world.sdk(), move |call| {
        let is_first = call.operation == "TransactWriteItems" && transactions.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first { fate.clone() } else { Fate::Pass }
    });
    let platform = world.platform().at(&world.process_on(&network));
    let change = async {
        performed.pass().await;
        put(&world.platform(), "n39", &json!({"schema": true})).await.data(201);
        gate.open();
    };
    let (imported, ()) = join(import(&platform, "", &document), change).await;
    let imported = imported.data(200);
    let effects = effects(&imported);
    assert!(
        effects[..29].iter().all(|(_, effect, version)| (*effect, *version) == ("created", Some(1))),
        "{effects:?}"
    );
    assert_eq!(effects.len(), 30);
    assert_eq!(effects[29].2, Some(2));
    let again = import(&platform, "", &document).await.data(200);
    assert!(self::effects(&again).iter().all(|(_, effect, _)| *effect == "unchanged"), "{again}");
}

#[tokio::test]
async fn a_document_that_exceeds_a_response_is_refused() {
    let world = World::new().await;
    // Within the response, each quotation mark takes four bytes.
    let schema = json!({"description": "\"".repeat(30_000)});
    let tenant = world.tenant().await;
    for number in 0..45 {
        create(&world, &json!({"name": format!("n{number}"), "schema": schema})).await;
        match number {
            39 => assert_eq!(tenant.get(EXPORT).await.body["webhooks"].as_object().unwrap().len(), 40),
            44 => tenant.get(EXPORT).await.is_error(422, "quota_exceeded"),
            _ => {}
        }
    }
}
