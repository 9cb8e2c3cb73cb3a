//! What a person does first: create an endpoint, send a test, see why it failed, mend the URL, and send it again.

use serde_json::json;

use crate::support::{Answer, Browser, Receiver, Reply, World};

/// The value of a hidden field of a page.
fn hidden(page: &Reply, name: &str) -> String {
    let html = page.html();
    let at = html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {html}"));
    at.split('"').next().unwrap().to_owned()
}

/// Fills in the form of a page that creates something.
pub(super) async fn submit(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Reply {
    let id = hidden(&browser.get(path).await, "form_id");
    let fields: Vec<_> = fields.iter().copied().chain([("form_id", id.as_str())]).collect();
    browser.post(path, &fields).await
}

pub(super) fn location(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.html());
    reply.headers["location"].to_str().unwrap().to_owned()
}

pub(super) fn contains(reply: &Reply, texts: &[&str]) {
    for text in texts {
        assert!(reply.html().contains(text), "{text} in {}", reply.html());
    }
}

#[tokio::test]
async fn a_person_creates_an_endpoint_sees_why_a_test_failed_mends_it_and_sends_it_again() {
    let world = World::new().await;
    let (broken, working) =
        (Receiver::always(Answer::status(500).body("database is down")).await, Receiver::new().await);
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "admin"})).await;
    contains(&browser.get(&browser.first).await, &["There is no endpoint yet", "/new-endpoint\""]);

    let path = browser.path("/new-endpoint");
    let refused = submit(&browser, &path, &[("name", "Orders"), ("url", "nonsense"), ("patterns", "order.*")]).await;
    assert_eq!(refused.status, 400);
    contains(
        &refused,
        &["value=\"Orders\"", "value=\"nonsense\"", "order.*", "aria-invalid=\"true\"", "f-url-problem"],
    );

    let url = broken.url();
    let fields = [
        ("name", "Orders"),
        ("url", url.as_str()),
        ("patterns", "order.*\r\ninvoice.paid"),
        ("headers", "x-tenant: 7"),
        ("retry_schedule", "60, 600"),
        ("signing_algorithm", "hmac-sha256"),
    ];
    let created = submit(&browser, &path, &fields).await;
    assert_eq!((created.status, &created.headers["cache-control"]), (201, &"no-store".parse().unwrap()));
    contains(&created, &["whsec_", "/test\""]);
    let endpoint = tenant.get("/webhooks/endpoints").await.data(200)[0].clone();
    assert_eq!(
        [&endpoint["event_types"], &endpoint["headers"], &endpoint["retry_schedule"]],
        [&json!(["order.*", "invoice.paid"]), &json!({"x-tenant": "7"}), &json!([60, 600])]
    );
    let own = browser.path(&format!("/endpoints/{}", endpoint["id"].as_str().unwrap()));
    assert!(!browser.get(&own).await.html().contains("whsec_"), "it is shown once");

    let test = format!("{own}/test");
    let sent = submit(&browser, &test, &[("event_type", "order.placed"), ("data", "{\"order\": 1.10}")]).await;
    let delivery = location(&sent);
    world.drain().await;
    let failed = browser.get(&delivery).await;
    contains(
        &failed,
        &["Will be retried", "1.10", "database is down", "another status than 2xx", "What to do:", "/docs#http_status"],
    );
    contains(&failed, &["data-live", "Attempt 1", "webhook-id: wevt_", "data-countdown"]);

    let settings = format!("{own}/settings");
    contains(&browser.get(&settings).await, &["x-tenant: 7", "60, 600", "order.*"]);
    let mended = [("name", "Orders"), ("url", &working.url()), ("patterns", "*"), ("headers", "x-tenant: 7")];
    assert_eq!(location(&browser.post(&settings, &mended).await), format!("{settings}?saved=yes"));
    let page = delivery.split('?').next().unwrap();
    assert_eq!(
        location(&browser.post(&format!("{page}/resend"), &[("form_id", "0123456789abcdef")]).await),
        format!("{page}?sent=again")
    );
    world.drain().await;
    contains(&browser.get(page).await, &["Delivered", "Resend"]);
    assert_eq!(working.only().json()["data"], json!({"order": 1.10}));
    contains(&browser.get(&format!("{own}/deliveries")).await, &["order.placed", "Delivered"]);
    let filtered = browser.get(&format!("{own}/deliveries?status=failed")).await;
    assert!(filtered.html().contains("No delivery matches") && !filtered.html().contains("order.placed"));
}

