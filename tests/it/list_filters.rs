//! Filters of the lists of events and deliveries.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Endpoint, Receiver, Tenant, World, text};

/// An organization with an endpoint that answers the named events differently, and their ids.
struct Scene {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    /// An endpoint with the same events, whose deliveries wait.
    paused: Endpoint,
    _receivers: [Receiver; 2],
}

/// The events, in the order of publishing: their names, which are also their external ids, types, channels, and the
/// responses. The last one is published after the others were delivered, and is pending.
const EVENTS: [(&str, &str, &[&str], u16); 6] = [
    ("first", "a.b", &[], 200),
    ("second", "a.b", &["x"], 503),
    ("third", "a.c", &["x", "y"], 500),
    ("fourth", "a.c", &["y"], 404),
    ("fifth", "a.b", &["x"], 204),
    ("pending", "a.b", &["x"], 0),
];

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let tenant = world.tenant().await;
        let answers = EVENTS.iter().filter(|event| event.3 > 0).map(|event| Answer::status(event.3));
        let receiver = Receiver::scripted(answers).await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
        let other = Receiver::new().await;
        let paused = tenant.endpoint_with(json!({"url": other.url(), "status": "paused"})).await;
        let scene = Self { world, tenant, endpoint, paused, _receivers: [receiver, other] };
        for (name, event_type, channels, status) in EVENTS {
            let event = json!({"type": event_type, "data": {}, "channels": channels, "external_id": name});
            scene.tenant.post("/events", &event).await.data(202);
            if status > 0 {
                scene.world.drain().await;
            }
            scene.world.advance(Duration::from_secs(60));
        }
        // An event of another organization with the same external id.
        let other = scene.world.tenant().await;
        other.post("/events", &json!({"type": "a.b", "data": {}, "external_id": "first"})).await.data(202);
        scene
    }

    /// The names of the events on all pages of a list, newest first.
    async fn names(&self, path: &str, name: impl AsyncFn(&Value) -> String) -> Vec<String> {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let reply = self.tenant.get(&format!("{path}&limit=2{cursor}")).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.body);
            for item in reply.body["data"].as_array().unwrap() {
                names.push(name(item).await);
            }
            match reply.body["pagination"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return names,
            }
        }
    }

    /// The names of the events whose deliveries to an endpoint the list has.
    async fn deliveries(&self, endpoint: &Endpoint, query: &str) -> Vec<String> {
        let of_event = async |delivery: &Value| {
            let event = self.tenant.get(&format!("/events/{}", text(&delivery["event_id"]))).await.data(200);
            text(&event["external_id"]).to_owned()
        };
        self.names(&format!("{}/deliveries?{query}", endpoint.path()), of_event).await
    }

    async fn events(&self, query: &str) -> Vec<String> {
        self.names(&format!("/events?{query}"), async |event| text(&event["external_id"]).to_owned()).await
    }
}

#[tokio::test]
async fn each_filter_of_events_and_deliveries_restricts_the_list() {
    let scene = Scene::new().await;
    let published: Vec<_> = {
        let events = scene.tenant.get("/events").await.data(200);
        events.as_array().unwrap().iter().rev().map(|event| text(&event["created_at"]).to_owned()).collect()
    };
    let all = ["pending", "fifth", "fourth", "third", "second", "first"];
    let since = format!("since={}", published[2]);
    let until = format!("until={}", published[2]);
    // Filters by what is known of the event hold for both lists.
    for (query, expected) in [
        ("", &all[..]),
        (since.as_str(), &["pending", "fifth", "fourth", "third"]),
        (until.as_str(), &["second", "first"]),
        (&format!("since={}&until={}", published[1], published[3]), &["third", "second"]),
        ("channel=x", &["pending", "fifth", "third", "second"]),
        ("channel=y", &["fourth", "third"]),
        ("channel=z", &[]),
        ("external_id=third", &["third"]),
        ("external_id=nobody", &[]),
        ("external_id=third&channel=x", &["third"]),
        ("external_id=fourth&channel=x", &[]),
        (&format!("external_id=third&{until}"), &[]),
    ] {
        let endpoint = &scene.endpoint;
        assert_eq!(scene.events(query).await, expected, "events, {query}");
        assert_eq!(scene.events(&format!("{query}&endpoint_id={}", endpoint.id)).await, expected, "of one, {query}");
        assert_eq!(scene.deliveries(endpoint, query).await, expected, "deliveries, {query}");
        assert_eq!(scene.deliveries(&scene.paused, query).await, expected, "held deliveries, {query}");
    }
    assert_eq!(scene.events("type=a.c&channel=x").await, ["third"]);
    assert_eq!(scene.deliveries(&scene.endpoint, "event_type=a.c&channel=x").await, ["third"]);
    // The rest needs a delivery.
    for (query, expected) in [
        ("response_status=200", &["first"][..]),
        ("response_status=2xx", &["fifth", "first"]),
        ("response_status=5xx", &["third", "second"]),
        ("response_status=4xx", &["fourth"]),
        ("response_status=3xx", &[]),
        ("error=http_status", &["fourth", "third", "second"]),
        ("error=timeout", &[]),
        ("error=http_status&response_status=503&channel=x", &["second"]),
    ] {
        assert_eq!(scene.deliveries(&scene.endpoint, query).await, expected, "deliveries, {query}");
        let of_endpoint = format!("{query}&endpoint_id={}", scene.endpoint.id);
        assert_eq!(scene.events(&of_endpoint).await, expected, "events, {query}");
        assert_eq!(scene.deliveries(&scene.paused, query).await, [""; 0]);
    }
    assert_eq!(scene.deliveries(&scene.endpoint, "status=exhausted&response_status=5xx").await, ["third", "second"]);
}

