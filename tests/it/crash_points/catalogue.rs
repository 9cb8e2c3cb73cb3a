//! Cuts of changes of the catalogue. A change of a type is stored as a whole or not at all, and publishing follows what is
//! stored. The same request, repeated, completes the change.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::{Value, json};

use super::scene::{Scene, cut_everywhere};
use crate::event_types::TYPES;
use crate::support::{EVENT_TYPE, Process, Reply, World, delivery_ids};

/// Longer than a process uses what it knows of the catalogue.
const KNOWN: Duration = Duration::from_secs(11);
/// More versions than a transaction deletes.
const VERSIONS: usize = 24;
/// More types than a transaction writes.
const IMPORTED: usize = 35;

type Item = HashMap<String, AttributeValue>;

/// A type whose events must have this field.
fn requiring(field: &str) -> Value {
    json!({"schema": {"required": [field]}})
}

/// An endpoint, and a type with these versions that the world's first process knows.
async fn catalogued(world: World, versions: impl IntoIterator<Item = Value>) -> Scene {
    let (scene, _) = Scene::with_endpoint(world, json!({}), []).await;
    for version in versions {
        let reply = change(&scene, &scene.world.process, Method::PUT, "", &version).await;
        assert!([200, 201].contains(&reply.status), "{reply:?}");
    }
    let published = publish(&scene, "none").await;
    assert!([202, 400].contains(&published.status), "{published:?}");
    scene
}

async fn change(scene: &Scene, process: &Process, method: Method, query: &str, body: &Value) -> Reply {
    let body = (!body.is_null()).then(|| body.to_string());
    let path = format!("{TYPES}/{EVENT_TYPE}{query}");
    scene.world.platform().at(process).call(method, &path, &[], body).await
}

/// Publishes an event with this field through the process that knew the type before.
async fn publish(scene: &Scene, field: &str) -> Reply {
    scene.tenant.post("/events", &json!({"type": EVENT_TYPE, "data": {field: 1}})).await
}

/// Asserts that publishing accepts events with these fields only.
async fn accepts(scene: &mut Scene, fields: &[&str]) {
    for field in ["old", "new", "none"] {
        let reply = publish(scene, field).await;
        if fields.contains(&field) {
            scene.expect(delivery_ids(&reply.data(202)), &["success"], 1);
        } else {
            reply.is_error(400, "validation_failed");
        }
    }
}

/// Asserts that each type has its entry in the list and its newest version. Returns the number of types.
async fn whole_types(world: &World) -> usize {
    let text = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
    let (types, entries) = (world.items("event_type").await, world.items("event_type_entry").await);
    let versions = world.items("event_type_version").await;
    assert_eq!(types.len(), entries.len());
    for kind in &types {
        let name = text(kind, "pk").trim_start_matches("type#").to_owned();
        let entry = entries.iter().find(|entry| text(entry, "sk") == name).unwrap();
        let selecting = ["group", "archived", "visibility"];
        assert_eq!(selecting.map(|it| kind.get(it)), selecting.map(|it| entry.get(it)));
        let own = versions.iter().filter(|version| version["pk"] == kind["pk"]);
        let newest = own.map(|version| text(version, "sk")).max();
        let latest = kind.get("latest").map(|latest| latest.as_n().unwrap().parse::<u32>().unwrap());
        assert_eq!(newest, latest.map(|latest| format!("schema#{latest:06}")), "{name}");
    }
    let is_of_a_type = |version: &&Item| types.iter().any(|kind| kind["pk"] == version["pk"]);
    assert_eq!(versions.iter().filter(is_of_a_type).count(), versions.len(), "versions without a type");
    types.len()
}

async fn revision(world: &World) -> u64 {
    world.items("catalogue").await.first().map_or(0, |item| item["revision"].as_n().unwrap().parse().unwrap())
}

