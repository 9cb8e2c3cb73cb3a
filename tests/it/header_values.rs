//! The values of an endpoint's headers can be credentials. Only callers that may write endpoints see them.

use serde_json::{Value, json};

use crate::support::{Tenant, World, text};

const SECRET: &str = "Bearer of-the-receiver";

/// The headers of the endpoint in every response that shows it to this caller.
async fn shown(caller: &Tenant, endpoint: &str) -> Vec<Value> {
    let hex = endpoint.strip_prefix("we_").unwrap();
    let hyphenated = format!("ep_{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    let path = format!("/v1/organizations/{}/webhooks/endpoints", caller.id);
    let query = format!("?organization_id={}", caller.id);
    vec![
        caller.get(&path).await.data(200)[0]["headers"].clone(),
        caller.get(&format!("{path}/{endpoint}")).await.data(200)["headers"].clone(),
        caller.get(&format!("/v1/endpoints{query}")).await.body[0]["headers_json"].clone(),
        caller.get(&format!("/v1/endpoints/{hyphenated}{query}")).await.body["headers_json"].clone(),
    ]
}

#[tokio::test]
async fn readers_see_the_names_of_headers_and_writers_their_values() {
    let world = World::new().await;
    let owner = world.tenant().await;
    let fields = json!({"url": "https://example.com/", "headers": {"Authorization": SECRET, "X-Team": "growth"}});
    let endpoint = owner.endpoint_with(fields).await.id;
    let whole = json!({"Authorization": SECRET, "X-Team": "growth"});
    let names = json!({"Authorization": null, "X-Team": null});
    for (role, expected) in [("owner", &whole), ("admin", &whole), ("member", &names)] {
        let key = owner.post("/api-keys", &json!({"name": role, "role": role})).await.data(201);
        let caller = owner.with_key(text(&key["revealed_key"]));
        for headers in shown(&caller, &endpoint).await {
            assert_eq!(headers, *expected, "{role}");
        }
        for path in ["/webhooks", "/v1/webhook-endpoints", "/webhooks/endpoints", "/v1/endpoints"] {
            let answer = caller.get(path).await.body.to_string();
            assert!(role != "member" || !answer.contains(SECRET), "{path}");
        }
    }
    let platform = owner.with_key(&world.platform().key);
    for headers in shown(&platform, &endpoint).await {
        assert_eq!(headers, whole);
    }
    // Responses to writers contain the values.
    let patched = owner.patch(&format!("/webhooks/endpoints/{endpoint}"), &json!({"name": "n"})).await.data(200);
    assert_eq!(patched["headers"], whole);
}