#[tokio::test]
async fn an_error_names_all_invalid_filters() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&Receiver::new().await).await;
    let deliveries = format!("{}/deliveries", endpoint.path());
    for (path, query, expected) in [
        (
            deliveries.as_str(),
            "response_status=5x&error=none&channel=a b&external_id=ä&until=now",
            &["response_status", "error", "until", "channel", "external_id"][..],
        ),
        ("/events", "response_status=5xx&error=timeout", &["response_status", "error"]),
        ("/events", "response_status=5xx&endpoint_id=x", &["endpoint_id"]),
        ("/events", "status=failed&event_type=a.b", &["event_type", "status"]),
    ] {
        let reply = tenant.get(&format!("{path}?{}", query.replace(' ', "%20").replace('ä', "%C3%A4"))).await;
        reply.is_error(400, "validation_failed");
        let fields = reply.body["error"]["details"]["fields"].as_array().unwrap();
        let names: BTreeSet<_> = fields.iter().map(|field| text(&field["name"])).collect();
        assert_eq!(names, expected.iter().copied().collect(), "{query}: {}", reply.body);
    }
}

/// The records are written by the consumer, after a lease by the sweep, and by a manual retry; the channels stay.
#[tokio::test]
async fn a_record_keeps_the_channels_of_its_event() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [1_800, 1]})).await;
    tenant.post("/events", &json!({"type": "a.b", "data": {}, "channels": ["x"]})).await.data(202);
    let list = format!("{}/deliveries?channel=x", endpoint.path());
    let status = async || {
        let found = tenant.get(&list).await.data(200);
        assert_eq!(found.as_array().unwrap().len(), 1);
        text(&found[0]["status"]).to_owned()
    };
    assert_eq!(status().await, "pending");
    world.drain().await;
    assert_eq!(status().await, "retrying");
    // The wait has a jitter.
    world.advance(Duration::from_secs(2_400));
    world.sweep().await;
    assert_eq!(status().await, "retrying");
    world.drain().await;
    assert_eq!(status().await, "success");
}

#[tokio::test]
async fn a_batch_has_a_list_for_each_set_of_channels() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let event = |channels: &[&str]| json!({"type": "a.b", "data": {}, "channels": channels});
    let events = [event(&[]), event(&["x"]), event(&["x"]), event(&["x", "y"])];
    tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    assert_eq!(world.items("pending").await.len(), 3);
    for delivered in [0, 4] {
        assert_eq!(receiver.received().len(), delivered);
        for (query, count) in [("", 4), ("channel=x", 3), ("channel=y", 1)] {
            let list = tenant.get(&format!("{}/deliveries?{query}", endpoint.path())).await.data(200);
            assert_eq!(list.as_array().unwrap().len(), count, "{query}");
        }
        world.drain().await;
    }
}

/// Events are published at whole milliseconds.
#[tokio::test]
async fn times_within_a_millisecond_divide_lists_recoveries_and_replays_as_any_other_time() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let event = tenant.post("/events", &json!({"type": "a.b", "data": {}})).await.data(202);
    world.drain().await;
    let after = text(&event["created_at"]).replace('Z', "500Z");
    for list in ["/events".to_owned(), format!("{}/deliveries", endpoint.path())] {
        for (query, count) in [(format!("until={after}"), 1), (format!("since={after}"), 0)] {
            let found = tenant.get(&format!("{list}?{query}")).await.data(200);
            assert_eq!(found.as_array().unwrap().len(), count, "{list}?{query}");
        }
    }
    let recover = format!("{}/recover", endpoint.path());
    for (body, recovered) in
        [(json!({"since": after}), 0), (json!({"since": "2020-01-01T00:00:00Z", "until": after}), 1)]
    {
        assert_eq!(tenant.post(&recover, &body).await.data(202)["recovered"], recovered, "{body}");
    }

    world.advance(Duration::from_secs(61));
    let added = tenant.endpoint(&receiver).await;
    let old = "2020-01-01T00:00:00Z";
    for (what, endpoint) in [("missed", &added), ("failed", &endpoint)] {
        let replay = format!("{}/replay", endpoint.path());
        for (body, count) in
            [(json!({"what": what, "since": after}), 0), (json!({"what": what, "since": old, "until": after}), 1)]
        {
            let counted = tenant.post(&format!("{replay}?dry_run=true"), &body).await.data(200);
            assert_eq!(counted["deliveries"], count, "{body}");
            // The same millisecond is the same span.
            let job = tenant.post(&replay, &body).await.data(202);
            let rounded = body.to_string().replace("500Z", "999Z");
            let joined = tenant.post(&replay, &serde_json::from_str::<Value>(&rounded).unwrap()).await.data(202);
            assert_eq!(job["deliveries"], count, "{body}");
            assert_eq!([&joined["id"], &joined["created_at"]], [&job["id"], &job["created_at"]], "{body}");
            tenant.post(&format!("/jobs/{}/cancel", text(&job["id"])), &json!({})).await;
            world.drain().await;
        }
    }
}
