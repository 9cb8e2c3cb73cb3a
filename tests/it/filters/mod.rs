//! Filters of endpoints, through the routes.

mod limits;
mod naive;
mod properties;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::subscriptions::{receivers_for, who_gets};
use crate::support::{Answer, Receiver, Reply, Tenant, World, delivery_ids, text};

/// Creates an endpoint with a filter that nothing receives.
pub(super) async fn create(tenant: &Tenant, filter: &str) -> Reply {
    let body = format!(r#"{{"name":"n","url":"https://example.com/","event_types":["*"],"filter":{filter}}}"#);
    tenant.call(Method::POST, "/webhooks/endpoints", &[], Some(body)).await
}

#[tokio::test]
async fn an_endpoint_with_a_filter_gets_the_events_that_match() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let filters = [
        Value::Null,
        json!({"data": {"amount": [{"numeric": [">=", 100]}]}}),
        json!({"type": [{"suffix": ".paid"}], "data": {"customer": {"country": ["DE", "FR"]}}}),
        json!({"subject": {"type": ["order"], "id": [{"prefix": "o_"}]}}),
        json!({"channels": ["vip"]}),
        json!({"data": {"amount": [{"exists": false}]}}),
        json!({"subject": {"type": ["organization"], "id": [tenant.id]}}),
        json!({"$or": [{"channels": ["vip"]}, {"data": {"lines": {"sku": [{"wildcard": "a-*-z"}]}}}]}),
    ];
    let receivers = receivers_for(&tenant, &filters.map(|filter| json!({"filter": filter}))).await;
    for (event, expected) in [
        (json!({"type": "order.paid", "data": {}}), vec![0, 5, 6]),
        (json!({"type": "order.paid", "data": {"amount": 100.0}}), vec![0, 1, 6]),
        (json!({"type": "order.paid", "data": {"amount": 99.99, "customer": {"country": "FR"}}}), vec![0, 2, 6]),
        (json!({"type": "order.open", "data": {"amount": 1e3, "customer": {"country": "FR"}}}), vec![0, 1, 6]),
        (json!({"type": "a", "data": {"amount": 1}, "subject": {"type": "order", "id": "o_1"}}), vec![0, 3]),
        (json!({"type": "a", "data": {"amount": null}, "channels": ["x", "vip"]}), vec![0, 4, 6, 7]),
        (json!({"type": "a", "data": {"amount": "1", "lines": [{"sku": "b"}, {"sku": "a-1-z"}]}}), vec![0, 6, 7]),
    ] {
        assert_eq!(who_gets(&world, &tenant, &receivers, &event).await, expected, "{event}");
    }
}

#[tokio::test]
async fn a_filter_applies_beside_types_edition_and_channels() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let filter = json!({"data": {"n": [1]}});
    let fields = [
        json!({"filter": filter}),
        json!({"filter": filter, "event_types": ["b"]}),
        json!({"filter": filter, "edition_id": "eu"}),
        json!({"filter": filter, "channels": ["c"]}),
        json!({"filter": filter, "status": "disabled"}),
    ];
    let receivers = receivers_for(&tenant, &fields).await;
    for (event, expected) in [
        (json!({"type": "a", "data": {"n": 1}}), vec![0]),
        (json!({"type": "b", "data": {"n": 1}, "edition_id": "eu", "channels": ["c"]}), vec![0, 1, 2, 3]),
        (json!({"type": "b", "data": {"n": 2}, "edition_id": "eu", "channels": ["c"]}), vec![]),
    ] {
        assert_eq!(who_gets(&world, &tenant, &receivers, &event).await, expected, "{event}");
    }
}

#[tokio::test]
async fn a_filter_is_shown_in_its_canonical_form_with_exact_numbers() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let given = r#"{ "type": ["\u0061.b"], "data": {"n": [1.50, 12345678901234567890.1], "a": [null]} }"#;
    let canonical = r#""filter":{"data":{"a":[null],"n":[1.50,12345678901234567890.1]},"type":["a.b"]},"#;
    let created = create(&tenant, given).await;
    let path = format!("/webhooks/endpoints/{}", text(&created.body["data"]["id"]));
    for reply in [created, tenant.get(&path).await, tenant.get("/webhooks/endpoints").await] {
        let body = std::str::from_utf8(&reply.bytes).unwrap();
        assert!(body.contains(canonical), "{body}");
    }
    tenant.patch(&path, &json!({"filter": null})).await.data(200);
    assert_eq!(tenant.get(&path).await.data(200)["filter"], Value::Null);
}

