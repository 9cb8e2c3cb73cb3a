//! Signing secrets: generated ones, which are shown once, supplied ones, and rotation with an overlap.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::signing::secret::SigningSecret;
use shared::domain::signing::signature;
use standardwebhooks::Webhook;

use crate::support::{Endpoint, Received, Receiver, Reply, Tenant, World, text};

/// The signature of a request that a Standard Webhooks library computes with this secret.
fn signed(request: &Received, secret: &str) -> String {
    let sent_at = request.header("webhook-timestamp").parse().unwrap();
    let library = match secret.strip_prefix("whsec_") {
        Some(_) => Webhook::new(secret),
        None => Webhook::from_bytes(secret.as_bytes().to_vec()),
    };
    library.unwrap().sign(request.header("webhook-id"), sent_at, &request.body).unwrap()
}

/// Publishes an event, and asserts that its request is signed with exactly these secrets in this order.
async fn assert_signed_by(world: &World, tenant: &Tenant, receiver: &Receiver, secrets: &[&str]) {
    tenant.publish_one().await;
    world.drain().await;
    let request = receiver.received().pop().unwrap();
    let expected: Vec<_> = secrets.iter().map(|secret| signed(&request, secret)).collect();
    assert_eq!(request.header("webhook-signature"), expected.join(" "));
    let newest = SigningSecret::parse(secrets[0]).unwrap();
    assert_eq!(
        Some(request.header("x-webhook-signature").to_owned()),
        signature::body_digest([&newest], &request.body)
    );
    assert!(!request.headers.contains_key("webhook-key-id"));
}

async fn rotate(tenant: &Tenant, endpoint: &Endpoint, body: &Value) -> String {
    let rotated = tenant.post(&format!("{}/rotations", endpoint.path()), body).await.data(200);
    text(&rotated["signing_secret"]).to_owned()
}

#[tokio::test]
async fn requests_are_signed_with_both_secrets_until_the_overlap_ends() {
    for (body, overlap) in
        [(json!({}), 86_400), (json!({"overlap_seconds": 60}), 60), (json!({"overlap_seconds": 604_800}), 604_800)]
    {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint(&receiver).await;
        let old = endpoint.secret.clone();
        assert_signed_by(&world, &tenant, &receiver, &[&old]).await;
        let new = rotate(&tenant, &endpoint, &body).await;
        world.advance(Duration::from_secs(5));
        assert_signed_by(&world, &tenant, &receiver, &[&new, &old]).await;
        world.advance(Duration::from_secs(overlap - 6));
        assert_signed_by(&world, &tenant, &receiver, &[&new, &old]).await;
        world.advance(Duration::from_secs(1));
        assert_signed_by(&world, &tenant, &receiver, &[&new]).await;
    }
}

#[tokio::test]
async fn a_rotation_keeps_the_older_secrets_that_still_sign() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let second = rotate(&tenant, &endpoint, &json!({"overlap_seconds": 100})).await;
    let third = rotate(&tenant, &endpoint, &json!({"overlap_seconds": 10})).await;
    assert_signed_by(&world, &tenant, &receiver, &[&third, &second, &endpoint.secret]).await;
    world.advance(Duration::from_secs(10));
    assert_signed_by(&world, &tenant, &receiver, &[&third, &endpoint.secret]).await;
    let fourth = rotate(&tenant, &endpoint, &json!({"overlap_seconds": 0})).await;
    world.advance(Duration::from_secs(5));
    assert_signed_by(&world, &tenant, &receiver, &[&fourth]).await;
}

