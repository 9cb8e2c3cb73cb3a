//! Removing the data of an event removes the responses to all attempts, and keeps their times and results.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::job::SETTLED;

use super::{fields, of_delivery, resend, retry};
use crate::support::{Answer, Fate, Gate, Receiver, Tenant, World, over_network_by_call, text};

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
        let gate = Gate::closed();
        let held = gate.clone();
        let network = over_network_by_call(&world.sdk(), move |call| {
            if call.kind() == "BatchExecuteStatement attempt" { Fate::Behind(held.clone()) } else { Fate::Pass }
        });
        let process = world.process_over(&network, world.clock.clock());
        let removing = async {
            receiver.wait_for(2).await;
            crate::support::eventually("the attempt is recorded", async || {
                tenant.delivery(&id).await["attempts"] == 2 || !world.items("resends").await.is_empty()
            })
            .await;
            expunge(&tenant, &id).await;
            assert_eq!(responses(&world).await, 0);
            gate.open();
        };
        tokio::join!(process.poll(), removing);
        assert_eq!(responses(&world).await, 1, "{how}");
        world.advance(SETTLED);
        world.sweep().await;
        assert_eq!(responses(&world).await, 0, "{how}");
    }
}

#[tokio::test]
async fn a_resend_in_progress_when_the_data_is_removed_keeps_no_response() {
    let (world, gate) = (World::new().await, Gate::closed());
    let answers = [Answer::status(500).body(SECRET), Answer::status(200).body(SECRET).behind(&gate)];
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
    tokio::join!(world.process.poll(), removing);
    world.advance(SETTLED + Duration::from_secs(1));
    world.sweep().await;
    assert_eq!(responses(&world).await, 0);
    let delivery = tenant.delivery(&id).await;
    assert_eq!(
        (text(&delivery["status"]), &delivery["error"], &delivery["signature"]),
        ("success", &json!(null), &json!(null))
    );
    assert!(world.marks().await.is_empty());
}