#[tokio::test]
async fn a_refused_filter_is_named_with_the_pointer_of_its_part() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let levels = format!(r#"{{"data":{}[1]{}}}"#, r#"{"a":"#.repeat(31), "}".repeat(31));
    let rules = format!(r#"{{"data":{{"a":[{}]}}}}"#, vec!["1"; 257].join(","));
    let long = format!(r#"{{"type":["{}"]}}"#, "a".repeat(4_096));
    for (filter, message) in [
        ("[]", "must be an object"),
        ("\"a\"", "must be an object"),
        ("{}", "must name a field"),
        (r#"{"source":["a"]}"#, "/source must be one of channels, data, subject, type"),
        (r#"{"data":{"a/b":[{"numeric":[">","1"]}]}}"#, "/data/a~1b/0/numeric must be a number"),
        (
            r#"{"type":[{"regex":"a"}]}"#,
            "/type/0/regex must be one of prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists, cidr",
        ),
        (r#"{"type":["a"],"type":["b"]}"#, "must not have type twice in one object"),
        (&levels, "must have fewer levels of arrays and objects"),
        (&rules, "/data/a/256 must be one of at most 256 values and rules"),
        (&long, "must be at most 4096 bytes"),
    ] {
        let changed =
            tenant.call(Method::PATCH, &endpoint.path(), &[], Some(format!(r#"{{"filter":{filter}}}"#))).await;
        for reply in [create(&tenant, filter).await, changed] {
            reply.is_error(400, "validation_failed");
            let fields = &reply.body["error"]["details"]["fields"];
            assert_eq!(*fields, json!([{"name": "filter", "message": message}]), "{filter}");
        }
    }
    assert_eq!(tenant.read_endpoint(&endpoint).await["filter"], Value::Null);
}

#[tokio::test]
async fn a_changed_filter_applies_to_the_next_event_of_every_process() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let elsewhere = tenant.at(&world.another_process());
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/", "filter": {"data": {"n": [1]}}})).await;
    for (change, deliveries) in [
        (json!({}), 1),
        (json!({"filter": {"data": {"n": [2]}}}), 0),
        (json!({"filter": {"data": {"n": [2, 1]}}}), 1),
        (json!({"filter": {"type": ["x"]}}), 0),
        (json!({"filter": null}), 1),
    ] {
        tenant.patch(&endpoint.path(), &change).await.data(200);
        for publisher in [&tenant, &elsewhere] {
            let published = publisher.post("/events", &json!({"type": "a", "data": {"n": 1}})).await.data(202);
            assert_eq!(delivery_ids(&published).len(), deliveries, "{change}");
        }
    }
}

#[tokio::test]
async fn each_event_of_a_batch_is_filtered_and_one_that_nobody_receives_is_stored() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "filter": {"data": {"n": [1]}}})).await;
    let events: Vec<_> = (0..3).map(|n| json!({"type": "a", "data": {"n": n}})).collect();
    let results = tenant.post("/events/batch", &json!({"events": events})).await.data(202);
    let deliveries: Vec<_> = (0..3).map(|index| delivery_ids(&results[index]["event"]).len()).collect();
    assert_eq!(deliveries, [0, 1, 0]);
    assert_eq!(tenant.get("/events").await.data(200).as_array().unwrap().len(), 3);
    world.drain().await;
    assert_eq!(receiver.only().json()["data"], json!({"n": 1}));
}

#[tokio::test]
async fn stored_deliveries_are_not_filtered_again() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let fields = json!({"url": receiver.url(), "filter": {"data": {"n": [1]}}, "retry_schedule": [1]});
    let endpoint = tenant.endpoint_with(fields).await;
    let event = json!({"type": "a", "data": {"n": 1}}).to_string();
    let publish = async || {
        let key = [("idempotency-key", "k")];
        delivery_ids(&tenant.call(Method::POST, "/events", &key, Some(event.clone())).await.data(202))
    };
    let delivery = publish().await.remove(0);
    tenant.patch(&endpoint.path(), &json!({"filter": {"data": {"n": [2]}}, "channels": ["x"]})).await.data(200);
    assert_eq!(publish().await, std::slice::from_ref(&delivery), "a repeated request gets the first response");
    world.drain().await;
    let attempts = async || {
        let before = receiver.received().len();
        world.advance(Duration::from_secs(2));
        world.drain().await;
        receiver.received().len() - before
    };
    assert_eq!(attempts().await, 1, "the scheduled retry");
    assert_eq!(tenant.delivery_status(&delivery).await, "exhausted");
    tenant.post(&format!("/webhooks/deliveries/{delivery}/retry"), &json!({})).await.data(202);
    assert_eq!(attempts().await, 1, "the manual retry");
    assert_eq!(attempts().await, 1, "its scheduled retry");
    assert_eq!(tenant.delivery_status(&delivery).await, "exhausted");
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    tenant.post(&format!("{}/recover", endpoint.path()), &since).await.data(202);
    assert_eq!(attempts().await, 1, "the recovery");
}

#[tokio::test]
async fn a_filter_applies_to_operational_events_and_not_to_test_events() {
    let gone = Receiver::always(Answer::status(410)).await;
    let world = World::new().await;
    let tenant = world.tenant().await;
    let watch = |filter: Value| json!({"event_types": ["webhook.*"], "filter": filter});
    let watchers = receivers_for(
        &tenant,
        &[
            watch(json!({"type": ["webhook.disabled"]})),
            watch(json!({"data": {"disabled_reason": ["gone"]}, "subject": {"type": ["webhook_endpoint"]}})),
            watch(json!({"data": {"disabled_reason": ["failing"]}})),
        ],
    )
    .await;
    let endpoints = tenant.get("/webhooks/endpoints").await.data(200);
    tenant.endpoint_with(json!({"url": gone.url(), "event_types": ["member.added"]})).await;
    tenant.publish_one().await;
    world.drain().await;
    world.sweep().await;
    world.drain().await;
    let types = |index: usize| -> Vec<_> {
        watchers[index].received().iter().map(|it| it.header("x-webhook-event").to_owned()).collect()
    };
    assert_eq!([types(0), types(1), types(2)], [vec!["webhook.disabled"], vec!["webhook.disabled"], vec![]]);
    let listed = tenant.get("/events").await.data(200);
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|event| text(&event["type"])).collect();
    assert_eq!(listed, ["webhook.disabled", "member.added"], "one that all filters exclude is not stored");
    let test = format!("/webhooks/endpoints/{}/test", text(&endpoints[2]["id"]));
    tenant.post(&test, &json!({})).await.data(200);
    world.drain().await;
    assert_eq!(types(2), ["webhook.test"]);
}

#[tokio::test]
async fn a_filter_test_says_what_does_not_match() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let filter = json!({"data": {"amount": [{"numeric": [">=", 100]}], "tags": ["vip"]}, "subject": {"id": ["o_1"]}});
    let fields = json!({"url": "https://example.com/", "event_types": ["order.*"], "channels": ["eu"],
                        "edition_id": "e", "status": "disabled", "filter": filter});
    let endpoint = tenant.endpoint_with(fields).await;
    let path = format!("{}/filter-test", endpoint.path());
    let event = json!({"type": "order.paid", "data": {"amount": 100, "tags": ["vip"]}, "edition_id": "e",
                       "channels": ["eu"], "subject": {"type": "order", "id": "o_1"}});
    let matching = json!({"object": "filter_test", "matches": true, "subscribed": true, "edition": true,
                          "channels": true, "filter": {"matches": true, "undecided": false, "mismatches": []}});
    let test = async |change: Value| {
        let mut event = event.clone();
        event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        tenant.post(&path, &event).await.data(200)
    };
    assert_eq!(test(json!({})).await, matching);
    for (change, differs) in [
        (json!({"type": "invoice.paid"}), "subscribed"),
        (json!({"edition_id": "f"}), "edition"),
        (json!({"channels": ["us"]}), "channels"),
    ] {
        let mut expected = matching.clone();
        expected["matches"] = json!(false);
        expected[differs] = json!(false);
        assert_eq!(test(change).await, expected);
    }
    let mut expected = matching.clone();
    expected["matches"] = json!(false);
    expected["filter"] = json!({"matches": false, "undecided": false, "mismatches": [
        {"path": "/data/amount", "wanted": [{"numeric": [">=", 100]}], "found": "99.5"},
        {"path": "/data/tags", "wanted": ["vip"], "found": null},
        {"path": "/subject/id", "wanted": ["o_1"], "found": format!("\"{}\"", tenant.id)},
    ]});
    assert_eq!(test(json!({"data": {"amount": 99.5}, "subject": null})).await, expected);
    assert!(tenant.get("/events").await.data(200).as_array().unwrap().is_empty(), "nothing is published");

    tenant.patch(&endpoint.path(), &json!({"filter": null})).await.data(200);
    assert_eq!(test(json!({"data": {}})).await, matching);
}

#[tokio::test]
async fn a_filter_test_is_refused_like_a_published_event_and_for_the_endpoint_of_another_tenant() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let endpoint = tenant.endpoint_with(json!({"url": "https://example.com/"})).await;
    let path = format!("{}/filter-test", endpoint.path());
    let event = json!({"type": "a", "data": {}});
    other.post(&path, &event).await.is_error(404, "not_found");
    let foreign = format!("/v1/organizations/{}{path}", tenant.id);
    other.post(&foreign, &event).await.is_error(404, "not_found");
    for (body, name) in [
        (json!({"type": "a b", "data": {}}), "type"),
        (json!({"type": "a"}), "data"),
        (json!({"type": "webhook.created", "data": {}}), "type"),
        (json!({"type": "a", "data": {}, "channels": ["a", "a"]}), "channels"),
        (json!({"type": "a", "data": {}, "filter": {}}), "filter"),
    ] {
        let refused = tenant.post(&path, &body).await;
        refused.is_error(400, "validation_failed");
        assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], name);
    }
    let large = json!({"type": "a", "data": {"x": "x".repeat(256 * 1024)}});
    tenant.post(&path, &large).await.is_error(413, "payload_too_large");
}
