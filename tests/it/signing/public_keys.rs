//! JSON Web Key Sets: what they contain, when keys enter and leave them, and what requests for them cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::kids;
use crate::shape::assert_well_formed;
use crate::support::{Endpoint, Fate, Process, Reply, Tenant, World, over_network_by_call, text};

const ED25519: &str = "ed25519";
/// An organization that does not exist.
const ABSENT: &str = "org_00000000000000000000000000";

/// Requests a path without a key.
async fn anonymous(process: &Process, organization: &str, path: &str) -> Reply {
    let path = format!("/v1/organizations/{organization}{path}");
    process.call(http::Request::get(path).body(axum::body::Body::empty()).unwrap()).await
}

/// The ids of the keys in a set; none if the response is 404.
async fn listed(process: &Process, organization: &str, path: &str) -> Vec<String> {
    let reply = anonymous(process, organization, path).await;
    assert_well_formed(&reply);
    if reply.status == 404 {
        reply.is_error(404, "not_found");
        return Vec::new();
    }
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["keys"].as_array().unwrap().iter().map(|key| text(&key["kid"]).to_owned()).collect()
}

async fn endpoint(tenant: &Tenant, algorithm: &str) -> Endpoint {
    tenant.endpoint_with(json!({"url": "https://example.com/", "signing_algorithm": algorithm})).await
}

fn set_of(endpoint: &Endpoint) -> String {
    format!("{}/jwks.json", endpoint.path())
}

/// Rotates to another key, and waits until no process uses a cached key set.
async fn rotate(world: &World, tenant: &Tenant, endpoint: &Endpoint, body: &Value) {
    tenant.post(&format!("{}/rotations", endpoint.path()), body).await.data(200);
    world.advance(Duration::from_secs(60));
}

#[tokio::test]
async fn the_set_of_an_endpoint_is_public_and_has_its_key() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = endpoint(&tenant, ED25519).await;
    let public_key = tenant.read_endpoint(&endpoint).await["signing_public_key"].clone();
    let x = URL_SAFE_NO_PAD.encode(STANDARD.decode(text(&public_key).strip_prefix("whpk_").unwrap()).unwrap());
    let kid = kids(&tenant, &endpoint.path()).await.remove(0);
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"});
    for path in [set_of(&endpoint), "/jwks.json".to_owned()] {
        let reply = anonymous(&world.process, &tenant.id, &path).await;
        assert_eq!((reply.status, &reply.body), (200, &json!({"keys": [key]})));
        assert_eq!(reply.headers["content-type"], "application/jwk-set+json");
        assert_eq!(reply.headers["cache-control"], "public, max-age=300");
        assert!(reply.headers.contains_key("x-request-id"));
    }
}

/// A verifier that fetches the set regularly gets a body only after a change.
#[tokio::test]
async fn a_set_that_the_caller_has_is_not_sent_again() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = endpoint(&tenant, ED25519).await;
    let organization = format!("/v1/organizations/{}", tenant.id);
    let get = async |path: &str, tags: &[&str]| {
        let request = http::Request::get(format!("{organization}{path}"));
        let request = tags.iter().fold(request, |request, tags| request.header("if-none-match", *tags));
        world.another_process().call(request.body(axum::body::Body::empty()).unwrap()).await
    };
    for path in [set_of(&endpoint), "/jwks.json".to_owned()] {
        let first = get(&path, &[]).await;
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        let (weak, second) = (format!("W/{tag}"), format!("\"a\", {tag}"));
        for known in [&[tag.as_str()][..], &[&weak], &[&second], &["\"a\"", &tag], &["*"]] {
            let reply = get(&path, known).await;
            assert_eq!((reply.status, reply.bytes.len()), (304, 0), "{known:?}");
            assert_eq!(reply.headers["etag"], tag);
            assert_eq!(reply.headers["cache-control"], "public, max-age=300");
            assert_well_formed(&reply);
        }
        for other in [&["\"a\""][..], &[tag.trim_matches('"')], &[""], &["W/*"]] {
            let reply = get(&path, other).await;
            assert_eq!((reply.status, &reply.body), (200, &first.body), "{other:?}");
        }
        rotate(&world, &tenant, &endpoint, &json!({"overlap_seconds": 600})).await;
        let changed = get(&path, &[&tag]).await;
        assert_eq!((changed.status, changed.body["keys"].as_array().unwrap().len() > 1), (200, true));
        assert_ne!(changed.headers["etag"], tag);
    }
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    assert_eq!(get("/jwks.json", &["*"]).await.status, 404, "there is no set");
}

