//! The log of events, and the page of an event.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Browser, Receiver, Tenant, World, delivery_ids, text};

/// A text that would do harm if a page showed it as HTML.
pub(super) const MARKUP: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

async fn publish(tenant: &Tenant, event: Value) -> Value {
    tenant.post("/events", &event).await.data(202)
}

/// Checks that a page has no element that a tenant wrote.
#[track_caller]
pub(super) fn assert_escaped(html: &str) {
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert!(!html.contains("<img") && !html.contains(" onerror=\""), "{html}");
}

#[tokio::test]
async fn the_log_has_the_events_and_its_filters_are_in_the_url() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let path = browser.path("/events");
    let empty = browser.get(&path).await;
    assert!(empty.html().contains("curl http://localhost/v1/organizations/"), "the next step is a command");

    let first = publish(&tenant, json!({"type": "order.created", "data": {"n": 1}, "external_id": "order-1"})).await;
    world.advance(Duration::from_secs(3_600));
    let second = publish(&tenant, json!({"type": "order.paid", "data": {"n": 1}, "channels": ["north"]})).await;
    let links = [text(&first["id"]), text(&second["id"])].map(|id| format!("{path}/{id}\""));
    let later = world.clock.now().minus(Duration::from_secs(60)).rfc3339_seconds();
    let field = later.rsplit_once(':').unwrap().0;
    for (query, expected) in [
        ("", [true, true]),
        ("?type=&channel=&external_id=&since=&until=", [true, true]),
        ("?type=order.paid", [false, true]),
        ("?channel=north", [false, true]),
        ("?external_id=order-1", [true, false]),
        (&format!("?since={later}"), [false, true]),
        (&format!("?since={field}"), [false, true]),
        (&format!("?until={field}"), [true, false]),
        ("?type=nothing.else", [false, false]),
    ] {
        let page = browser.get(&format!("{path}{query}")).await;
        assert_eq!(page.status, 200, "{query}");
        assert_eq!(links.each_ref().map(|link| page.html().contains(link)), expected, "{query}");
    }
    let filtered = browser.get(&format!("{path}?type=order.paid&limit=1")).await;
    assert!(filtered.html().contains("value=\"order.paid\""), "the form keeps the filter");
}

#[tokio::test]
async fn pages_of_the_log_keep_the_filters() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for _ in 0..3 {
        publish(&tenant, json!({"type": "a.b", "data": {"n": 1}})).await;
        world.advance(Duration::from_millis(5));
    }
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let page = browser.get(&browser.path("/events?type=a.b&limit=2")).await;
    let next = page.html().split("href=\"").find(|rest| rest.contains("rel=\"next\"")).unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    assert!(next.contains("type=a.b&limit=2&cursor=wevt_"), "{next}");
    let last = browser.get(&next).await;
    assert_eq!((last.status, last.html().matches("<tr>").count()), (200, 2), "the head and one event");
    assert!(last.html().contains("First page") && !last.html().contains("rel=\"next\""));
    assert!(!last.html().contains("data-live"), "an older page does not change");
}

#[tokio::test]
async fn a_filter_that_is_wrong_stays_in_its_field_with_the_reason_beside_it() {
    let world = World::new().await;
    let browser = Browser::signed_in(&world.tenant().await, &json!({"role": "member"})).await;
    let page = browser.get(&browser.path("/events?type=not%20a%20type&since=yesterday")).await;
    assert_eq!(page.status, 400);
    for expected in ["value=\"not a type\"", "id=\"f-type-problem\"", "value=\"yesterday\"", "id=\"f-since-problem\""] {
        assert!(page.html().contains(expected), "{expected}");
    }
}

#[tokio::test]
async fn an_event_shows_its_data_and_its_deliveries_to_every_endpoint() {
    let (world, good) = (World::new().await, Receiver::new().await);
    let bad = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": good.url(), "name": "Good one"})).await;
    tenant.endpoint_with(json!({"url": bad.url(), "name": "Bad one", "retry_schedule": []})).await;
    let event = publish(&tenant, json!({"type": "a.b", "data": {"n": 1.5, "deep": [true]}})).await;
    world.drain().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let path = browser.path(&format!("/events/{}", text(&event["id"])));
    let page = browser.get(&path).await;
    assert_eq!(page.status, 200);
    for expected in ["Good one", "Bad one", "badge good", "badge bad", "\n  &quot;n&quot;: 1.5", "data-live"] {
        assert!(page.html().contains(expected), "{expected} in {}", page.html());
    }
    for delivery in delivery_ids(&event) {
        assert!(page.html().contains(&browser.path(&format!("/deliveries/{delivery}\""))));
    }
    assert!(!page.html().contains("remove-data"), "a member cannot remove the data");
    let file = browser.get(&format!("{path}/data")).await;
    assert_eq!(file.html(), r#"{"deep":[true],"n":1.5}"#);
    assert_eq!(file.headers["content-type"], "text/plain; charset=utf-8");
    assert!(file.headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"wevt_"));
    assert_eq!(file.headers["content-security-policy"], "default-src 'none'; sandbox; frame-ancestors 'none'");
}

