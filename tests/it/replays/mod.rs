//! Replays: an endpoint gets events again, or those that it missed.

mod interleavings;
mod limits;
mod lists;
mod orders;
mod progress;
mod removal;
mod requests;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, EVENT_TYPE, Endpoint, Receiver, Tenant, World, delivery_ids, text};

/// A request that is repeated after this time does not join a replay that has ended.
const NOT_JOINED: Duration = Duration::from_secs(60);
/// Events of this age are replayed.
const OLD_ENOUGH: Duration = Duration::from_millis(60_001);

/// A body that selects all events.
fn all_time(what: &str) -> Value {
    json!({"since": "2020-01-01T00:00:00Z", "what": what})
}

/// Requests a replay and returns its job.
async fn replay(tenant: &Tenant, endpoint: &Endpoint, body: &Value) -> Value {
    tenant.post(&format!("{}/replay", endpoint.path()), body).await.data(202)
}

/// What a replay would do: the number of deliveries, and how many expire within a day.
async fn count(tenant: &Tenant, endpoint: &Endpoint, body: &Value) -> (u64, u64) {
    let counted = tenant.post(&format!("{}/replay?dry_run=true", endpoint.path()), body).await.data(200);
    assert_eq!((&counted["object"], &counted["has_more"]), (&json!("webhook_replay_count"), &json!(false)));
    assert_eq!((&counted["endpoint_id"], &counted["what"]), (&json!(endpoint.id), &body["what"]));
    (counted["deliveries"].as_u64().unwrap(), counted["expiring_within_a_day"].as_u64().unwrap())
}

/// Publishes an event and returns its id.
async fn publish(tenant: &Tenant, event: Value) -> String {
    text(&tenant.post("/events", &event).await.data(202)["id"]).to_owned()
}

/// The ids of the events that a receiver got, in the order of arrival.
fn arrived(receiver: &Receiver) -> Vec<String> {
    receiver.received().iter().map(|request| request.header("webhook-id").to_owned()).collect()
}

fn set(ids: &[&String]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).clone()).collect()
}

#[tokio::test]
async fn an_endpoint_gets_the_events_that_were_published_before_it_existed() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let mut events = Vec::new();
    for n in 0..3 {
        events.push(publish(&tenant, json!({"type": EVENT_TYPE, "data": {"n": n}})).await);
        world.advance(Duration::from_secs(1));
    }
    let endpoint = tenant.endpoint(&receiver).await;
    world.advance(OLD_ENOUGH);
    assert_eq!(count(&tenant, &endpoint, &all_time("missed")).await, (3, 0));
    let job = replay(&tenant, &endpoint, &all_time("missed")).await;
    assert_eq!(json!(["kind", "status", "deliveries"].map(|name| &job[name])), json!(["replay", "done", 3]));
    for _ in 0..3 {
        assert_eq!(world.process.poll_at_most(1).await, 1);
    }
    assert_eq!(arrived(&receiver), events, "the oldest comes first");
    for event in &events {
        let event = tenant.get(&format!("/events/{event}")).await.data(200);
        let delivery = &event["webhook_deliveries"][0];
        assert_eq!(json!([delivery["endpoint_id"], delivery["status"]]), json!([endpoint.id, "success"]));
        let shown = tenant.delivery(text(&delivery["id"])).await;
        assert_eq!((&shown["event_id"], &shown["attempts"]), (&event["id"], &json!(1)));
    }
    assert_eq!(tenant.deliveries(&endpoint).await.len(), 3);
    assert_eq!(count(&tenant, &endpoint, &all_time("missed")).await, (0, 0));
    world.advance(NOT_JOINED);
    let again = replay(&tenant, &endpoint, &all_time("missed")).await;
    assert_eq!(again["deliveries"], 0);
    world.run_to_the_end().await;
    assert_eq!(receiver.received().len(), 3);
    world.process.meter.write_all_usage().await;
    assert_eq!(world.usage().await, [3, 3, 3]);
}

