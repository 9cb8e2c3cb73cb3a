//! The order of attempts, cursors in both directions, and filters.

use std::time::Duration;

use serde_json::{Value, json};

use super::{fields, ids, list, of_delivery, of_endpoint, retry};
use crate::support::{Answer, Endpoint, Receiver, Reply, Tenant, World, delivery_ids, text};

/// An endpoint with attempts of different kinds: first attempts in records and in items, retries long after later events,
/// and resends.
async fn populated() -> (World, Tenant, Endpoint, Receiver, Vec<String>) {
    let world = World::new().await;
    let long: String = {
        let mut random = fastrand::Rng::with_seed(3);
        std::iter::repeat_with(|| random.alphanumeric()).take(2_000).collect()
    };
    let answers = (0..40).map(|n| match n % 4 {
        0 => Answer::status(500),
        1 => Answer::status(503).body(long.clone()),
        2 => Answer::status(404),
        _ => Answer::status(200),
    });
    let receiver = Receiver::scripted(answers).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let mut deliveries = Vec::new();
    for number in 0..12 {
        let event_type = if number % 3 == 0 { "order.paid" } else { "member.added" };
        let channels = if number % 2 == 0 { json!(["eu", "new"]) } else { json!([]) };
        let event = json!({"type": event_type, "data": {}, "channels": channels});
        deliveries.extend(delivery_ids(&tenant.post("/events", &event).await.data(202)));
        // Some first attempts come late.
        world.advance(Duration::from_secs(if number == 5 { 90 } else { 3 }));
        if number != 4 {
            world.drain().await;
        }
    }
    for id in [&deliveries[0], &deliveries[2], &deliveries[0]] {
        if tenant.delivery_status(id).await == "exhausted" {
            retry(&world, &tenant, id).await;
        }
        world.advance(Duration::from_secs(100));
    }
    for id in [&deliveries[3], &deliveries[3]] {
        super::resend(&world, &tenant, id).await;
        world.advance(Duration::from_secs(1));
    }
    (world, tenant, endpoint, receiver, deliveries)
}

fn cursor(reply: &Reply, name: &str) -> Option<String> {
    reply.body["pagination"][name].as_str().map(str::to_owned)
}

/// Reads a list page by page to its end, and then back to its beginning. Both must find the same attempts.
async fn walk(tenant: &Tenant, path: &str, limit: usize) -> Vec<Value> {
    let page = async |cursor: Option<&String>| {
        let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let separator = if path.contains('?') { '&' } else { '?' };
        tenant.get(&format!("{path}{separator}limit={limit}{cursor}")).await
    };
    let items = |reply: &Reply| reply.body["data"].as_array().unwrap().clone();
    let mut reply = page(None).await;
    let mut found = items(&reply);
    let mut last = cursor(&reply, "previous_cursor");
    while let Some(next) = cursor(&reply, "next_cursor") {
        reply = page(Some(&next)).await;
        assert_eq!(reply.body["pagination"]["has_more"], json!(cursor(&reply, "next_cursor").is_some()));
        found.extend(items(&reply));
        last = cursor(&reply, "previous_cursor").or(last);
    }
    let mut back = items(&reply);
    while let Some(previous) = last {
        let reply = page(Some(&previous)).await;
        let newer = items(&reply);
        if newer.is_empty() {
            break;
        }
        back = [newer, back].concat();
        last = cursor(&reply, "previous_cursor").filter(|it| *it != previous);
    }
    assert_eq!(ids(&back), ids(&found), "{path} in pages of {limit}");
    found
}

/// The lists of an endpoint, of its deliveries and of their events contain the same attempts.
#[tokio::test]
async fn every_attempt_is_listed_once_in_the_order_of_time() {
    let (_world, tenant, endpoint, receiver, deliveries) = populated().await;
    let all = of_endpoint(&tenant, &endpoint).await;
    assert_eq!(all.len(), receiver.received().len());
    let starts: Vec<_> = all.iter().map(|attempt| text(&attempt["started_at"])).collect();
    let mut sorted = starts.clone();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    // Within a minute, first attempts have the position of their publishing. Here those are seconds apart.
    assert_eq!(starts, sorted);
    let (mut of_deliveries, mut of_events) = (Vec::new(), Vec::new());
    for id in &deliveries {
        of_deliveries.extend(of_delivery(&tenant, id).await);
        of_events.extend(list(&tenant, &format!("/events/wevt_{}0000/attempts", &id[5..33])).await);
    }
    assert_eq!(of_deliveries, of_events);
    let by_id = |attempts: &[Value]| {
        let mut sorted = attempts.to_vec();
        sorted.sort_by_key(|attempt| text(&attempt["id"]).to_owned());
        sorted
    };
    assert_eq!(by_id(&of_deliveries), by_id(&all));
}

