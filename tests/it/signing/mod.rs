//! Signatures with Ed25519 keys, the public keys that verify them, and reading secrets.

mod public_keys;
mod readable;

use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::domain::signing::secret::SigningSecret;

use crate::support::{Received, Receiver, Tenant, World, text};

/// Publishes an event and returns its request.
async fn delivered(world: &World, tenant: &Tenant, receiver: &Receiver) -> Received {
    // Caches of endpoints end.
    world.advance(Duration::from_secs(5));
    tenant.publish_one().await;
    world.drain().await;
    receiver.received().pop().unwrap()
}

/// The kinds of the signatures of a request, in their order.
fn kinds(request: &Received) -> Vec<&str> {
    request.header("webhook-signature").split(' ').map(|it| it.split_once(',').unwrap().0).collect()
}

/// Whether one of the request's signatures is valid for this public key (`whpk_…`).
fn verifies(request: &Received, public_key: &str) -> bool {
    let public_key = STANDARD.decode(public_key.strip_prefix("whpk_").unwrap()).unwrap();
    let content = [request.header("webhook-id"), request.header("webhook-timestamp")].join(".");
    let content = [content.as_bytes(), b".", &request.body].concat();
    let mut signatures = request.header("webhook-signature").split(' ').filter_map(|it| it.strip_prefix("v1a,"));
    signatures
        .any(|it| UnparsedPublicKey::new(&ED25519, &public_key).verify(&content, &STANDARD.decode(it).unwrap()).is_ok())
}

/// The key ids of the endpoint's secrets that sign now, the newest first.
async fn kids(tenant: &Tenant, path: &str) -> Vec<String> {
    let shown = tenant.get(&format!("{path}/secret")).await.data(200);
    shown["secrets"].as_array().unwrap().iter().map(|secret| text(&secret["kid"]).to_owned()).collect()
}

#[tokio::test]
async fn requests_to_an_endpoint_with_an_ed25519_key_verify_with_its_public_key() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "signing_algorithm": "ed25519"})).await;
    let shown = tenant.read_endpoint(&endpoint).await;
    let public_key = text(&shown["signing_public_key"]);
    assert_eq!((&shown["signing_algorithm"], &shown["signing_secret"]), (&json!("ed25519"), &Value::Null));
    let secret = SigningSecret::parse_verifiable(&endpoint.secret).unwrap();
    assert!(endpoint.secret.starts_with("whsk_"));
    assert_eq!(secret.public_key().unwrap().to_string(), public_key);

    let request = delivered(&world, &tenant, &receiver).await;
    assert_eq!(kinds(&request), ["v1a"]);
    assert!(verifies(&request, public_key));
    let foreign = SigningSecret::generate_ed25519([1; 32]).public_key().unwrap().to_string();
    assert!(!verifies(&request, &foreign));
    assert_eq!([request.header("webhook-key-id")], *kids(&tenant, &endpoint.path()).await);
    assert!(!request.headers.contains_key("x-webhook-signature"));
    let delivery = tenant.delivery(text(&tenant.deliveries(&endpoint).await[0]["id"])).await;
    assert_eq!((&delivery["status"], &delivery["signature"]), (&json!("success"), &Value::Null));
}

#[tokio::test]
async fn during_a_change_of_the_algorithm_and_back_the_secrets_of_both_sign() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let path = format!("{}/rotations", endpoint.path());
    let hmac = |secret: &str, request: &Received| {
        let secret = SigningSecret::parse(secret).unwrap();
        shared::domain::signing::signature::body_digest([&secret], &request.body).unwrap()
    };
    let before = delivered(&world, &tenant, &receiver).await;
    assert!(!before.headers.contains_key("webhook-key-id"));

    let changed = tenant.post(&path, &json!({"signing_algorithm": "ed25519", "overlap_seconds": 60})).await.data(200);
    let request = delivered(&world, &tenant, &receiver).await;
    assert_eq!(kinds(&request), ["v1a", "v1"]);
    assert!(verifies(&request, text(&changed["signing_public_key"])));
    assert_eq!(request.header("webhook-key-id"), kids(&tenant, &endpoint.path()).await.join(" "));
    assert_eq!(request.header("x-webhook-signature"), hmac(&endpoint.secret, &request));

    // Without a named algorithm, that of the newest secret applies.
    let again = tenant.post(&path, &json!({"overlap_seconds": 60})).await.data(200);
    assert_eq!(again["signing_algorithm"], "ed25519");
    let back = tenant.post(&path, &json!({"signing_algorithm": "hmac-sha256", "overlap_seconds": 60})).await.data(200);
    assert_eq!((&back["signing_algorithm"], &back["signing_public_key"]), (&json!("hmac-sha256"), &Value::Null));
    let request = delivered(&world, &tenant, &receiver).await;
    assert_eq!(kinds(&request), ["v1", "v1a", "v1a", "v1"]);
    assert_eq!(request.header("webhook-key-id").split(' ').count(), 4);
    assert_eq!(request.header("x-webhook-signature"), hmac(text(&back["signing_secret"]), &request));
    for key in [&changed, &again] {
        assert!(verifies(&request, text(&key["signing_public_key"])));
    }

    world.advance(Duration::from_secs(60));
    let after = delivered(&world, &tenant, &receiver).await;
    assert_eq!(kinds(&after), ["v1"]);
    assert!(!after.headers.contains_key("webhook-key-id"));
}

