//! The values of an endpoint's headers can be credentials. Only callers with the scope `endpoints:write` see them.

use serde_json::{Value, json};
use shared::domain::tenancy::access::Scope;

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
    let all_others = Scope::ALL.into_iter().filter(|scope| *scope != Scope::EndpointsWrite).map(Scope::as_str);
    for (rights, expected) in [
        (json!({"role": "owner"}), &whole),
        (json!({"role": "admin"}), &whole),
        (json!({"role": "member"}), &names),
        (json!({"scopes": ["endpoints:read", "endpoints:write"]}), &whole),
        (json!({"scopes": ["endpoints:read", "endpoints:write"], "endpoints": [endpoint]}), &whole),
        (json!({"scopes": ["endpoints:read"]}), &names),
        (json!({"scopes": ["endpoints:read"], "endpoints": [endpoint]}), &names),
        (json!({"scopes": all_others.collect::<Vec<_>>()}), &names),
    ] {
        let mut fields = rights.clone();
        fields["name"] = json!("n");
        let key = owner.post("/api-keys", &fields).await.data(201);
        let caller = owner.with_key(text(&key["revealed_key"]));
        for headers in shown(&caller, &endpoint).await {
            assert_eq!(headers, *expected, "{rights}");
        }
        for path in ["/webhooks", "/v1/webhook-endpoints", "/webhooks/endpoints", "/v1/endpoints"] {
            let answer = caller.get(path).await.body.to_string();
            assert!(expected == &whole || !answer.contains(SECRET), "{path} {rights}");
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