#[tokio::test]
async fn cursors_lead_through_a_list_in_both_directions() {
    let (world, tenant, endpoint, _receiver, deliveries) = populated().await;
    let all = of_endpoint(&tenant, &endpoint).await;
    let path = format!("{}/attempts", endpoint.path());
    for limit in [1, 3, 7, 100] {
        assert_eq!(ids(&walk(&tenant, &path, limit).await), ids(&all), "{limit}");
    }
    for id in [&deliveries[0], &deliveries[3]] {
        let path = format!("/webhooks/deliveries/{id}/attempts");
        assert_eq!(walk(&tenant, &path, 1).await, of_delivery(&tenant, id).await);
    }
    // The first page names the page with what comes later.
    let first = tenant.get(&format!("{path}?limit=2")).await;
    let newer = format!("{path}?cursor={}", cursor(&first, "previous_cursor").unwrap());
    let nothing = tenant.get(&newer).await;
    assert_eq!(nothing.body["data"], json!([]));
    assert_eq!(cursor(&nothing, "previous_cursor"), cursor(&first, "previous_cursor"));
    super::resend(&world, &tenant, &deliveries[1]).await;
    let later = list(&tenant, &newer).await;
    assert_eq!(fields(&later, ["delivery_id", "trigger"]), [[json!(deliveries[1]), json!("resend")]]);
    for text in ["x", "before-x", "wdlv_00000000000000000000000000000000"] {
        tenant.get(&format!("{path}?cursor={text}")).await.is_error(400, "validation_failed");
    }
}

/// Whether a filter admits an attempt.
type Admits = Box<dyn Fn(&Value) -> bool>;

#[tokio::test]
async fn filters_select_the_same_attempts_in_every_list() {
    let (_world, tenant, endpoint, _receiver, deliveries) = populated().await;
    let all = of_endpoint(&tenant, &endpoint).await;
    let in_channel: Vec<_> = deliveries.into_iter().step_by(2).collect();
    let middle = text(&all[all.len() / 2]["started_at"]);
    let is = |name: &'static str, value: Value| move |attempt: &Value| attempt[name] == value;
    let in_class = |class: u64| move |attempt: &Value| attempt["response_status"].as_u64().unwrap() / 100 == class;
    let (since, until) = (middle.to_owned(), middle.to_owned());
    let table: Vec<(String, Admits)> = vec![
        ("response_status=5xx".to_owned(), Box::new(in_class(5))),
        ("response_status=404".to_owned(), Box::new(is("response_status", json!(404)))),
        ("error=http_status".to_owned(), Box::new(is("error", json!("http_status")))),
        ("error=timeout".to_owned(), Box::new(|_| false)),
        ("trigger=manual".to_owned(), Box::new(is("trigger", json!("manual")))),
        ("trigger=resend".to_owned(), Box::new(is("trigger", json!("resend")))),
        ("event_type=order.paid".to_owned(), Box::new(is("event_type", json!("order.paid")))),
        (
            "channel=eu".to_owned(),
            Box::new(move |attempt| in_channel.iter().any(|delivery| attempt["delivery_id"] == delivery.as_str())),
        ),
        ("channel=e".to_owned(), Box::new(|_| false)),
        (format!("since={middle}"), Box::new(move |attempt| text(&attempt["started_at"]) >= since.as_str())),
        (format!("until={middle}"), Box::new(move |attempt| text(&attempt["started_at"]) < until.as_str())),
    ];
    for (filter, admits) in table {
        let expected: Vec<_> = all.iter().filter(|attempt| admits(attempt)).cloned().collect();
        let found = walk(&tenant, &format!("{}/attempts?{filter}", endpoint.path()), 2).await;
        assert_eq!(ids(&found), ids(&expected), "{filter}");
        for attempt in &all {
            let of_delivery = format!("/webhooks/deliveries/{}/attempts?{filter}", text(&attempt["delivery_id"]));
            let is_found = list(&tenant, &of_delivery).await.contains(attempt);
            assert_eq!(is_found, admits(attempt), "{filter}: {attempt}");
        }
    }
    tenant.get(&format!("{}/attempts?error=x", endpoint.path())).await.is_error(400, "validation_failed");
}

#[tokio::test]
async fn the_attempts_of_an_event_with_many_deliveries_are_listed_by_delivery() {
    let world = World::with(&[("MAX_ENDPOINTS", "300")]).await;
    let receiver = Receiver::always(Answer::status(500)).await;
    let tenant = world.tenant().await;
    let fields = json!({"url": receiver.url(), "retry_schedule": [1]});
    let mut endpoints = Vec::new();
    for _ in 0..230 {
        endpoints.push(tenant.endpoint_with(fields.clone()).await);
    }
    let event = tenant.publish_data(&json!({})).await;
    world.drain().await;
    world.advance(Duration::from_secs(1));
    world.drain().await;
    tenant.delete(&format!("{}?permanent=true", endpoints[3].path())).await.data(204);
    let deliveries = delivery_ids(&event);
    let path = format!("/events/{}/attempts", text(&event["id"]));
    let found = walk(&tenant, &path, 37).await;
    let expected: Vec<_> = deliveries
        .iter()
        .zip(event["webhook_deliveries"].as_array().unwrap())
        .filter(|(_, delivery)| delivery["endpoint_id"] != endpoints[3].id.as_str())
        .flat_map(|(id, _)| [2, 1].map(|number| [json!(id), json!(number)]))
        .collect();
    assert_eq!(super::fields(&found, ["delivery_id", "number"]), expected);
    assert_eq!(walk(&tenant, &format!("{path}?trigger=resend"), 10).await, [json!(null); 0]);
}
