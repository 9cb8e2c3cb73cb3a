//! What the pages of the portal read at most, however much the organization has.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Metered, event, subscribed};
use crate::support::{Browser, Tenant, text};

/// The read units and the calls of a page, with a session that was read before.
async fn cost(metered: &Metered, browser: &Browser, path: &str) -> (f64, u32) {
    let browser = browser.at(&metered.process);
    browser.get(path).await;
    metered.meter.take();
    let page = browser.get(path).await;
    assert_eq!(page.status, 200, "{path}");
    assert!(page.bytes.len() < 30_000, "{path}: {} bytes", page.bytes.len());
    let bill = metered.meter.take();
    assert_eq!(bill.write_units, 0.0, "{path} writes");
    (bill.read_units, bill.calls.values().sum())
}

async fn publish(tenant: &Tenant, event: &Value) -> String {
    text(&tenant.post("/events", event).await.data(202)["id"]).to_owned()
}

#[tokio::test]
async fn an_event_with_many_deliveries_is_read_in_parts() {
    let (world, receiver, tenant) = subscribed(0).await;
    let limits = json!({"max_endpoints": 230}).to_string();
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    world.platform().call(http::Method::PUT, &path, &[], Some(limits)).await.data(200);
    for _ in 0..230 {
        tenant.endpoint(&receiver).await;
    }
    let id = publish(&tenant, &event(1)).await;
    world.drain().await;
    let metered = Metered::new(&world);
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let path = browser.path(&format!("/events/{id}"));
    for (from, most) in [("", 110.0), ("?cursor=200", 70.0)] {
        let (units, _) = cost(&metered, &browser, &format!("{path}{from}")).await;
        assert!(units <= most, "{from}: {units}");
    }
    let last = browser.get(&format!("{path}?cursor=200")).await;
    assert_eq!(last.html().matches("/deliveries/wdlv_").count(), 30, "{}", last.html());
    let (file, _) = cost(&metered, &browser, &format!("{path}/data")).await;
    assert!(file <= 10.0, "{file}");
}

#[tokio::test]
async fn the_log_of_events_reads_one_page() {
    let (world, _receiver, tenant) = subscribed(1).await;
    for number in 0..130 {
        publish(&tenant, &event(number)).await;
        world.advance(Duration::from_millis(5));
    }
    let metered = Metered::new(&world);
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let (units, _) = cost(&metered, &browser, &browser.path("/events")).await;
    assert!(units <= 30.0, "{units}");
}

#[tokio::test]
async fn the_other_pages_read_few_units() {
    let (world, _receiver, tenant) = subscribed(1).await;
    for number in 0..60 {
        world.platform().post("/v1/event-types", &json!({"name": format!("type.n{number}")})).await.data(201);
        tenant.post("/api-keys", &json!({"name": format!("key {number}")})).await.data(201);
        tenant.post("/portal-sessions", &json!({"role": "member"})).await.data(201);
    }
    for _ in 0..30 {
        world.platform().post("/v1/organizations", &json!({"name": "x"})).await.data(201);
    }
    tenant.publish().await;
    world.drain().await;
    let metered = Metered::new(&world);
    let browser = Browser::signed_in(&tenant, &json!({"role": "owner"})).await;
    let operator = Browser::operator(&world).await;
    for (browser, path, most) in [
        (&browser, browser.path("/event-types"), 70.0),
        (&browser, browser.path("/event-types?q=n5"), 70.0),
        (&browser, browser.path("/event-types/type.n1"), 6.0),
        (&browser, browser.path("/usage"), 6.0),
        (&browser, browser.path("/access"), 30.0),
        (&browser, browser.path("/access/sessions"), 12.0),
        (&operator, "/portal/operator".to_owned(), 60.0),
        (&operator, "/portal/operator/health".to_owned(), 20.0),
    ] {
        let (units, _) = cost(&metered, browser, &path).await;
        assert!(units <= most, "{path}: {units}");
    }
}

#[tokio::test]
async fn the_list_of_endpoints_reads_one_page() {
    let (world, receiver, tenant) = subscribed(0).await;
    let limits = json!({"max_endpoints": 200}).to_string();
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    world.platform().call(http::Method::PUT, &path, &[], Some(limits)).await.data(200);
    let mut created = Vec::new();
    for _ in 0..150 {
        created.push(tenant.endpoint(&receiver).await.id);
    }
    let metered = Metered::new(&world);
    let browser = Browser::signed_in(&tenant, &json!({"role": "member"})).await;
    let (mut next, mut listed) = (Some(browser.path("/endpoints")), Vec::new());
    while let Some(page) = next {
        let (units, _) = cost(&metered, &browser, &page).await;
        assert!(units <= 80.0, "{page}: {units}");
        let reply = browser.get(&page).await;
        let link = format!("<a href=\"{}/", browser.path("/endpoints"));
        listed.extend(reply.html().split(&link).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
        let cursor = reply.html().split("/endpoints?cursor=").nth(1).map(|rest| rest.split('"').next().unwrap());
        next = cursor.map(|cursor| browser.path(&format!("/endpoints?cursor={cursor}")));
    }
    created.sort();
    assert_eq!(listed, created, "each endpoint is on one page, oldest first");
}