#[tokio::test]
async fn a_page_of_an_event_is_small_although_its_data_is_large() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let data: Vec<_> = (0..10_000).map(|n| format!("<{n}>")).collect();
    let event = publish(&tenant, json!({"type": "a.b", "data": {"all": data}})).await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let page = browser.get(&browser.path(&format!("/events/{}", text(&event["id"])))).await;
    assert!(page.bytes.len() < 30_000 && page.html().contains("only the beginning is shown"), "{}", page.bytes.len());
}

#[tokio::test]
async fn what_publishers_write_is_shown_as_text() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "name": MARKUP})).await;
    let json = publish(&tenant, json!({"type": "a.b", "data": {MARKUP: MARKUP}})).await;
    let raw = json!({"type": "a.b", "data": MARKUP, "format": "raw", "content_type": "text/html"});
    let raw = tenant.post("/events", &raw).await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    for event in [json, raw.body["data"].clone()].iter().filter(|event| event["id"].is_string()) {
        let path = browser.path(&format!("/events/{}", text(&event["id"])));
        let page = browser.get(&path).await;
        assert!(page.html().contains("&lt;script&gt;alert(1)"), "{}", page.html());
        assert_escaped(page.html());
        assert_eq!(browser.get(&format!("{path}/data")).await.headers["content-type"], "text/plain; charset=utf-8");
    }
    let filters =
        format!("/events?type={0}&channel={0}&external_id={0}&since={0}", "%3Cscript%3E%22%27%3E%3Cimg%20src");
    assert_escaped(browser.get(&browser.path(&filters)).await.html());
}

#[tokio::test]
async fn the_events_of_another_organization_are_not_found() {
    let world = World::new().await;
    let (own, other) = (world.tenant().await, world.tenant().await);
    let event = publish(&other, json!({"type": "a.b", "data": {"n": 1}})).await;
    let browser = Browser::signed_in(&own, &json!({"role": "owner"})).await;
    for id in [text(&event["id"]), "wevt_00000000000070008000000000000000", "nonsense"] {
        let path = browser.path(&format!("/events/{id}"));
        assert_eq!(browser.get(&path).await.status, 404, "{id}");
        assert_eq!(browser.get(&format!("{path}/data")).await.status, 404, "{id}");
        assert_eq!(browser.post(&format!("{path}/remove-data"), &[]).await.status, 404, "{id}");
    }
}

#[tokio::test]
async fn only_an_owner_removes_the_data_of_an_event() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let event = publish(&tenant, json!({"type": "a.b", "data": {"secret": "word"}})).await;
    for (role, status) in [("member", 403), ("admin", 403), ("owner", 303)] {
        let browser = Browser::signed_in(&tenant, &json!({"role": role})).await;
        let path = browser.path(&format!("/events/{}", text(&event["id"])));
        assert!(browser.get(&path).await.html().contains("secret"), "{role}");
        assert_eq!(browser.post(&format!("{path}/remove-data"), &[]).await.status, status, "{role}");
        let has_data = browser.get(&path).await.html().contains("secret");
        assert_eq!(has_data, role != "owner", "{role}");
    }
}

#[tokio::test]
async fn a_bound_session_sees_the_events_and_deliveries_of_its_endpoints_alone() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let fields = |name: &str, of: &str| json!({"url": receiver.url(), "name": name, "event_types": [of, "both.get"]});
    let own = tenant.endpoint_with(fields("Own endpoint", "own.gets")).await;
    tenant.endpoint_with(fields("Other endpoint", "other.gets")).await;
    let mut events = Vec::new();
    for kind in ["own.gets", "other.gets", "both.get"] {
        events.push(publish(&tenant, json!({"type": kind, "data": {"n": 1}})).await);
    }
    world.drain().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "admin", "endpoints": [own.id]})).await;
    let list = browser.get(&browser.path("/events")).await;
    assert_eq!(list.status, 200);
    let shows = |kind: &str| list.html().contains(&format!(">{kind}</a>"));
    assert_eq!(["own.gets", "other.gets", "both.get"].map(shows), [true, false, true]);
    for (event, status) in events.iter().zip([200, 404, 200]) {
        let path = browser.path(&format!("/events/{}", text(&event["id"])));
        let page = browser.get(&path).await;
        assert_eq!((page.status, browser.get(&format!("{path}/data")).await.status), (status, status));
        assert!(!page.html().contains("Other endpoint"));
    }
}