#[tokio::test]
async fn a_set_follows_rotations_and_has_a_replaced_key_until_it_ends() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.another_process());
    let endpoint = endpoint(&tenant, "hmac-sha256").await;
    let path = set_of(&endpoint);
    for set in [&path, "/jwks.json"] {
        assert!(listed(&world.process, &tenant.id, set).await.is_empty(), "an HMAC secret is in no set");
    }
    rotate(&world, &tenant, &endpoint, &json!({"signing_algorithm": ED25519, "overlap_seconds": 600})).await;
    let first = kids(&tenant, &endpoint.path()).await[0].clone();
    rotate(&world, &tenant, &endpoint, &json!({"overlap_seconds": 600})).await;
    let second = kids(&tenant, &endpoint.path()).await[0].clone();
    rotate(&world, &tenant, &endpoint, &json!({"signing_algorithm": "hmac-sha256", "overlap_seconds": 300})).await;
    let sorted = |mut kids: Vec<String>| {
        kids.sort();
        kids
    };
    for process in [&world.process, &other] {
        for set in [&path, "/jwks.json"] {
            assert_eq!(sorted(listed(process, &tenant.id, set).await), sorted(vec![first.clone(), second.clone()]));
        }
    }
    // The sets are cached now. A key that ends leaves them at once: the second ends after 300 s, the first after 600 s.
    world.advance(Duration::from_secs(239));
    for set in [&path, "/jwks.json"] {
        assert_eq!(listed(&other, &tenant.id, set).await.len(), 2);
    }
    world.advance(Duration::from_secs(1));
    for set in [&path, "/jwks.json"] {
        assert_eq!(listed(&other, &tenant.id, set).await, std::slice::from_ref(&first));
    }
    rotate(&world, &tenant, &endpoint, &json!({"overlap_seconds": 0})).await;
    for set in [&path, "/jwks.json"] {
        assert!(listed(&other, &tenant.id, set).await.is_empty());
    }
    assert!(world.items("public_key").await.is_empty(), "no item of an ended key remains");
}

#[tokio::test]
async fn each_process_answers_from_its_cache_for_a_minute_and_knows_its_own_changes_at_once() {
    let world = World::new().await;
    let queries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&queries);
    let network = over_network_by_call(&world.sdk(), move |call| {
        count.fetch_add(usize::from(call.kind() == "Query jwks"), Ordering::SeqCst);
        assert!(call.operation == "Query" || call.kind().contains("org"), "{call:?}");
        Fate::Pass
    });
    let elsewhere = world.process_on(&network);
    let tenant = world.tenant().await;
    let endpoint = endpoint(&tenant, ED25519).await;
    let unknown = "/webhooks/endpoints/we_550e8400e29b41d4a716446655440000/jwks.json";
    for _ in 0..3 {
        assert_eq!(listed(&elsewhere, &tenant.id, &set_of(&endpoint)).await.len(), 1);
        assert_eq!(listed(&elsewhere, &tenant.id, "/jwks.json").await.len(), 1);
        assert!(listed(&elsewhere, &tenant.id, unknown).await.is_empty());
        assert!(listed(&elsewhere, ABSENT, &set_of(&endpoint)).await.is_empty());
        assert!(listed(&elsewhere, ABSENT, "/jwks.json").await.is_empty());
    }
    assert_eq!(queries.load(Ordering::SeqCst), 5);

    let rotated = json!({"overlap_seconds": 600});
    listed(&world.process, &tenant.id, &set_of(&endpoint)).await;
    tenant.post(&format!("{}/rotations", endpoint.path()), &rotated).await.data(200);
    assert_eq!(listed(&world.process, &tenant.id, &set_of(&endpoint)).await.len(), 2);
    world.advance(Duration::from_secs(59));
    assert_eq!(listed(&elsewhere, &tenant.id, &set_of(&endpoint)).await.len(), 1);
    assert_eq!(queries.load(Ordering::SeqCst), 5);
    world.advance(Duration::from_secs(1));
    assert_eq!(listed(&elsewhere, &tenant.id, &set_of(&endpoint)).await.len(), 2);
    assert_eq!(queries.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn a_set_needs_ids_of_the_right_form_and_of_the_same_organization() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    world
        .platform()
        .patch(&format!("/v1/organizations/{}", tenant.id), &json!({"external_id": "acme"}))
        .await
        .data(200);
    let fields = json!({"url": "https://example.com/", "signing_algorithm": ED25519, "external_id": "main"});
    let endpoint = tenant.endpoint_with(fields).await;
    assert_eq!(listed(&world.process, &tenant.id, &set_of(&endpoint)).await.len(), 1);
    assert!(listed(&world.process, &other.id, &set_of(&endpoint)).await.is_empty());
    for path in ["/webhooks/endpoints/ext:main/jwks.json", "/webhooks/endpoints/we_1/jwks.json"] {
        assert!(listed(&world.process, &tenant.id, path).await.is_empty(), "{path}");
    }
    for path in ["/jwks.json".to_owned(), set_of(&endpoint)] {
        assert!(listed(&world.process, "ext:acme", &path).await.is_empty(), "{path}");
    }
}