/// What matches is decided by what the endpoint is at the replay, not by what it was at the publishing.
#[tokio::test]
async fn missed_events_are_those_that_the_endpoint_would_receive_now() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let fields = json!({
        "url": receiver.url(), "event_types": ["order.*"], "channels": ["emea"], "filter": {"data": {"n": [{"numeric": [">", 1]}]}},
    });
    let endpoint = tenant.endpoint_with(fields).await;
    tenant.set_status(&endpoint, "disabled").await;
    let event =
        |event_type: &str, channel: &str, data: Value| json!({"type": event_type, "channels": [channel], "data": data});
    let large = "x".repeat(20_000);
    // Random text does not compress, so lists do not read this body.
    let noise: String = (0..4_000_u32).map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761))).collect();
    let mut wanted = Vec::new();
    for (body, is_wanted) in [
        (event("order.paid", "emea", json!({"n": 2})), true),
        (event("order.paid", "emea", json!({"n": 1})), false),
        (event("order.paid", "apac", json!({"n": 2})), false),
        (event("invoice.paid", "emea", json!({"n": 2})), false),
        (event("order.paid", "emea", json!({"n": 3, "text": large})), true),
        (event("order.paid", "emea", json!({"n": 4, "text": noise})), true),
        (event("order.paid", "emea", json!({"n": 0, "text": noise})), false),
    ] {
        let id = publish(&tenant, body).await;
        if is_wanted {
            wanted.push(id);
        }
    }
    tenant.set_status(&endpoint, "active").await;
    world.advance(OLD_ENOUGH);
    assert_eq!(count(&tenant, &endpoint, &all_time("missed")).await, (3, 0));
    assert_eq!(replay(&tenant, &endpoint, &all_time("missed")).await["deliveries"], 3);
    world.run_to_the_end().await;
    assert_eq!(arrived(&receiver).into_iter().collect::<BTreeSet<_>>(), set(&wanted.iter().collect::<Vec<_>>()));

    tenant.patch(&endpoint.path(), &json!({"channels": null, "filter": null})).await.data(200);
    let body = json!({"since": "2020-01-01T00:00:00Z", "what": "missed", "event_types": ["order.paid", "invoice.*"]});
    assert_eq!(count(&tenant, &endpoint, &body).await, (3, 0), "those of `order.*` that were left out before");
    assert_eq!(replay(&tenant, &endpoint, &body).await["deliveries"], 3);
    world.run_to_the_end().await;
    assert_eq!(receiver.received().len(), 6);
}

