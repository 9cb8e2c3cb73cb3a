//! Descriptions and metadata of organizations and endpoints, and organizations without a slug.

use serde_json::{Value, json};

use crate::support::{World, text};

/// Labels that use every limit.
fn longest() -> Value {
    let pairs = (0..20).map(|index| (format!("key-{index:02}"), json!("x".repeat(198)))).collect();
    json!({"description": "é".repeat(1_024), "metadata": Value::Object(pairs)})
}

#[track_caller]
fn assert_labels(shown: &Value, expected: &Value) {
    for name in ["description", "metadata"] {
        assert_eq!(shown[name], expected[name], "{name}");
    }
}

#[tokio::test]
async fn labels_are_shown_as_they_were_set_and_null_clears_them() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let none = json!({"description": null, "metadata": {}});
    for path in [format!("/v1/organizations/{}", tenant.id), endpoint.path()] {
        assert_labels(&tenant.get(&path).await.data(200), &none);
        let other = json!({"description": "Second", "metadata": {"b": ""}});
        for labels in [longest(), other] {
            assert_labels(&tenant.patch(&path, &labels).await.data(200), &labels);
            assert_labels(&tenant.get(&path).await.data(200), &labels);
        }
        let described = json!({"description": "Second", "metadata": {}});
        assert_labels(&tenant.patch(&path, &json!({"metadata": null})).await.data(200), &described);
        assert_labels(&tenant.patch(&path, &json!({"name": "Other"})).await.data(200), &described);
        assert_labels(&tenant.patch(&path, &json!({"description": null})).await.data(200), &none);
        for refused in [json!({"metadata": {"": "x"}}), json!({"description": ""})] {
            tenant.patch(&path, &refused).await.is_error(400, "validation_failed");
        }
    }
    let body = json!({"name": "n", "description": "d", "metadata": {"k": "v"}});
    assert_labels(&world.platform().post("/v1/organizations", &body).await.data(201), &body);
    let mut body = body;
    body.as_object_mut()
        .unwrap()
        .extend([("url".to_owned(), json!("https://example.com/")), ("event_types".to_owned(), json!(["*"]))]);
    assert_labels(&tenant.post("/webhooks/endpoints", &body).await.data(201), &body);
}

#[tokio::test]
async fn the_other_dialects_leave_labels_alone() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let labels = longest();
    let mut body = labels.clone();
    body["url"] = json!("https://example.com/");
    let endpoint = tenant.endpoint_with(body).await;
    let hyphenated = uuid::Uuid::parse_str(endpoint.id.strip_prefix("we_").unwrap()).unwrap();
    let paged = json!({"name": "Paged", "url": "https://example.com/", "events": ["a"]});
    for (path, body) in [
        (format!("/webhooks/{}", endpoint.id), json!({"events": ["b"]})),
        (format!("/v1/endpoints/ep_{hyphenated}"), json!({"name": "Other"})),
        (format!("/v1/webhook-endpoints/{}", endpoint.id), json!({"name": "Third"})),
    ] {
        assert_eq!(tenant.patch(&path, &body).await.status, 200, "{path}");
        assert_labels(&tenant.read_endpoint(&endpoint).await, &labels);
    }
    let path = format!("/v1/webhook-endpoints/{}", endpoint.id);
    assert_eq!(tenant.call(http::Method::PUT, &path, &[], Some(paged.to_string())).await.status, 200);
    assert_labels(&tenant.read_endpoint(&endpoint).await, &labels);
    assert_eq!(tenant.read_endpoint(&endpoint).await["name"], "Paged");
}

#[tokio::test]
async fn a_slug_is_optional() {
    let world = World::new().await;
    let platform = world.platform();
    for _ in 0..2 {
        let created = platform.post("/v1/organizations", &json!({"name": "Acme"})).await.data(201);
        assert_eq!(created["slug"], Value::Null);
        let path = format!("/v1/organizations/{}", text(&created["id"]));
        assert_eq!(platform.patch(&path, &json!({"name": "Other"})).await.data(200)["slug"], Value::Null);
        assert_eq!(platform.get(&path).await.data(200)["slug"], Value::Null);
    }
    let id = "550e8400-e29b-41d4-a716-446655440000";
    platform.post("/v1/organizations", &json!({"name": "Acme", "id": id})).await.data(201);
    let taken = platform.post("/v1/organizations", &json!({"name": "Acme", "id": id})).await;
    taken.is_error(409, "conflict");
    assert!(text(&taken.body["error"]["message"]).contains("the id "));
}