/// Cuts a change of the type. Before it, publishing accepts the fields `before`, after it `after`. Returns the number of
/// calls.
async fn cut_change(
    versions: &[Value],
    (method, query, body): (Method, &str, Value),
    [before, after]: [&[&str]; 2],
) -> usize {
    let prepare = async |world: World| catalogued(world, versions.iter().cloned()).await;
    let handle = async |process: &Process, scene: &Scene| {
        let reply = change(scene, process, method.clone(), query, &body).await;
        assert!(reply.status < 300, "{reply:?}");
    };
    let afterwards = async |scene: &mut Scene, answer: Option<()>| {
        scene.world.advance(KNOWN);
        whole_types(&scene.world).await;
        let changes = versions.len() as u64;
        let is_changed = revision(&scene.world).await > changes;
        assert!(is_changed || answer.is_none());
        accepts(scene, if is_changed { after } else { before }).await;
        if answer.is_none() {
            let repeated = change(scene, &scene.world.another_process(), method.clone(), query, &body).await;
            assert!([200, 201, 204, 404].contains(&repeated.status), "{repeated:?}");
        }
        whole_types(&scene.world).await;
        assert_eq!(revision(&scene.world).await, changes + 1, "the change happened once");
        scene.world.advance(KNOWN);
        accepts(scene, after).await;
    };
    cut_everywhere(prepare, handle, afterwards).await
}

const ALL: &[&str] = &["old", "new", "none"];

#[tokio::test]
async fn the_creation_of_a_type_survives_every_cut() {
    let calls = cut_change(&[], (Method::PUT, "", requiring("new")), [ALL, &["new"]]).await;
    assert_eq!(calls, 1, "one transaction");
}

#[tokio::test]
async fn the_replacement_of_a_type_survives_every_cut() {
    let calls = cut_change(&[requiring("old")], (Method::PUT, "", requiring("new")), [&["old"], &["new"]]).await;
    assert_eq!(calls, 1, "one transaction");
}

#[tokio::test]
async fn archiving_a_type_survives_every_cut() {
    let calls = cut_change(&[requiring("old")], (Method::DELETE, "", Value::Null), [&["old"], &["old"]]).await;
    assert_eq!(calls, 1, "one transaction");
}

#[tokio::test]
async fn the_removal_of_a_type_with_many_versions_survives_every_cut() {
    let number = |number: usize| json!({"schema": {"required": ["old"], "maxProperties": number + 1}});
    let versions: Vec<_> = (0..VERSIONS).map(number).collect();
    let removal = (Method::DELETE, "?permanent=true", Value::Null);
    let calls = cut_change(&versions, removal, [&["old"], ALL]).await;
    assert_eq!(calls, VERSIONS - 20 + 1, "the oldest versions one by one, and a transaction");
}

#[tokio::test]
async fn an_import_of_many_types_survives_every_cut() {
    let data = json!({"content": {"application/json": {"schema": {"required": ["new"]}}}});
    let hook = json!({"post": {"requestBody": data}});
    let names = (0..IMPORTED).map(|number| if number == 0 { EVENT_TYPE.to_owned() } else { format!("n{number}") });
    let webhooks: serde_json::Map<_, _> = names.map(|name| (name, hook.clone())).collect();
    let document = json!({"openapi": "3.1.0", "webhooks": webhooks});
    let import = async |scene: &Scene, process: &Process| {
        scene.world.platform().at(process).post("/v1/event-type-imports", &document).await.data(200)
    };
    let prepare = async |world: World| catalogued(world, []).await;
    let handle = async |process: &Process, scene: &Scene| drop(import(scene, process).await);
    let afterwards = async |scene: &mut Scene, answer: Option<()>| {
        scene.world.advance(KNOWN);
        let written = whole_types(&scene.world).await;
        assert!([0, 30, IMPORTED].contains(&written) && (answer.is_none() || written == IMPORTED), "{written}");
        let imported = import(scene, &scene.world.another_process()).await;
        let effects = imported["event_types"].as_array().unwrap().iter();
        assert_eq!(effects.filter(|kind| kind["effect"] == "unchanged").count(), written);
        assert_eq!(whole_types(&scene.world).await, IMPORTED);
        scene.world.advance(KNOWN);
        accepts(scene, &["new"]).await;
    };
    assert_eq!(cut_everywhere(prepare, handle, afterwards).await, 2, "two transactions");
}
