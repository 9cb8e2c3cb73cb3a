//! Where secrets never show: in what is printed, in messages, in what is read back.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::domain::secret::SigningSecret;

use crate::support::{Answer, Receiver, World, text};

#[tokio::test]
async fn secrets_are_in_no_debug_output() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let rotated = tenant.post(&format!("{}/rotations", endpoint.path()), &json!({})).await.data(200);
    tenant.publish().await;
    world.drain().await;

    let organization = OrganizationId::parse(&tenant.id).unwrap();
    let stored = world.process.core.endpoint(&organization, EndpointId::parse(&endpoint.id).unwrap()).await.unwrap();
    let signing: Vec<_> = stored.secrets.signing_at(world.clock.now()).into_iter().map(SigningSecret::reveal).collect();
    assert_eq!(signing, [text(&rotated["signing_secret"]), &endpoint.secret], "they are really there");
    // The processes hold what they read in their caches.
    let printed = format!("{stored:?} {:?} {:?}", world.process.core, world.process.consumer);
    assert!(printed.contains(&endpoint.id));
    for secret in [&endpoint.secret, text(&rotated["signing_secret"]), &tenant.key, &world.platform().key] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn secrets_are_in_no_message() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let endpoint =
        tenant.endpoint_with(json!({"url": receiver.url(), "headers": {"authorization": "Bearer own"}})).await;
    tenant.publish().await;
    tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.data(200);
    let messages = world.take_messages().await;
    assert_eq!(messages.len(), 2);
    for message in messages {
        for secret in [&*endpoint.secret, &tenant.key, "Bearer own", &receiver.url()] {
            assert!(!message.contains(secret), "{message}");
        }
    }
}

#[tokio::test]
async fn a_signing_secret_is_shown_once_and_a_key_is_stored_as_its_hash_alone() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    assert!(endpoint.secret.starts_with("whsec_"));
    let list = tenant.get("/webhooks/endpoints").await.data(200);
    for shown in [tenant.read_endpoint(&endpoint).await, list[0].clone()] {
        assert!(shown["signing_secret"].is_null(), "{shown}");
    }
    let brought = tenant.endpoint_with(json!({"url": receiver.url(), "secret": "a secret of their own"})).await;
    assert_eq!(brought.secret, "", "who brought it knows it");

    let keys = tenant.get("/api-keys").await.data(200);
    assert!(!keys.to_string().contains(&tenant.key));
    let scanned = world.dynamodb().scan().table_name(world.table()).send().await.unwrap();
    let holds_key = |value: &AttributeValue| value.as_s().is_ok_and(|text| text.contains(&tenant.key));
    assert!(scanned.items().len() > 3);
    assert!(!scanned.items().iter().any(|item| item.values().any(holds_key)));
}