#[tokio::test]
async fn a_supplied_secret_is_validated_wherever_it_can_be_supplied() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let bare = format!("/v1/endpoints/ep_{}", uuid(&endpoint.id));
    let ed25519 = SigningSecret::generate_ed25519([7; 32]);
    let (supplied, public_key) = (ed25519.reveal().unwrap().to_owned(), ed25519.public_key().unwrap().to_string());
    let foreign = SigningSecret::generate_ed25519([8; 32]).public_key().unwrap().to_string();
    // Each secret, and its algorithm in the dialects `organizations` and `endpoints`.
    for (secret, canonical, any) in [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), Some("hmac-sha256"), true),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS".to_owned(), None, true),
        ("whsec_your_signing_secret".to_owned(), None, true),
        (format!("whsec_{}", STANDARD.encode([1; 64])), Some("hmac-sha256"), true),
        (format!("whsec_{}", STANDARD.encode([1; 65])), None, true),
        ("our very own secret".to_owned(), Some("hmac-sha256"), true),
        ("too short".to_owned(), None, false),
        (supplied.clone(), Some("ed25519"), true),
        (format!("{}{}", &supplied[..48], &foreign[5..]), None, true),
        (public_key.clone(), None, true),
    ] {
        let body = json!({"name": "n", "url": "https://example.com/", "event_types": ["*"], "secret": secret});
        let own = json!({"secret": secret});
        for (path, body, is_patch) in [
            ("/webhooks/endpoints".to_owned(), &body, false),
            (endpoint.path(), &own, true),
            (format!("{}/rotations", endpoint.path()), &own, false),
        ] {
            let reply = if is_patch { tenant.patch(&path, body).await } else { tenant.post(&path, body).await };
            let Some(algorithm) = canonical else {
                reply.is_error(400, "validation_failed");
                assert_eq!(reply.body["error"]["details"]["fields"][0]["name"], "secret", "{path}");
                continue;
            };
            let shown = reply.data(if path == "/webhooks/endpoints" { 201 } else { 200 });
            assert_eq!(
                (&shown["signing_algorithm"], &shown["signing_secret"]),
                (&json!(algorithm), &Value::Null),
                "{path}"
            );
            let expected = if algorithm == "ed25519" { json!(public_key) } else { Value::Null };
            assert_eq!(shown["signing_public_key"], expected, "{path}");
        }
        let created =
            tenant.post("/v1/endpoints", &json!({"name": "n", "url": "https://example.com/", "secret": secret})).await;
        let patched = tenant.patch(&bare, &own).await;
        assert_eq!((created.status, patched.status), if any { (201, 200) } else { (400, 400) }, "{secret}");
        if any {
            assert_eq!(tenant.read_endpoint(&endpoint).await["signing_algorithm"], "hmac-sha256", "{secret}");
        }
        tenant.post(&format!("{}/rotations", endpoint.path()), &json!({"overlap_seconds": 0})).await.data(200);
    }
    // Other dialects have no field for a secret.
    for (path, body) in [
        ("/webhooks".to_owned(), json!({"url": "https://example.com/", "events": ["*"], "secret": supplied})),
        (
            "/v1/webhook-endpoints".to_owned(),
            json!({"name": "n", "url": "https://example.com/", "events": ["*"], "secret": supplied}),
        ),
    ] {
        tenant.post(&path, &body).await.is_error(400, "validation_failed");
    }
}

fn uuid(id: &str) -> String {
    let hex = id.strip_prefix("we_").unwrap();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[tokio::test]
async fn the_algorithm_of_a_request_must_be_that_of_its_secret() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let ed25519 = SigningSecret::generate_ed25519([7; 32]).reveal().unwrap().to_owned();
    for (secret, algorithm, says) in [
        (Some("our very own secret"), "ed25519", "must be hmac-sha256, as the secret is"),
        (Some(&*ed25519), "hmac-sha256", "must be ed25519, as the secret is"),
        (None, "rsa", "must be hmac-sha256 or ed25519"),
    ] {
        let own = json!({"secret": secret, "signing_algorithm": algorithm});
        let mut body = json!({"name": "n", "url": "https://example.com/", "event_types": ["*"]});
        body.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        for (path, body) in
            [("/webhooks/endpoints".to_owned(), &body), (format!("{}/rotations", endpoint.path()), &own)]
        {
            let refused = tenant.post(&path, body).await;
            refused.is_error(400, "validation_failed");
            let field = &refused.body["error"]["details"]["fields"][0];
            assert_eq!((&field["name"], &field["message"]), (&json!("signing_algorithm"), &json!(says)));
        }
    }
    tenant.patch(&endpoint.path(), &json!({"signing_algorithm": "ed25519"})).await.is_error(400, "validation_failed");
}
