//! Removing the data of an event: the data is not sent, shown or stored afterwards, except by attempts in progress.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::domain::job::SETTLED;

use crate::support::{
    Answer, Fate, Fuse, Gate, Receiver, Tenant, World, delivery_ids, over_network_by_call, stopped_at, text,
};

/// A text that only the data contains.
const SECRET: &str = "Zoë's heart";
/// A limit above the number of calls that a request makes.
const MOST_CALLS: usize = 60;

fn body() -> Value {
    json!({"type": "member.added", "data": {"diagnosis": SECRET}})
}

async fn publish(tenant: &Tenant) -> Value {
    tenant.post("/events", &body()).await.data(202)
}

async fn expunge(tenant: &Tenant, event: &Value) -> Value {
    tenant.delete(&format!("/events/{}/data", text(&event["id"]))).await.data(202)
}

/// Whether the table contains neither the data nor a response. Bodies are compressed, so events are read.
async fn assert_gone(world: &World, tenant: &Tenant, event: &Value) {
    let read = tenant.get(&format!("/events/{}", text(&event["id"]))).await.data(200);
    assert_eq!(read["data"], Value::Null);
    assert!(read["expunged_at"].is_string());
    for delivery in world.items("delivery").await {
        let kept = ["first", "signature"].map(|name| delivery.contains_key(name));
        assert_eq!(kept, [false, false], "{delivery:?}");
    }
    for attempt in world.items("attempt").await {
        assert!(!attempt.contains_key("response"), "{attempt:?}");
    }
}

#[tokio::test]
async fn the_data_and_the_responses_are_removed_and_what_is_unfinished_fails() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let answer = |status| Receiver::always(Answer::status(status).body(SECRET));
    let [ok, bad] = [answer(200).await, answer(500).await];
    tenant.endpoint(&ok).await;
    tenant.endpoint_with(json!({"url": bad.url(), "retry_schedule": []})).await;
    tenant.endpoint_with(json!({"url": bad.url(), "retry_schedule": [3600]})).await;
    let paused = tenant.endpoint(&ok).await;
    tenant.set_status(&paused, "paused").await;
    let event = publish(&tenant).await;
    world.drain().await;
    let job = expunge(&tenant, &event).await;
    assert_eq!((&job["kind"], &job["event_id"], &job["deliveries"]), (&json!("expunge"), &event["id"], &json!(4)));
    assert_gone(&world, &tenant, &event).await;
    let mut found = Vec::new();
    for id in delivery_ids(&event) {
        let delivery = tenant.delivery(&id).await;
        found.push((text(&delivery["status"]).to_owned(), delivery["error"].clone()));
        if delivery["status"] != "success" {
            let retry = tenant.post(&format!("/webhooks/deliveries/{id}/retry"), &json!({})).await;
            retry.is_error(409, "conflict");
        }
    }
    let expunged = json!("expunged");
    let expected =
        [("success", Value::Null), ("exhausted", expunged.clone()), ("failed", expunged.clone()), ("failed", expunged)];
    assert_eq!(found, expected.map(|(status, error)| (status.to_owned(), error)));

    let requests = ok.received().len() + bad.received().len();
    tenant.set_status(&paused, "active").await;
    for endpoint in tenant.get("/webhooks/endpoints").await.data(200).as_array().unwrap() {
        let path = format!("/webhooks/endpoints/{}/recover", text(&endpoint["id"]));
        tenant.post(&path, &json!({"since": "2020-01-01T00:00:00Z"})).await;
    }
    world.run_to_the_end().await;
    assert_eq!(ok.received().len() + bad.received().len(), requests, "nothing is sent afterwards");
    assert!(world.marks().await.is_empty());
    let list = tenant.get("/events").await.data(200);
    assert_eq!((&list[0]["data"], list[0]["expunged_at"].is_string()), (&Value::Null, true));
    for path in ["/v1/webhook-deliveries/", "/v1/organizations/ORG/webhooks/deliveries/"] {
        let path = format!("{}{}", path.replace("ORG", &tenant.id), delivery_ids(&event)[0]);
        let path =
            if path.contains("/v1/organizations") { path } else { format!("{path}?organization_id={}", tenant.id) };
        let shown = world.platform().get(&path).await;
        assert_eq!(shown.status, 200);
        assert!(!shown.body.to_string().contains(SECRET), "{}", shown.body);
    }
}

#[tokio::test]
async fn messages_that_carry_the_data_are_not_sent_after_the_answer() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for _ in 0..3 {
        tenant.endpoint(&receiver).await;
    }
    let event = publish(&tenant).await;
    assert!(world.messages().iter().all(|message| message.contains(SECRET)));
    expunge(&tenant, &event).await;
    assert_eq!(world.drain().await, 3);
    assert_eq!((receiver.received().len(), world.in_the_queue().await), (0, 0));
    world.redeliver();
    world.run_to_the_end().await;
    assert!(receiver.received().is_empty());
}