#[tokio::test]
async fn a_form_that_is_sent_twice_creates_one_endpoint() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let path = browser.path("/new-endpoint");
    let id = hidden(&browser.get(&path).await, "form_id");
    let url = receiver.url();
    let fields = [("name", "Once"), ("url", url.as_str()), ("patterns", "*"), ("form_id", id.as_str())];
    let without_types = [("name", "Once"), ("url", url.as_str()), ("form_id", id.as_str())];
    assert_eq!(browser.post(&path, &without_types).await.status, 400, "a refused form is not used up");
    assert_eq!(browser.post(&path, &fields).await.status, 201);
    let again = browser.post(&path, &fields).await;
    assert_eq!(again.status, 409);
    contains(&again, &["sent before"]);
    assert_eq!(tenant.get("/webhooks/endpoints").await.data(200).as_array().unwrap().len(), 1);
    assert_eq!(browser.post(&path, &fields[..3]).await.status, 400, "a form without an identifier");
}

#[tokio::test]
async fn an_endpoint_is_paused_resumed_disabled_enabled_and_deleted() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "admin"})).await;
    let own = browser.path(&format!("/endpoints/{}", endpoint.id));
    for (wanted, shown) in [
        ("paused", "Deliveries wait until you resume it"),
        ("active", "Active"),
        ("disabled", "by a person or a key"),
        ("active", "Active"),
    ] {
        assert_eq!(location(&browser.post(&format!("{own}/status"), &[("status", wanted)]).await), own);
        contains(&browser.get(&own).await, &[shown]);
    }
    assert_eq!(browser.post(&format!("{own}/status"), &[("status", "nonsense")]).await.status, 400);
    contains(&browser.get(&format!("{own}/delete")).await, &["cannot be undone"]);
    assert_eq!(location(&browser.post(&format!("{own}/delete"), &[]).await), browser.first);
    assert_eq!(browser.get(&own).await.status, 404);
}

#[tokio::test]
async fn a_paused_endpoint_says_how_many_deliveries_wait() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    tenant.publish().await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let page = browser.get(&browser.path(&format!("/endpoints/{}", endpoint.id))).await;
    contains(&page, &["<strong>1</strong> deliveries wait", "Paused"]);
}

#[tokio::test]
async fn settings_say_whether_an_event_would_match() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let filter = json!({"data": {"amount": [{"numeric": [">=", 100]}]}});
    let fields = json!({"url": receiver.url(), "event_types": ["order.*"], "filter": filter});
    let endpoint = tenant.endpoint_with(fields).await;
    let browser = Browser::signed_in(&tenant, &json!({"role": "admin"})).await;
    let path = browser.path(&format!("/endpoints/{}/filter-test", endpoint.id));
    for (event_type, data, status, shown) in [
        ("order.placed", r#"{"amount": 100}"#, 200, "Yes, this endpoint would receive it"),
        ("order.placed", r#"{"amount": 99}"#, 200, "/data/amount"),
        ("invoice.paid", r#"{"amount": 100}"#, 200, "The event types do not include this type"),
        ("order.placed", "{", 400, "Is not valid JSON"),
        ("order placed", "{}", 400, "aria-invalid"),
    ] {
        let reply = browser.post(&path, &[("type", event_type), ("data", data)]).await;
        assert_eq!(reply.status, status, "{event_type} {data}");
        contains(&reply, &[shown]);
    }
    assert!(receiver.received().is_empty());
}
