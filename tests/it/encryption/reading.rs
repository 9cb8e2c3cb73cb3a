//! When a process reads the keys, and what it does if it cannot.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{KEYS, SECRET, Scene, TOKEN, fields};
use crate::support::{ParameterAnswer, Receiver, World};

#[tokio::test]
async fn the_table_holds_no_secret_and_no_header_value() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(fields(&receiver)).await;
    let rotated = tenant.post(&format!("{}/rotations", endpoint.path()), &json!({})).await.data(200);
    let generated = rotated["signing_secret"].as_str().unwrap().to_owned();
    tenant
        .patch(&endpoint.path(), &json!({"headers": {"X-Other": "another value", "Authorization": TOKEN}}))
        .await
        .data(200);
    let stored = format!("{:?}", world.all_items().await);
    for confidential in [SECRET, TOKEN, "another value", &generated] {
        assert!(!stored.contains(confidential), "{confidential}");
    }
    assert!(stored.contains("X-Other"), "the names of headers are not confidential");
}

#[tokio::test]
async fn a_process_reads_the_keys_once_and_only_when_it_needs_them() {
    let scene = Scene::new().await;
    assert_eq!(scene.parameter.requests(), 1, "for the new endpoint");
    let process = scene.process();
    let publishing = scene.tenant.at(&process);
    publishing.publish_one().await;
    publishing.get("/webhooks/endpoints").await.data(200);
    assert_eq!(scene.parameter.requests(), 2, "for the values of the headers");
    for requests in 1..=3 {
        if requests > 1 {
            publishing.publish_one().await;
        }
        process.drain().await;
        scene.assert_arrived(requests);
        scene.world.advance(Duration::from_secs(3_600));
    }
    assert_eq!(scene.parameter.requests(), 2);

    let publisher = scene.process();
    scene.tenant.at(&publisher).publish_one().await;
    assert_eq!(scene.parameter.requests(), 2, "publishing needs no keys");
}

#[tokio::test]
async fn concurrent_deliveries_share_one_read() {
    let scene = Scene::new().await;
    let process = scene.process();
    join_all((0..10).map(|_| scene.tenant.publish_one())).await;
    process.drain().await;
    scene.assert_arrived(10);
    assert_eq!(scene.parameter.requests(), 2);
}

#[tokio::test]
async fn without_its_keys_a_process_stores_nothing_and_delivers_later() {
    for failure in [
        ParameterAnswer::Error(400, "ParameterNotFound"),
        ParameterAnswer::Error(400, "AccessDeniedException"),
        ParameterAnswer::Value("no key".to_owned()),
    ] {
        let scene = Scene::new().await;
        let process = scene.process();
        let tenant = scene.tenant.at(&process);
        scene.parameter.answer(failure);
        tenant.publish_one().await;
        assert_eq!(process.drain().await, 1);
        assert!(scene.receiver.received().is_empty());

        let before = scene.world.all_items().await.len();
        let refused = tenant
            .post("/webhooks/endpoints", &json!({"name": "n", "url": scene.receiver.url(), "event_types": ["*"]}))
            .await;
        assert_eq!((refused.status, scene.world.all_items().await.len()), (503, before), "{}", refused.body);
        assert_eq!(tenant.patch(&scene.endpoint.path(), &json!({"secret": SECRET})).await.status, 503);
        // A change that needs no keys is made, and shown without the values.
        let shown = tenant.patch(&scene.endpoint.path(), &json!({"name": "new"})).await.data(200);
        assert_eq!((&shown["name"], &shown["headers"]["Authorization"]), (&json!("new"), &Value::Null));
        assert_eq!(tenant.get("/webhooks/endpoints").await.status, 503);

        scene.parameter.answer(ParameterAnswer::Value(KEYS[0].to_owned()));
        scene.world.advance(Duration::from_secs(360));
        assert_eq!(process.drain().await, 1);
        scene.assert_arrived(1);
    }
}

/// In a rollout and at a rollback, the parameter is in the configuration of the processes that encrypt, and not in that of the
/// consumer.
#[tokio::test]
async fn a_process_without_keys_leaves_what_is_encrypted_to_one_that_has_them() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (tenant, without) = (world.tenant().await, world.process_without_keys());
    let endpoint = tenant.endpoint_with(fields(&receiver)).await;
    let delivery = tenant.publish_one().await;
    let before = tenant.delivery(&delivery).await;
    for _ in 0..3 {
        assert_eq!(without.drain().await, 1);
        world.advance(Duration::from_secs(361));
    }
    assert_eq!(tenant.delivery(&delivery).await, before, "no attempt is recorded");
    assert_eq!(tenant.read_endpoint(&endpoint).await["status"], "active");
    assert!(world.items("health").await.is_empty(), "the circuit breaker counts nothing");

    // Lists do not show `null` instead of values that another process can read: callers could take them for lost.
    let reading = tenant.at(&without);
    for path in ["/webhooks/endpoints".to_owned(), endpoint.path(), format!("{}/secret", endpoint.path())] {
        reading.get(&path).await.is_error(503, "unavailable");
    }
    let shown = reading.patch(&endpoint.path(), &json!({"name": "new"})).await.data(200);
    assert_eq!((&shown["name"], &shown["headers"]["Authorization"]), (&json!("new"), &Value::Null));

    assert_eq!(world.drain().await, 1);
    assert_eq!(receiver.received()[0].header("authorization"), TOKEN);
    assert_eq!(tenant.delivery(&delivery).await["attempts"], 1);
}

#[tokio::test]
async fn a_throttled_read_is_repeated() {
    let scene = Scene::new().await;
    let process = scene.process();
    scene.parameter.answer(ParameterAnswer::Error(400, "ThrottlingException"));
    let parameter = scene.parameter.clone();
    let recovers = tokio::spawn(async move {
        while parameter.requests() < 3 {
            tokio::task::yield_now().await;
        }
        parameter.answer(ParameterAnswer::Value(KEYS[0].to_owned()));
    });
    scene.deliver(&process).await;
    recovers.await.unwrap();
    scene.assert_arrived(1);
}

#[tokio::test]
async fn a_deployment_without_keys_stores_texts_as_they_are() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let process = world.process_without_keys();
    let tenant = world.tenant().await.at(&process);
    let endpoint = tenant.endpoint_with(fields(&receiver)).await;
    assert!(format!("{:?}", world.all_items().await).contains(SECRET));
    tenant.publish_one().await;
    process.drain().await;
    assert_eq!(receiver.received()[0].header("authorization"), TOKEN);
    // A process that has keys reads them too, and encrypts what is changed.
    let with_keys = tenant.at(&world.process);
    assert_eq!(with_keys.read_endpoint(&endpoint).await["headers"]["Authorization"], TOKEN);
    with_keys.patch(&endpoint.path(), &json!({"headers": {"Authorization": TOKEN}})).await.data(200);
    assert!(!format!("{:?}", world.all_items().await).contains(SECRET));
}
