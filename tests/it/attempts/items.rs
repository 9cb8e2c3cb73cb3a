//! What is stored and shown of an attempt.

use std::time::Duration;

use serde_json::{Value, json};

use super::{fields, of_delivery, of_endpoint, retry};
use crate::support::{Answer, Receiver, World, text};

/// Text that compresses little.
fn random(length: usize) -> String {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.alphanumeric()).take(length).collect()
}

#[tokio::test]
async fn an_attempt_is_shown_with_its_response() {
    let world = World::new().await;
    let answer = Answer::status(503).header("x-request-id", "1f0e").header("set-cookie", "session=1").body("not now");
    let receiver = Receiver::scripted([answer, Answer::status(200).body("OK")]).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    world.advance(Duration::from_secs(2));
    world.drain().await;
    let attempts = of_delivery(&tenant, &id).await;
    assert_eq!(attempts, of_endpoint(&tenant, &endpoint).await);
    let event = format!("wevt_{}0000", &id[5..33]);
    assert_eq!(attempts, super::list(&tenant, &format!("/events/{event}/attempts")).await);
    let [second, first] = &attempts[..] else { panic!("{attempts:?}") };
    let headers = first["response_headers"].as_array().unwrap();
    assert!(headers.contains(&json!({"name": "x-request-id", "value": "1f0e"})), "{headers:?}");
    assert!(headers.iter().all(|header| header["name"] != "set-cookie"), "{headers:?}");
    let shown = [
        "object",
        "delivery_id",
        "event_id",
        "endpoint_id",
        "event_type",
        "number",
        "trigger",
        "response_status",
        "response_body",
        "error",
        "error_detail",
    ];
    let expected = json!([
        "webhook_attempt",
        id,
        event,
        endpoint.id,
        "member.added",
        1,
        "schedule",
        503,
        "not now",
        "http_status",
        null
    ]);
    assert_eq!(json!(shown.map(|name| &first[name])), expected);
    assert_eq!(
        json!(["number", "response_status", "response_body", "error"].map(|name| &second[name])),
        json!([2, 200, "OK", null])
    );
    let log = &tenant.delivery(&id).await["attempt_log"];
    for (entry, attempt) in log.as_array().unwrap().iter().zip([first, second]) {
        assert_eq!((&entry["started_at"], &entry["duration_ms"]), (&attempt["started_at"], &attempt["duration_ms"]));
        let path = format!("/webhooks/deliveries/{id}/attempts/{}", text(&attempt["id"]));
        assert_eq!(tenant.get(&path).await.data(200), *attempt);
    }
}

#[tokio::test]
async fn an_attempt_without_a_response_has_none() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let id = text(&tenant.deliver_to(&world, "http://127.0.0.1:1/", 1).await["id"]).to_owned();
    assert_eq!(world.items("attempt").await.len(), 0);
    tenant.get(&format!("/webhooks/deliveries/{id}/attempts")).await.is_error(404, "not_found");
    let endpoint = tenant.endpoint_with(json!({"url": "http://127.0.0.1:1/", "retry_schedule": []})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    retry(&world, &tenant, &id).await;
    let attempts = of_endpoint(&tenant, &endpoint).await;
    let names = ["number", "response_status", "response_headers", "response_body", "error"];
    let without = |number: u32| [json!(number), Value::Null, Value::Null, Value::Null, json!("connect")];
    assert_eq!(fields(&attempts, names), [without(2), without(1)]);
}

/// Each row is the response of a first attempt, whether the attempt has an item, and the write units of both.
#[tokio::test]
async fn a_record_takes_one_write_unit_and_an_item_at_most_three() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (status, body, has_item) in [
        (200, random(1_024), false),
        (200, "ok".to_owned(), false),
        (500, "short".to_owned(), false),
        (500, random(4_096), true),
        (500, "x".repeat(4_096), false),
    ] {
        let receiver = Receiver::always(Answer::status(status).body(body.clone())).await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
        let id = tenant.publish_one().await;
        world.drain().await;
        let attempts = of_delivery(&tenant, &id).await;
        let shown = text(&attempts[0]["response_body"]);
        assert!(body.starts_with(shown) && shown.len() * 2 >= body.len(), "{status}: {}", shown.len());
        assert_eq!(tenant.delivery(&id).await["response_body"], attempts[0]["response_body"]);
        assert_eq!(tenant.deliveries(&endpoint).await[0]["response_body"], attempts[0]["response_body"]);
        assert_eq!(attempts, of_endpoint(&tenant, &endpoint).await);
        let items = world.items("attempt").await;
        let own = items.iter().filter(|item| item["delivery"].as_s().unwrap() == &id);
        assert_eq!(own.count() == 1, has_item, "{status}, {} bytes", body.len());
        tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    }
}

