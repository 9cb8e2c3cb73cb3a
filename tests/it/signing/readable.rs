//! Reading the secrets of an endpoint, which a deployment must allow.

use serde_json::{Value, json};

use crate::shape::{assert_like, body_of};
use crate::support::{World, text};

#[tokio::test]
async fn all_secrets_that_sign_are_shown_to_those_who_may_change_the_endpoint() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let rotations = format!("{}/rotations", endpoint.path());
    let rotated =
        tenant.post(&rotations, &json!({"signing_algorithm": "ed25519", "overlap_seconds": 60})).await.data(200);
    let path = format!("{}/secret", endpoint.path());
    let reply = tenant.get(&path).await;
    assert_eq!(reply.headers["cache-control"], "no-store");
    let shown = body_of(&reply, 200);
    let until = shown["data"]["secrets"][1]["until"].clone();
    let example = json!({
        "data": {"object": "webhook_endpoint_secrets", "endpoint_id": endpoint.id, "secrets": [
            {"kid": "wkid_0000000000000000", "algorithm": "ed25519", "secret": rotated["signing_secret"],
             "public_key": rotated["signing_public_key"], "until": null},
            {"kid": "wkid_0000000000000000", "algorithm": "hmac-sha256", "secret": endpoint.secret, "public_key": null,
             "until": until},
        ]},
        "meta": {"request_id": text(&shown["meta"]["request_id"])},
    });
    assert_like(&shown, &example);
    let secrets: Vec<_> = shown["data"]["secrets"].as_array().unwrap().iter().map(|it| it["secret"].clone()).collect();
    assert_eq!(secrets, [rotated["signing_secret"].clone(), json!(endpoint.secret)]);
    assert_eq!(text(&until), (world.clock.now().plus(std::time::Duration::from_secs(60))).rfc3339());

    world.advance(std::time::Duration::from_secs(60));
    assert_eq!(tenant.get(&path).await.data(200)["secrets"].as_array().unwrap().len(), 1);
    let unknown = "/webhooks/endpoints/we_550e8400e29b41d4a716446655440000/secret";
    tenant.get(unknown).await.is_error(404, "not_found");
}

#[tokio::test]
async fn without_the_deployments_permission_nobody_reads_secrets() {
    let world = World::with(&[("SECRETS_READABLE", "false")]).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    for caller in [tenant.clone(), tenant.with_key(&world.platform().key)] {
        let refused = caller.get(&format!("{}/secret", endpoint.path())).await;
        refused.is_error(403, "forbidden");
        assert!(text(&refused.body["error"]["message"]).contains("SecretsReadable"), "{}", refused.body);
        assert_eq!(refused.body.get("data"), None::<&Value>);
    }
}