#[tokio::test]
async fn tests_of_other_endpoints_and_events_of_the_last_minute_are_not_missed() {
    let (world, receiver, other) = (World::new().await, Receiver::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let tested = tenant.endpoint(&other).await;
    tenant.post(&format!("{}/test", tested.path()), &json!({"event_type": EVENT_TYPE})).await.data(200);
    let event = publish(&tenant, json!({"type": EVENT_TYPE, "data": {}})).await;
    world.drain().await;
    let endpoint = tenant.endpoint(&receiver).await;
    for (wait, expected) in [(59_999, 0), (1, 0), (1, 1), (1, 0)] {
        world.advance(Duration::from_millis(wait));
        assert_eq!(count(&tenant, &endpoint, &all_time("missed")).await.0, expected);
        // Another selection does not join the replay before.
        let body = json!({"since": world.clock.now().minus(OLD_ENOUGH * 2).rfc3339(), "what": "missed"});
        assert_eq!(replay(&tenant, &endpoint, &body).await["deliveries"], expected);
    }
    world.run_to_the_end().await;
    assert_eq!(arrived(&receiver), [event]);
    assert_eq!(other.received().len(), 2);
    let shown = tenant.get("/events").await.data(200);
    let receivers: Vec<_> =
        shown[0]["webhook_deliveries"].as_array().unwrap().iter().map(|it| &it["endpoint_id"]).collect();
    assert_eq!(receivers, [&json!(tested.id), &json!(endpoint.id)], "the ordinal follows those of the first fan-out");
}

/// One delivery in each state: the replay, and what it does with the delivery.
#[tokio::test]
async fn a_replay_sends_final_deliveries_again_and_leaves_those_alone_that_are_on_their_way() {
    // The response to the first attempt, and what each kind of replay does.
    for (state, answer, schedule, [failed, missed, all]) in [
        ("success", 200, json!([]), [false, false, true]),
        ("exhausted", 500, json!([]), [true, false, true]),
        ("retrying", 500, json!([600]), [false, false, false]),
        ("parked until a retry", 500, json!([7_200]), [false, false, false]),
        ("pending", 0, json!([]), [false, false, false]),
        ("held", 0, json!([]), [false, false, false]),
        ("failed", 0, json!([]), [true, false, true]),
    ] {
        for (what, is_sent) in [("failed", failed), ("missed", missed), ("all", all)] {
            let world = World::new().await;
            let receiver = Receiver::scripted([Answer::status(if answer == 0 { 200 } else { answer })]).await;
            let tenant = world.tenant().await;
            let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": schedule})).await;
            if state == "held" {
                tenant.set_status(&endpoint, "paused").await;
            }
            let id = tenant.publish_one().await;
            if state == "failed" {
                tenant.set_status(&endpoint, "disabled").await;
                world.advance(Duration::from_secs(6));
            }
            if state != "pending" {
                world.drain().await;
            }
            if state == "failed" {
                tenant.set_status(&endpoint, "active").await;
            }
            world.advance(OLD_ENOUGH);
            let sent = receiver.received().len();
            let before = world.records().await;
            let name = format!("{what} of {state}");
            assert_eq!(count(&tenant, &endpoint, &all_time(what)).await.0, u64::from(is_sent), "{name}");
            assert_eq!(replay(&tenant, &endpoint, &all_time(what)).await["deliveries"], u64::from(is_sent), "{name}");
            assert_eq!(world.records().await == before, !is_sent, "{name}");
            if is_sent {
                let record = tenant.delivery(&id).await;
                let expected = if sent == 0 { "pending" } else { "retrying" };
                assert_eq!((&record["status"], &record["attempts"]), (&json!(expected), &json!(sent)), "{name}");
                world.drain().await;
                assert_eq!(receiver.received().len(), sent + 1, "{name}");
                assert_eq!(tenant.delivery_status(&id).await, "success", "{name}");
                assert_eq!(replay(&tenant, &endpoint, &all_time("missed")).await["deliveries"], 0, "{name}");
            }
            if state == "held" {
                tenant.set_status(&endpoint, "active").await;
            }
            world.run_to_the_end().await.keeps_the_promise(&[id], &[&receiver]);
        }
    }
}

#[tokio::test]
async fn a_replay_of_everything_sends_again_and_adds_and_its_count_says_so() {
    let (world, receiver) = (World::new().await, Receiver::scripted(vec![Answer::status(500); 4]).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let (mut failed, mut delivered, mut missed) = (Vec::new(), Vec::new(), Vec::new());
    for (index, list) in [&mut failed, &mut delivered].into_iter().enumerate() {
        for n in 0..4 {
            list.push(publish(&tenant, json!({"type": format!("t.{n}"), "data": {}})).await);
        }
        world.drain().await;
        assert_eq!(receiver.received().len(), 4 * (index + 1));
    }
    tenant.set_status(&endpoint, "disabled").await;
    for n in 0..4 {
        missed.push(publish(&tenant, json!({"type": format!("t.{n}"), "data": {}})).await);
    }
    tenant.set_status(&endpoint, "active").await;
    world.advance(OLD_ENOUGH);
    let typed = |what: &str| json!({"since": "2020-01-01T00:00:00Z", "what": what, "event_types": ["t.1", "x"]});
    for (what, expected, kinds) in
        [("failed", 4, vec![&failed]), ("missed", 4, vec![&missed]), ("all", 12, vec![&failed, &delivered, &missed])]
    {
        let before = arrived(&receiver).len();
        world.advance(Duration::from_secs(1));
        assert_eq!(count(&tenant, &endpoint, &typed(what)).await.0, expected / 4, "{what}");
        assert_eq!(count(&tenant, &endpoint, &all_time(what)).await.0, expected, "{what}");
        let typed = replay(&tenant, &endpoint, &typed(what)).await;
        assert_eq!(typed["deliveries"], expected / 4, "{what}");
        assert_eq!(typed["replay"]["event_types"], json!(["t.1", "x"]));
        world.drain().await;
        if what == "all" {
            // The records that the first replay changed are older than this request.
            world.advance(Duration::from_secs(1));
            assert_eq!(count(&tenant, &endpoint, &all_time(what)).await.0, expected, "{what}");
            assert_eq!(replay(&tenant, &endpoint, &all_time(what)).await["deliveries"], expected, "{what}");
        } else {
            assert_eq!(replay(&tenant, &endpoint, &all_time(what)).await["deliveries"], expected * 3 / 4, "{what}");
        }
        world.drain().await;
        let sent: BTreeSet<_> = arrived(&receiver)[before..].iter().cloned().collect();
        assert_eq!(sent, set(&kinds.into_iter().flatten().collect::<Vec<_>>()), "{what}");
    }
    let records = world.run_to_the_end().await.records;
    assert!(records.len() == 12 && records.values().all(|record| record.status == "success"));
}

#[tokio::test]
async fn a_replayed_success_follows_its_schedule_again() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [1, 5]})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    world.advance(OLD_ENOUGH);
    receiver.then(vec![Answer::status(500); 3]);
    replay(&tenant, &endpoint, &all_time("all")).await;
    world.run_to_the_end().await;
    let delivery = tenant.delivery(&id).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("exhausted"), &json!(4)));
    let attempts: Vec<_> = receiver.received().iter().map(|it| it.header("x-webhook-attempt").to_owned()).collect();
    assert_eq!(attempts, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn events_that_expire_within_a_day_are_counted_and_expired_ones_are_not_replayed() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let day = Duration::from_secs(86_400);
    for _ in 0..3 {
        publish(&tenant, json!({"type": EVENT_TYPE, "data": {}})).await;
        world.advance(day);
    }
    let endpoint = tenant.endpoint(&receiver).await;
    // The first event is older than the 30 days of retention, and the second one will be within a day.
    world.advance(27 * day);
    for what in ["missed", "all"] {
        assert_eq!(count(&tenant, &endpoint, &all_time(what)).await, (2, 1), "{what}");
    }
    assert_eq!(replay(&tenant, &endpoint, &all_time("missed")).await["deliveries"], 2);
}

