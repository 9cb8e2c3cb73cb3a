//! Several platform keys are valid at the same time. One of them can only publish.

use serde_json::json;
use shared::clock;
use shared::domain::tenancy::api_key::KeySecret;

use crate::support::{EVENT_TYPE, Receiver, Tenant, World, text};

fn key() -> (String, String) {
    let key = KeySecret::generate(&clock::secret_bytes());
    (key.reveal().to_owned(), key.hash().to_string())
}

async fn creates_an_organization(platform: &Tenant, slug: &str) -> u16 {
    platform.post("/v1/organizations", &json!({"name": "n", "slug": slug})).await.status
}

#[tokio::test]
async fn a_platform_key_and_its_successor_work_at_the_same_time() {
    let world = World::new().await;
    let ((old, old_hash), (new, new_hash)) = (key(), key());
    let both = world.process_with(&[("PLATFORM_KEY_SHA256", &format!("{old_hash},{new_hash}"))]);
    let after = world.process_with(&[("PLATFORM_KEY_SHA256", &new_hash)]);
    let platform = world.platform();
    assert_eq!(creates_an_organization(&platform.with_key(&old).at(&both), "one").await, 201);
    assert_eq!(creates_an_organization(&platform.with_key(&new).at(&both), "two").await, 201);
    assert_eq!(creates_an_organization(&platform.with_key(&new).at(&after), "three").await, 201);
    assert_eq!(creates_an_organization(&platform.with_key(&old).at(&after), "four").await, 401);
}

#[tokio::test]
async fn a_publishing_platform_key_can_only_publish_for_every_organization() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let (publisher, hash) = key();
    let process = world.process_with(&[("PLATFORM_PUBLISH_KEY_SHA256", &hash)]);
    for _ in 0..2 {
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint(&receiver).await;
        let publisher = tenant.with_key(&publisher).at(&process);
        let event = publisher.post("/events", &json!({"type": EVENT_TYPE, "data": {}})).await.data(202);
        let batch = json!({"events": [{"type": EVENT_TYPE, "data": {}}]});
        publisher.post("/events/batch", &batch).await.data(202);
        publisher.get("").await.is_error(403, "forbidden");
        publisher.patch("", &json!({"status": "suspended"})).await.is_error(403, "forbidden");
        publisher.get("/webhooks/endpoints").await.is_error(403, "forbidden");
        publisher.delete(&endpoint.path()).await.is_error(403, "forbidden");
        publisher.post("/api-keys", &json!({"name": "n"})).await.is_error(403, "forbidden");
        publisher.get(&format!("/events/{}", text(&event["id"]))).await.is_error(404, "not_found");
        assert_eq!(creates_an_organization(&publisher, "n").await, 403);
    }
    world.drain().await;
    assert_eq!(receiver.received().len(), 4);
}