#[tokio::test]
async fn with_ten_older_secrets_only_a_rotation_without_overlap_is_possible() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let mut secrets = vec![endpoint.secret.clone()];
    for _ in 0..10 {
        secrets.insert(0, rotate(&tenant, &endpoint, &json!({})).await);
    }
    let all: Vec<_> = secrets.iter().map(String::as_str).collect();
    assert_signed_by(&world, &tenant, &receiver, &all).await;
    let pages = format!("/v1/webhook-endpoints/{}/rotate-secret", endpoint.id);
    for path in [format!("{}/rotations", endpoint.path()), pages] {
        let refused = tenant.post(&path, &json!({})).await;
        refused.is_error(409, "conflict");
        let says = "10 older secrets sign beside the newest; wait until one ends, or rotate with an overlap of 0 seconds, which \
                    ends all of them";
        assert_eq!(refused.body["error"]["message"], says);
    }
    world.advance(Duration::from_secs(5));
    assert_signed_by(&world, &tenant, &receiver, &all).await;
    let newest = rotate(&tenant, &endpoint, &json!({"overlap_seconds": 0})).await;
    world.advance(Duration::from_secs(5));
    assert_signed_by(&world, &tenant, &receiver, &[&newest]).await;
}

#[tokio::test]
async fn a_rotation_in_the_pages_dialect_overlaps_for_a_day() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let path = format!("/v1/webhook-endpoints/{}/rotate-secret", endpoint.id);
    let rotated = tenant.post(&path, &json!({})).await.body;
    let new = text(&rotated["secret"]);
    world.advance(Duration::from_secs(86_399));
    assert_signed_by(&world, &tenant, &receiver, &[new, &endpoint.secret]).await;
    world.advance(Duration::from_secs(1));
    assert_signed_by(&world, &tenant, &receiver, &[new]).await;
}

#[tokio::test]
async fn a_supplied_secret_signs_requests_and_is_never_shown() {
    for (secret, key_is_text) in [("our very own secret", true), ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false)] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        assert_eq!(secret.strip_prefix("whsec_").is_none(), key_is_text);
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "secret": secret})).await;
        assert_eq!(endpoint.secret, "", "a supplied secret is not returned");
        assert_signed_by(&world, &tenant, &receiver, &[secret]).await;

        let other = "another secret of ours";
        tenant.patch(&endpoint.path(), &json!({"secret": other})).await.data(200);
        world.advance(Duration::from_secs(5));
        assert_signed_by(&world, &tenant, &receiver, &[other]).await;
    }
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let secret = "our very own secret";
    let created = tenant.post("/v1/endpoints", &json!({"name": "n", "url": receiver.url(), "secret": secret})).await;
    assert!(created.status == 201 && created.body.get("secret").is_none());
    assert_signed_by(&world, &tenant, &receiver, &[secret]).await;
}

#[tokio::test]
async fn a_generated_secret_is_shown_once() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let url = receiver.url();
    let shown = |reply: Reply, name: &str| {
        let body = if reply.body.get("data").is_some() { &reply.body["data"] } else { &reply.body };
        (text(&body["id"]).to_owned(), text(&body[name]).to_owned())
    };
    let created = [
        shown(
            tenant.post("/webhooks/endpoints", &json!({"name": "n", "url": url, "event_types": ["*"]})).await,
            "signing_secret",
        ),
        shown(tenant.post("/webhooks", &json!({"url": url, "events": ["*"]})).await, "secret"),
        shown(tenant.post("/v1/endpoints", &json!({"name": "n", "url": url})).await, "secret"),
        shown(tenant.post("/v1/webhook-endpoints", &json!({"name": "n", "url": url, "events": ["*"]})).await, "secret"),
    ];
    tenant.publish().await;
    world.drain().await;
    let mut paths: Vec<String> =
        ["/webhooks/endpoints", "/webhooks", "/v1/endpoints", "/v1/webhook-endpoints", "/events"]
            .map(str::to_owned)
            .into();
    for (id, _) in created.iter().filter(|(id, _)| id.starts_with("we_")) {
        paths
            .extend(["/webhooks/endpoints/", "/webhooks/", "/v1/webhook-endpoints/"].map(|path| format!("{path}{id}")));
        paths.push(format!("/webhooks/endpoints/{id}/deliveries"));
        paths.push(format!("/v1/webhook-endpoints/{id}/deliveries"));
    }
    paths.push(format!("/v1/endpoints/{}", created[2].0));
    for path in paths {
        let reply = tenant.get(&path).await;
        assert_eq!(reply.status, 200, "{path}");
        let body = reply.body.to_string();
        assert!(created.iter().all(|(_, secret)| !body.contains(secret)), "{path}: {body}");
    }
}