#[tokio::test]
async fn an_event_whose_data_was_removed_is_not_replayed() {
    let (world, receiver, late) = (World::new().await, Receiver::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let event = publish(&tenant, json!({"type": EVENT_TYPE, "data": {"secret": "xyzzy"}})).await;
    world.drain().await;
    let added = tenant.endpoint(&late).await;
    world.advance(OLD_ENOUGH);
    assert_eq!(replay(&tenant, &added, &all_time("missed")).await["deliveries"], 1);
    let removing = tenant.delete(&format!("/events/{event}/data")).await.data(202);
    assert_eq!(removing["deliveries"], 2, "the delivered one, and the one that the replay added");
    world.run_to_the_end().await;
    assert!(late.received().is_empty());
    let third = tenant.endpoint(&late).await;
    world.advance(NOT_JOINED);
    for (endpoint, what) in
        [&endpoint, &added, &third].into_iter().flat_map(|it| ["failed", "missed", "all"].map(|what| (it, what)))
    {
        assert_eq!(count(&tenant, endpoint, &all_time(what)).await, (0, 0), "{what}");
        assert_eq!(replay(&tenant, endpoint, &all_time(what)).await["deliveries"], 0, "{what}");
    }
    world.run_to_the_end().await;
    assert_eq!((receiver.received().len(), late.received().len()), (1, 0));
    let shown = tenant.get(&format!("/events/{event}")).await.data(200);
    let deliveries = shown["webhook_deliveries"].as_array().unwrap().iter();
    let shown: Vec<_> = deliveries.map(|it| json!([it["endpoint_id"], it["status"], it["error"]])).collect();
    assert_eq!(shown, [json!([endpoint.id, "success", null]), json!([added.id, "failed", "expunged"])]);
}

#[tokio::test]
async fn a_replay_for_a_paused_endpoint_waits_until_it_is_resumed() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    publish(&tenant, json!({"type": EVENT_TYPE, "data": {}})).await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    world.advance(OLD_ENOUGH);
    assert_eq!(replay(&tenant, &endpoint, &all_time("missed")).await["deliveries"], 1);
    world.drain().await;
    assert!(receiver.received().is_empty());
    tenant.set_status(&endpoint, "active").await;
    world.run_to_the_end().await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_replay_is_refused_for_a_disabled_endpoint_and_a_suspended_organization_and_with_invalid_fields() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let path = format!("{}/replay", endpoint.path());
    let since = "2026-03-01T00:00:00Z";
    for (body, name) in [
        (json!({"what": "all"}), "since"),
        (json!({"since": since}), "what"),
        (json!({"since": since, "what": "some"}), "what"),
        (json!({"since": "yesterday", "what": "all"}), "since"),
        (json!({"since": since, "until": since, "what": "all"}), "until"),
        (json!({"since": since, "what": "all", "event_types": []}), "event_types"),
        (json!({"since": since, "what": "all", "event_types": ["a", "b..c"]}), "event_types"),
        (json!({"since": since, "what": "all", "event_types": vec!["a"; 65]}), "event_types"),
        (json!({"since": since, "what": "all", "statuses": ["failed"]}), "statuses"),
    ] {
        for path in [path.clone(), format!("{path}?dry_run=true")] {
            let refused = tenant.post(&path, &body).await;
            refused.is_error(400, "validation_failed");
            assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], name, "{body}");
        }
    }
    tenant.post(&format!("{path}?dry_run=x"), &all_time("all")).await.is_error(400, "validation_failed");
    tenant.set_status(&endpoint, "disabled").await;
    for path in [path.clone(), format!("{path}?dry_run=true")] {
        tenant.post(&path, &all_time("all")).await.is_error(409, "conflict");
    }
    tenant.set_status(&endpoint, "active").await;
    let organization = format!("/v1/organizations/{}", tenant.id);
    world.platform().patch(&organization, &json!({"status": "suspended"})).await.data(200);
    for path in [path.clone(), format!("{path}?dry_run=true")] {
        tenant.post(&path, &all_time("all")).await.is_error(403, "forbidden");
    }
}

#[tokio::test]
async fn a_delivery_that_a_replay_added_is_retried_and_sent_again_as_any_other() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    publish(&tenant, json!({"type": EVENT_TYPE, "data": {}})).await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    world.advance(OLD_ENOUGH);
    replay(&tenant, &endpoint, &all_time("missed")).await;
    world.drain().await;
    let id = delivery_ids(&tenant.get("/events").await.data(200)[0]).remove(0);
    assert_eq!(tenant.delivery_status(&id).await, "exhausted");
    tenant.post(&format!("/webhooks/deliveries/{id}/retry"), &json!({})).await.data(202);
    world.drain().await;
    assert_eq!(tenant.delivery_status(&id).await, "success");
    world.advance(Duration::from_secs(1));
    assert_eq!(replay(&tenant, &endpoint, &all_time("all")).await["deliveries"], 1);
    world.run_to_the_end().await.keeps_the_promise(&[id], &[&receiver]);
    assert_eq!(receiver.received().len(), 3);
}