/// Requests that were sent before must remain verifiable, so only deletion removes a key.
#[tokio::test]
async fn a_disabled_endpoint_and_a_suspended_organization_keep_their_keys_and_deleted_ones_have_none() {
    let world = World::new().await;
    let (tenant, reader) = (world.tenant().await, world.another_process());
    let (kept, deleted) = (endpoint(&tenant, ED25519).await, endpoint(&tenant, ED25519).await);
    tenant.set_status(&kept, "disabled").await;
    let path = format!("/v1/organizations/{}", tenant.id);
    world.platform().patch(&path, &json!({"status": "suspended"})).await.data(200);
    assert_eq!(listed(&reader, &tenant.id, &set_of(&kept)).await.len(), 1);
    assert_eq!(listed(&reader, &tenant.id, "/jwks.json").await.len(), 2);

    tenant.delete(&format!("{}?permanent=true", deleted.path())).await.data(204);
    assert!(listed(&world.process, &tenant.id, &set_of(&deleted)).await.is_empty());
    world.advance(Duration::from_secs(60));
    assert!(listed(&reader, &tenant.id, &set_of(&deleted)).await.is_empty());
    assert_eq!(listed(&reader, &tenant.id, "/jwks.json").await.len(), 1);

    world.platform().delete(&format!("{path}?force=true")).await.data(202);
    assert_eq!(listed(&reader, &tenant.id, &set_of(&kept)).await.len(), 1, "until the deletion begins");
    for _ in 0..3 {
        world.advance(Duration::from_secs(1_000));
        world.sweep().await;
    }
    for set in [set_of(&kept), "/jwks.json".to_owned()] {
        assert!(listed(&reader, &tenant.id, &set).await.is_empty());
    }
}

#[tokio::test]
async fn the_set_of_an_organization_has_at_most_a_thousand_keys() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    endpoint(&tenant, ED25519).await;
    let stored = world.items("public_key").await.remove(0);
    let prefix = stored["sk"].as_s().unwrap().split('#').next().unwrap();
    for number in 0..1_010 {
        let mut item = stored.clone();
        item.insert("sk".to_owned(), AttributeValue::S(format!("{prefix}#wkid_{number:016x}")));
        if number < 5 {
            // The time of an ended key, which DynamoDB has not removed yet.
            item.insert("until".to_owned(), AttributeValue::S(world.clock.now().rfc3339()));
        }
        world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    }
    let listed = listed(&world.process, &tenant.id, "/jwks.json").await;
    assert_eq!((listed.len(), listed[0].as_str()), (1_000, "wkid_0000000000000005"));
}