/// The bodies of these messages are read from the event.
#[tokio::test]
async fn a_message_without_the_data_fails_if_its_record_is_not_removed_yet() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let large = json!({"type": "member.added", "data": {"text": "x".repeat(60_000)}});
    let event = tenant.post("/events", &large).await.data(202);
    let refuse = |call: &crate::support::Call| if call.operation == "BatchGetItem" { Fate::Refuse } else { Fate::Pass };
    let hasty = world.process_on(&over_network_by_call(&world.sdk(), refuse));
    let path = format!("/events/{}/data", text(&event["id"]));
    tenant.at(&hasty).delete(&path).await.is_error(503, "unavailable");
    assert_eq!(world.drain().await, 1);
    let delivery = tenant.delivery(&delivery_ids(&event)[0]).await;
    assert_eq!((&delivery["status"], &delivery["error"]), (&json!("failed"), &json!("expunged")));
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn only_status_and_time_of_an_attempt_in_progress_are_recorded() {
    for (status, expected) in [(200, ["success", ""]), (500, ["failed", "expunged"])] {
        let (world, gate) = (World::new().await, Gate::closed());
        let receiver = Receiver::scripted([Answer::status(status).body(SECRET).behind(&gate)]).await;
        let tenant = world.tenant().await;
        tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [600]})).await;
        let event = publish(&tenant).await;
        let removing = async {
            receiver.wait_for(1).await;
            expunge(&tenant, &event).await;
            gate.open();
        };
        tokio::join!(world.process.poll(), removing);
        let delivery = tenant.delivery(&delivery_ids(&event)[0]).await;
        let shown = ["status", "error"].map(|name| delivery[name].as_str().unwrap_or_default().to_owned());
        assert_eq!((shown, &delivery["attempts"]), (expected.map(str::to_owned), &json!(1)));
        assert_gone(&world, &tenant, &event).await;
        world.run_to_the_end().await;
        assert_eq!(receiver.received().len(), 1);
    }
}

/// The first write of the publish request arrives twice, the second time after the data was removed.
#[tokio::test]
async fn the_job_removes_what_a_late_write_of_the_publish_request_brought_back() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    let event = publish(&tenant).await;
    let written: Vec<_> = [world.items("event").await, world.items("delivery").await].concat();
    expunge(&tenant, &event).await;
    for item in written {
        world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    }
    assert_eq!(tenant.get(&format!("/events/{}", text(&event["id"]))).await.data(200)["data"], body()["data"]);
    world.advance(SETTLED);
    world.sweep().await;
    assert_gone(&world, &tenant, &event).await;
    tenant.set_status(&endpoint, "active").await;
    world.run_to_the_end().await;
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_repeated_publish_request_brings_nothing_back() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let keyed = [("idempotency-key", "once")];
    let send = async || tenant.call(Method::POST, "/events", &keyed, Some(body().to_string())).await.data(202);
    let event = send().await;
    expunge(&tenant, &event).await;
    world.advance(Duration::from_secs(61));
    let again = send().await;
    assert_eq!((&again["id"], &again["data"]), (&event["id"], &Value::Null));
    assert_gone(&world, &tenant, &event).await;
    world.run_to_the_end().await;
    assert!(receiver.received().is_empty());
}

/// The publish request ended between its event and its deliveries, and the removal between the event and the records.
#[tokio::test]
async fn a_repeated_publish_request_sends_nothing_that_the_first_one_left_undone() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let fuse = |operation: &'static str, passing: usize| {
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let network = over_network_by_call(&world.sdk(), move |call| {
            let is_refused =
                call.operation == operation && calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= passing;
            if is_refused { Fate::Refuse } else { Fate::Pass }
        });
        world.process_on(&network)
    };
    let keyed = [("idempotency-key", "once")];
    let send = async |tenant: &Tenant| tenant.call(Method::POST, "/events", &keyed, Some(body().to_string())).await;
    send(&tenant.at(&fuse("BatchWriteItem", 1))).await.is_error(503, "unavailable");
    let event = tenant.get("/events").await.data(200)[0].clone();
    let path = format!("/events/{}/data", text(&event["id"]));
    tenant.at(&fuse("BatchGetItem", 0)).delete(&path).await.is_error(503, "unavailable");
    assert_eq!(send(&tenant).await.data(202)["data"], Value::Null);
    world.run_to_the_end().await;
    assert!(receiver.received().is_empty());
    assert!(world.records().await.values().all(|record| record.error.as_deref() == Some("expunged")));
}

#[tokio::test]
async fn the_rest_of_a_large_fan_out_is_removed_by_the_job() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let path = format!("/v1/organizations/{}/limits", tenant.id);
    let limits = json!({"max_endpoints": 1_000}).to_string();
    world.platform().call(Method::PUT, &path, &[], Some(limits)).await.data(200);
    let fields = json!({"name": "n", "url": receiver.url(), "event_types": ["*"], "status": "paused"});
    for _ in 0..520 {
        tenant.post("/webhooks/endpoints", &fields).await.data(201);
    }
    let event = publish(&tenant).await;
    assert_eq!(expunge(&tenant, &event).await["deliveries"], json!(500));
    world.sweep().await;
    assert_gone(&world, &tenant, &event).await;
    assert!(world.records().await.values().all(|record| record.error.as_deref() == Some("expunged")));
}

