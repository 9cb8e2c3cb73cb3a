//! An encrypted text is of no use in another item or field.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use super::{KEYS, SECRET, Scene, TOKEN, fields};
use crate::support::{Endpoint, ParameterAnswer, Tenant};

type Item = HashMap<String, AttributeValue>;

/// The attributes of an endpoint's item.
async fn item(scene: &Scene, endpoint: &Endpoint) -> Item {
    let all = scene.world.all_items().await;
    let is_it =
        |item: &&Item| item["sk"].as_s().unwrap() == &endpoint.id && item["entity"].as_s().unwrap() == "endpoint";
    all.iter().find(is_it).unwrap().clone()
}

async fn put(scene: &Scene, item: Item) {
    scene.world.dynamodb().put_item().table_name(scene.world.table()).set_item(Some(item)).send().await.unwrap();
}

/// Asserts that a delivery to the endpoint fails without a request.
async fn assert_unusable(scene: &Scene, tenant: &Tenant) {
    let process = scene.process();
    let before = scene.receiver.received().len();
    let delivery = tenant.publish_one().await;
    process.drain().await;
    assert_eq!(scene.receiver.received().len(), before);
    let failed = tenant.at(&process).delivery(&delivery).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("exhausted"), &json!("undecryptable")));
}

/// Asserts that the value of the endpoint's header is not shown, even to those who may see it.
async fn assert_hidden(scene: &Scene, tenant: &Tenant, endpoint: &Endpoint) {
    let shown = tenant.at(&scene.process()).read_endpoint(endpoint).await;
    assert!(shown["headers"].as_object().unwrap().values().all(Value::is_null), "{shown}");
}

#[tokio::test]
async fn a_text_of_another_endpoint_is_not_used() {
    let scene = Scene::new().await;
    let attacker = scene.world.tenant().await.at(&scene.process());
    let own = attacker.endpoint_with(fields(&scene.receiver)).await;
    let (theirs, mine) = (item(&scene, &scene.endpoint).await, item(&scene, &own).await);
    for attribute in ["secrets", "headers"] {
        let mut altered = mine.clone();
        altered.insert(attribute.to_owned(), theirs[attribute].clone());
        put(&scene, altered).await;
        assert_unusable(&scene, &attacker).await;
        if attribute == "headers" {
            assert_hidden(&scene, &attacker, &own).await;
        }
    }
    put(&scene, mine).await;
    attacker.publish_one().await;
    scene.process().drain().await;
    scene.assert_arrived(1);
}

#[tokio::test]
async fn a_text_of_another_field_is_not_used() {
    let scene = Scene::new().await;
    let mut stored = item(&scene, &scene.endpoint).await;
    let headers = stored["headers"].as_m().unwrap().clone();
    let moved = [("X-Moved".to_owned(), headers["Authorization"].clone())].into();
    stored.insert("headers".to_owned(), AttributeValue::M(moved));
    put(&scene, stored).await;
    assert_unusable(&scene, &scene.tenant).await;
    assert_hidden(&scene, &scene.tenant, &scene.endpoint).await;
}

/// The owners give their endpoints new secrets and headers.
#[tokio::test]
async fn after_the_loss_of_the_key_an_endpoint_is_usable_again_with_new_values() {
    let scene = Scene::new().await;
    scene.parameter.answer(ParameterAnswer::Value(KEYS[1].to_owned()));
    let tenant = scene.tenant.at(&scene.process());
    assert_unusable(&scene, &tenant).await;
    assert_hidden(&scene, &tenant, &scene.endpoint).await;
    tenant
        .patch(&scene.endpoint.path(), &json!({"secret": SECRET, "headers": {"Authorization": TOKEN}}))
        .await
        .data(200);
    scene.world.advance(Duration::from_secs(6));
    tenant
        .post(&format!("{}/recover", scene.endpoint.path()), &json!({"since": "2020-01-01T00:00:00Z"}))
        .await
        .data(202);
    scene.process().drain().await;
    scene.assert_arrived(1);
}

/// An older secret that has ended need not be decrypted.
#[tokio::test]
async fn an_undecryptable_secret_stops_deliveries_and_reading_only_while_it_signs() {
    let scene = Scene::new().await;
    let secret = format!("{}/secret", scene.endpoint.path());
    let rotations = format!("{}/rotations", scene.endpoint.path());
    scene.parameter.answer(ParameterAnswer::Value(KEYS[1].to_owned()));
    let tenant = scene.tenant.at(&scene.process());
    tenant.patch(&scene.endpoint.path(), &json!({"headers": {"Authorization": TOKEN}})).await.data(200);
    tenant.post(&rotations, &json!({"secret": SECRET, "overlap_seconds": 60})).await.data(200);
    assert_unusable(&scene, &tenant).await;
    // The process read the keys a moment ago, so another key may be there by now.
    tenant.get(&secret).await.is_error(503, "unavailable");
    scene.world.advance(Duration::from_secs(11));
    tenant.get(&secret).await.is_error(409, "conflict");
    scene.world.advance(Duration::from_secs(50));
    tenant.publish_one().await;
    scene.process().drain().await;
    scene.assert_arrived(1);
    assert_eq!(tenant.get(&secret).await.data(200)["secrets"][0]["secret"], SECRET);
}
