//! Removing the data of an event removes the responses to all attempts, and keeps their times and results.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::job::SETTLED;
use shared::queue::schema::VISIBILITY_SECONDS;

use super::{fields, of_delivery, resend, retry};
use crate::support::{Answer, Endpoint, Fate, Gate, Receiver, Tenant, World, eventually, over_network_by_call, text};

const SECRET: &str = "Zoë's heart";

async fn expunge(tenant: &Tenant, delivery: &str) {
    tenant.delete(&format!("/events/wevt_{}0000/data", &delivery[5..33])).await.data(202);
}

async fn responses(world: &World) -> usize {
    let items = world.items("attempt").await;
    let first = world.items("delivery").await.iter().filter(|item| item.contains_key("first")).count();
    first + items.iter().filter(|item| item.contains_key("response")).count()
}

#[tokio::test]
async fn the_responses_to_all_attempts_are_removed_and_the_attempts_stay_listed() {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500).body(SECRET)).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    retry(&world, &tenant, &id).await;
    resend(&world, &tenant, &id).await;
    assert_eq!(responses(&world).await, 3);
    expunge(&tenant, &id).await;
    assert_eq!(responses(&world).await, 0);
    for attempts in [of_delivery(&tenant, &id).await, super::of_endpoint(&tenant, &endpoint).await] {
        let names = ["number", "response_status", "response_headers", "response_body"];
        let without = |number: Value| [number, json!(500), Value::Null, Value::Null];
        assert_eq!(fields(&attempts, names), [without(Value::Null), without(json!(2)), without(json!(1))]);
    }
    tenant.post(&format!("/webhooks/deliveries/{id}/resend"), &json!({})).await.is_error(409, "conflict");
}

/// The item of a second attempt is written after the request that removes the data, and of a resend that was in progress.
#[tokio::test]
async fn the_job_removes_responses_that_were_written_late() {
    for how in ["retry", "resend"] {
        let world = World::new().await;
        let receiver = Receiver::always(Answer::status(500).body(SECRET)).await;
        let tenant = world.tenant().await;
        tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
        let id = tenant.publish_one().await;
        world.drain().await;
        tenant.post(&format!("/webhooks/deliveries/{id}/{how}"), &json!({})).await.data(202);
        let (gate, arrived) = (Gate::closed(), Arc::new(AtomicBool::new(false)));
        let (held, arrives) = (gate.clone(), Arc::clone(&arrived));
        let network = over_network_by_call(&world.sdk(), move |call| {
            if call.kind() != "BatchExecuteStatement attempt" {
                return Fate::Pass;
            }
            arrives.store(true, Ordering::SeqCst);
            Fate::Behind(held.clone())
        });
        let process = world.process_on(&network);
        let removing = async {
            eventually("the item is about to be written", async || arrived.load(Ordering::SeqCst)).await;
            expunge(&tenant, &id).await;
            assert_eq!(responses(&world).await, 0);
            gate.open();
        };
        tokio::join!(process.drain(), removing);
        assert_eq!(responses(&world).await, 1, "{how}");
        world.advance(SETTLED);
        world.sweep().await;
        assert_eq!(responses(&world).await, 0, "{how}");
    }
}

/// Each row is the status of the first attempt and of the resend.
#[tokio::test]
async fn a_resend_in_progress_when_the_data_is_removed_keeps_no_response() {
    for (first, resent) in [(500, 200), (500, 503), (200, 200), (200, 503)] {
        let (world, gate) = (World::new().await, Gate::closed());
        let answers = [Answer::status(first).body(SECRET), Answer::status(resent).body(SECRET).behind(&gate)];
        let receiver = Receiver::scripted(answers).await;
        let tenant = world.tenant().await;
        tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
        let id = tenant.publish_one().await;
        world.drain().await;
        tenant.post(&format!("/webhooks/deliveries/{id}/resend"), &json!({})).await.data(202);
        let removing = async {
            receiver.wait_for(2).await;
            expunge(&tenant, &id).await;
            gate.open();
        };
        tokio::join!(world.process.poll_resends(), removing);
        assert_eq!((responses(&world).await, world.items("attempt").await.len()), (0, 1), "{first}, {resent}");
        world.advance(SETTLED + Duration::from_secs(1));
        world.sweep().await;
        assert_eq!(responses(&world).await, 0, "{first}, {resent}");
        let delivery = tenant.delivery(&id).await;
        let expected =
            if first == 200 || resent == 200 { ("success", json!(null)) } else { ("exhausted", json!("expunged")) };
        assert_eq!((text(&delivery["status"]), delivery["error"].clone()), expected, "{first}, {resent}");
        assert_eq!(delivery["signature"], json!(null), "{first}, {resent}");
        assert!(world.marks().await.is_empty(), "{first}, {resent}");
    }
}