#[tokio::test]
async fn each_attempt_has_its_trigger() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [1]})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    world.advance(Duration::from_secs(1));
    world.drain().await;
    retry(&world, &tenant, &id).await;
    super::resend(&world, &tenant, &id).await;
    let expected = [(json!(null), "resend"), (json!(3), "manual"), (json!(2), "schedule"), (json!(1), "schedule")];
    let expected = expected.map(|(number, trigger)| [number, json!(trigger)]);
    assert_eq!(fields(&of_delivery(&tenant, &id).await, ["number", "trigger"]), expected);

    let test = tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.data(200);
    world.drain().await;
    world.advance(Duration::from_secs(1));
    world.drain().await;
    let id = text(&test["delivery_ids"][0]);
    assert_eq!(fields(&of_delivery(&tenant, id).await, ["trigger"]), [[json!("schedule")], [json!("test")]]);
}

#[tokio::test]
async fn a_probe_has_the_trigger_half_open() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = crate::suspension::failing(&world, 11).await;
    crate::suspension::suspend(&world, &tenant).await;
    let held = tenant.publish_one().await;
    receiver.forget_script();
    world.advance(Duration::from_secs(61));
    world.sweep().await;
    world.drain().await;
    let newest = of_endpoint(&tenant, &endpoint).await.remove(0);
    assert_eq!((&newest["delivery_id"], &newest["trigger"]), (&json!(held), &json!("half_open")));
}

/// The write of the item fails after the attempt was recorded.
#[tokio::test]
async fn without_its_item_an_attempt_is_listed_by_its_delivery_without_the_response() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500).body("no")).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    retry(&world, &tenant, &id).await;
    world.delete_items("attempt").await;
    let expected = [[json!(2), json!(500), Value::Null], [json!(1), json!(500), json!("no")]];
    let names = ["number", "response_status", "response_body"];
    assert_eq!(fields(&of_delivery(&tenant, &id).await, names), expected);
    assert_eq!(fields(&of_endpoint(&tenant, &endpoint).await, names), expected[1..]);
    assert_eq!(tenant.delivery(&id).await["response_body"], Value::Null);
}

#[tokio::test]
async fn attempts_are_not_shown_to_other_organizations_nor_for_another_delivery_nor_after_their_retention() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    retry(&world, &tenant, &id).await;
    let attempt = of_delivery(&tenant, &id).await.remove(0);
    let event = text(&attempt["event_id"]);
    let paths = [
        format!("/webhooks/deliveries/{id}/attempts"),
        format!("/webhooks/deliveries/{id}/attempts/{}", text(&attempt["id"])),
        format!("{}/attempts", endpoint.path()),
        format!("/events/{event}/attempts"),
    ];
    for path in &paths {
        tenant.get(path).await.data(200);
        other.get(path).await.is_error(404, "not_found");
    }
    other.post(&format!("/webhooks/deliveries/{id}/resend"), &json!({})).await.is_error(404, "not_found");
    let another = tenant.publish_one().await;
    let path = format!("/webhooks/deliveries/{another}/attempts/{}", text(&attempt["id"]));
    tenant.get(&path).await.is_error(404, "not_found");
    // The second attempt is a day younger than its delivery.
    world.advance(Duration::from_secs(86_400));
    retry(&world, &tenant, &id).await;
    world.advance(Duration::from_secs(29 * 86_400 + 60));
    assert_eq!(of_endpoint(&tenant, &endpoint).await, [json!(null); 0]);
    tenant.get(&paths[0]).await.is_error(404, "not_found");
    world.expire_items().await;
    assert_eq!((world.items("attempt").await.len(), world.items("resends").await.len()), (0, 0));
}
