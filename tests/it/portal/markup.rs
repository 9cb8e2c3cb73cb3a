//! What tenants, publishers and receivers write is shown as text, whatever it is.

use serde_json::json;

use super::routes::{ROUTES, Route};
use crate::support::{Answer, Browser, Receiver, World, delivery_ids, text};

const MARKUP: &str = "</pre><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
/// What a page may have, at most: it is small even where everything is long.
const MOST_BYTES: usize = 60 * 1024;
const USUAL_BYTES: usize = 30 * 1024;

#[tokio::test]
async fn markup_in_every_name_header_payload_and_response_is_text() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500).header("x-note", MARKUP).body(MARKUP)).await;
    let tenant = world.tenant().await;
    let fields = json!({
        "name": MARKUP, "description": MARKUP, "url": format!("{}?q={}", receiver.url(), "%3Cscript%3E'"),
        "event_types": ["order.*"], "headers": {"x-own": "<script>1</script>"}, "channels": ["eu"], "retry_schedule": [],
        "filter": {"data": {"note": [MARKUP]}},
    });
    let endpoint = tenant.endpoint_with(fields).await;
    let event = json!({"type": "order.placed", "data": {"note": MARKUP}, "channels": ["eu"]});
    let event_type = json!({"name": "order.placed", "description": MARKUP, "schema": {"description": MARKUP}});
    world.platform().post("/v1/event-types", &event_type).await.data(201);
    let event = tenant.post("/events", &event).await.data(202);
    let delivery = delivery_ids(&event).remove(0);
    world.drain().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    for Route { path: route, .. } in
        ROUTES.iter().filter(|it| it.method == "GET" && it.path.contains("{organization}/"))
    {
        let path = route.replace("{organization}", &tenant.id).replace("{endpoint}", &endpoint.id);
        let path = path.replace("{delivery}", &delivery).replace("{event}", text(&event["id"]));
        let path = path.replace("{event_type}", "order.placed");
        let reply = browser.get(&path).await;
        assert_eq!(reply.status, 200, "{path}");
        if path.ends_with("/payload") || path.ends_with("/data") {
            assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8");
            assert_eq!(reply.headers["x-content-type-options"], "nosniff");
            assert!(reply.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
            assert!(reply.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
            continue;
        }
        let html = reply.html();
        assert_eq!(html.matches("<script").count(), 1, "{path}: {html}");
        assert!(!html.contains("<img") && !html.contains(" style=\""), "{path}");
        assert!(html.len() < USUAL_BYTES, "{path} has {} bytes", html.len());
    }
    let fields = [
        ("type", MARKUP),
        ("data", MARKUP),
        ("event_type", MARKUP),
        ("name", MARKUP),
        ("url", MARKUP),
        ("filter", MARKUP),
    ];
    for page in [
        "/new-endpoint",
        "/endpoints/{endpoint}/settings",
        "/endpoints/{endpoint}/filter-test",
        "/endpoints/{endpoint}/test",
    ] {
        let reply = browser.post(&browser.path(&page.replace("{endpoint}", &endpoint.id)), &fields).await;
        assert_eq!((reply.status, reply.html().matches("<script").count()), (400, 1), "{page}");
    }
}

#[tokio::test]
async fn pages_stay_small_whatever_they_show() {
    let long = "x".repeat(200_000);
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500).body(long.clone())).await;
    let tenant = world.tenant().await;
    let fields =
        json!({"url": receiver.url(), "event_types": ["*"], "retry_schedule": vec![1; 16], "name": "n".repeat(255)});
    let endpoint = tenant.endpoint_with(fields).await;
    let event = json!({"type": "order.placed", "data": {"note": long}});
    let delivery = delivery_ids(&tenant.post("/events", &event).await.data(202)).remove(0);
    for _ in 0..30 {
        tenant.post("/events", &json!({"type": "order.placed", "data": {}})).await.data(202);
    }
    for _ in 0..4 {
        world.drain().await;
        world.advance(std::time::Duration::from_secs(2));
    }
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let page = browser.get(&browser.path(&format!("/deliveries/{delivery}"))).await;
    assert!(page.html().len() < USUAL_BYTES, "{}", page.html().len());
    assert!(page.html().contains("only the beginning is shown"));
    let whole = browser.get(&browser.path(&format!("/deliveries/{delivery}/payload"))).await;
    assert!(whole.html().len() > 200_000);
    let list = browser.get(&browser.path(&format!("/endpoints/{}/deliveries", endpoint.id))).await;
    assert!(list.html().len() < MOST_BYTES && list.html().contains("cursor="), "{}", list.html().len());
    let next = list.html().split("href=\"").find(|it| it.contains("cursor=")).unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    let next = browser.get(&next).await;
    assert!(next.html().contains("First page") && !next.html().contains("Next page</a>"), "{}", next.html());
}