/// A delivery of an endpoint that always fails, after its first attempt and this many more.
async fn attempted(how: &str, more: usize) -> (World, Tenant, Endpoint, Receiver, String) {
    let world = World::new().await;
    let receiver = Receiver::always(Answer::status(500).body(SECRET)).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    for _ in 0..more {
        // Retries must not suspend the endpoint, and resends have a limit.
        world.advance(if how == "resend" { Duration::from_secs(1) } else { Duration::from_millis(1) });
        tenant.post(&format!("/webhooks/deliveries/{id}/{how}"), &json!({})).await.data(202);
        world.drain().await;
    }
    (world, tenant, endpoint, receiver, id)
}

#[tokio::test]
async fn an_attempt_that_the_log_drops_keeps_no_response_and_can_still_be_read() {
    for how in ["retry", "resend"] {
        let (world, tenant, endpoint, _receiver, id) = attempted(how, 103).await;
        // The items of 100 attempts, and the response to the first attempt in the record.
        assert_eq!(responses(&world).await, 101, "{how}");
        let path = format!("{}/attempts?limit=100", endpoint.path());
        let reply = tenant.get(&path).await;
        let next = text(&reply.body["pagination"]["next_cursor"]).to_owned();
        let older = super::list(&tenant, &format!("{path}&cursor={next}")).await;
        // The endpoint's list has a first attempt without an item as long as the log has it.
        assert_eq!(older.len(), if how == "retry" { 3 } else { 4 }, "{how}");
        for attempt in &older[..3] {
            assert_eq!(
                fields(std::slice::from_ref(attempt), ["response_status", "response_body"]),
                [[json!(500), Value::Null]]
            );
            let path = format!("/webhooks/deliveries/{id}/attempts/{}", text(&attempt["id"]));
            assert_eq!(tenant.get(&path).await.data(200), *attempt, "{how}");
        }
        expunge(&tenant, &id).await;
        assert_eq!(responses(&world).await, 0, "{how}");
    }
}

/// DynamoDB refuses the record of an attempt, which is then written with a log of only that attempt.
#[tokio::test]
async fn the_attempts_that_a_reduced_record_drops_keep_no_response() {
    let (world, tenant, _, _receiver, id) = attempted("retry", 5).await;
    tenant.post(&format!("/webhooks/deliveries/{id}/retry"), &json!({})).await.data(202);
    world.advance(Duration::from_millis(1));
    let is_refused = AtomicBool::new(false);
    let network = over_network_by_call(&world.sdk(), move |call| {
        let is_record = call.kind().starts_with("PutItem delivery, attempt");
        if is_record && !is_refused.swap(true, Ordering::SeqCst) {
            return Fate::Error(400, "ValidationException");
        }
        Fate::Pass
    });
    assert_eq!(world.process_on(&network).drain().await, 1);
    assert_eq!(tenant.delivery(&id).await["attempt_log"].as_array().unwrap().len(), 1);
    assert_eq!(responses(&world).await, 1);
    expunge(&tenant, &id).await;
    assert_eq!(responses(&world).await, 0);
}

/// Otherwise nothing would find the response of the older attempt.
#[tokio::test]
async fn an_attempt_is_not_recorded_before_the_response_that_its_record_drops_is_removed() {
    let (world, tenant, _, _receiver, id) = attempted("retry", 100).await;
    tenant.post(&format!("/webhooks/deliveries/{id}/retry"), &json!({})).await.data(202);
    world.advance(Duration::from_millis(1));
    let network = over_network_by_call(&world.sdk(), |call| {
        if call.kind() == "UpdateItem attempt REMOVE #response" { Fate::Refuse } else { Fate::Pass }
    });
    assert_eq!(world.process_on(&network).drain().await, 1);
    assert_eq!(tenant.delivery(&id).await["attempts"], 101);
    world.advance(Duration::from_secs(VISIBILITY_SECONDS.into()));
    world.drain().await;
    assert_eq!(tenant.delivery(&id).await["attempts"], 102);
    expunge(&tenant, &id).await;
    assert_eq!(responses(&world).await, 0);
}