#[tokio::test]
async fn removing_the_data_survives_every_cut() {
    let world = World::new().await;
    for calls in 0..MOST_CALLS {
        let (world, receiver) = (world.new_world().await, Receiver::new().await);
        let tenant = world.tenant().await;
        for _ in 0..3 {
            tenant.endpoint(&receiver).await;
        }
        let event = publish(&tenant).await;
        let fuse = Fuse::after(calls);
        let process = fuse.process(&world);
        let is_through = fuse.run(expunge(&tenant.at(&process), &event)).await.is_some();
        world.advance(Duration::from_secs(1));
        expunge(&tenant, &event).await;
        world.run_to_the_end().await;
        assert_gone(&world, &tenant, &event).await;
        assert!(receiver.received().is_empty());
        if is_through {
            assert!(calls >= 5, "job, event, three records, job: {calls}");
            return;
        }
    }
    panic!("the request does not end");
}

/// The request dies before each of its calls, and nobody repeats it.
#[tokio::test]
async fn the_job_of_a_removal_that_was_cut_finishes_it() {
    let world = World::new().await;
    for calls in 0..MOST_CALLS {
        let world = world.new_world().await;
        let receiver = Receiver::always(Answer::status(500).body(SECRET)).await;
        let tenant = world.tenant().await;
        for _ in 0..3 {
            tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [3_600]})).await;
        }
        let event = publish(&tenant).await;
        world.drain().await;
        let fuse = Fuse::after(calls);
        let process = fuse.process(&world);
        let is_through = fuse.run(expunge(&tenant.at(&process), &event)).await.is_some();
        let is_begun = !world.items("job").await.is_empty();
        let is_removed = is_begun || tenant.get("/events").await.data(200)[0]["expunged_at"].is_string();
        assert!(is_removed || calls < 2, "the use of the key and then the job are written first: {calls}");
        world.advance(SETTLED);
        world.sweep().await;
        if is_removed {
            assert_gone(&world, &tenant, &event).await;
        } else {
            assert_eq!(tenant.get(&format!("/events/{}", text(&event["id"]))).await.data(200)["data"], body()["data"]);
        }
        let requests = receiver.received().len();
        world.run_to_the_end().await;
        assert_eq!(receiver.received().len() > requests, !is_removed, "cut after {calls} calls");
        if is_through {
            assert!(calls >= 5, "job, event, three records, job: {calls}");
            return;
        }
    }
    panic!("the request does not end");
}

/// The publish request waits at each of its calls while the data of its event is removed.
#[tokio::test]
async fn data_that_is_removed_while_its_publish_request_is_in_progress_is_not_sent_afterwards() {
    let world = World::new().await;
    let mut removed = 0;
    for number in 0..MOST_CALLS {
        let (world, receiver) = (world.new_world().await, Receiver::new().await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let paused = tenant.endpoint(&receiver).await;
        tenant.set_status(&paused, "paused").await;
        let (reached, gate) = (Gate::closed(), Gate::closed());
        let (process, made) = stopped_at(&world, number, &reached, &gate);
        let publishing = async {
            let keyed = [("idempotency-key", "once")];
            let sent = tenant.at(&process).call(Method::POST, "/events", &keyed, Some(body().to_string())).await;
            reached.open();
            sent.data(202)
        };
        let removing = async {
            reached.pass().await;
            let stored = tenant.get("/events").await.data(200);
            let is_stored = stored[0].is_object();
            if is_stored {
                expunge(&tenant, &stored[0]).await;
            }
            gate.open();
            is_stored
        };
        let (event, is_removed) = tokio::join!(publishing, removing);
        if is_removed {
            removed += 1;
            world.advance(SETTLED);
            world.sweep().await;
            assert_gone(&world, &tenant, &event).await;
            tenant.set_status(&paused, "active").await;
            world.run_to_the_end().await;
            assert!(receiver.received().is_empty(), "stopped at call {number}");
            assert!(world.records().await.values().all(|record| record.error.as_deref() == Some("expunged")));
        }
        if made.load(Ordering::SeqCst) <= number {
            assert!(removed >= 3, "before the deliveries, before the messages, and afterwards: {removed}");
            return;
        }
    }
    panic!("the request does not end");
}

#[tokio::test]
async fn the_data_of_another_organizations_event_is_not_removed() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let event = publish(&tenant).await;
    other.delete(&format!("/events/{}/data", text(&event["id"]))).await.is_error(404, "not_found");
    let read = tenant.get(&format!("/events/{}", text(&event["id"]))).await.data(200);
    assert_eq!((&read["data"], read.get("expunged_at")), (&body()["data"], None));
}
