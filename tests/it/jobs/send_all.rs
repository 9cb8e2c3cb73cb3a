//! Jobs that send everything again that should be in the queue.

use serde_json::json;

use super::{PAGE, held, jobs, publish, seconds, summary};
use crate::support::{Answer, EVENT_TYPE, Receiver, Tenant, World, delivery_ids, text};

#[tokio::test]
async fn after_the_loss_of_a_queue_its_deliveries_are_sent_again_but_not_parked_or_final_ones() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [600]})).await;
    let retrying = tenant.publish_one().await;
    world.drain().await;
    let delivered = tenant.publish_one().await;
    world.drain().await;
    let pending = tenant.publish_one().await;
    let paused = held(&world.tenant().await, &receiver, 1).await;
    world.purge().await;
    assert_eq!(world.in_the_queue().await, 0, "the queue is lost");
    world.advance(seconds(1));

    let requested = pigeonpost::send_all(&world.sdk(), world.table(), &world.clock.clock()).await.unwrap();
    assert_eq!(requested, 2, "a job for each endpoint");
    world.sweep().await;
    let messages = world.messages();
    assert_eq!(messages.len(), 2);
    assert!([&retrying, &pending].iter().all(|id| messages.iter().any(|message| message.contains(*id))));
    assert!(messages.iter().all(|message| message.contains("ticket")), "each message has a ticket");
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["send_all", "open", 2]));
    world.drain().await;
    assert_eq!(tenant.delivery_status(&pending).await, "success");
    assert_eq!(tenant.delivery_status(&retrying).await, "retrying", "its schedule stays");
    // The second pass finds no delivery that this job has not sent.
    world.advance(seconds(121));
    world.sweep().await;
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["send_all", "done", 2]));
    world.advance(seconds(600));
    world.drain().await;
    assert_eq!(tenant.delivery_status(&retrying).await, "success");
    assert_eq!(tenant.delivery_status(&delivered).await, "success");
    assert_eq!(receiver.received().len(), 4, "no attempt is repeated");
    assert!(world.marks().await.iter().any(|(partition, _)| partition.starts_with(&format!("held#{}", paused.id))));
}

/// An event that says which organization published it, and its delivery.
async fn publish_own(tenant: &Tenant) -> String {
    let event = json!({"type": EVENT_TYPE, "data": {"organization": tenant.id}});
    delivery_ids(&tenant.post("/events", &event).await.data(202)).remove(0)
}

/// The queue has messages that are newer than the table: with tickets that the records do not have, for deliveries that
/// succeeded in the meantime, and for deliveries that have no record any more.
#[tokio::test]
async fn after_a_restore_of_the_table_every_delivery_of_two_tenants_ends() {
    let world = World::new().await;
    let tenants = [world.tenant().await, world.tenant().await];
    let receivers = [Receiver::new().await, Receiver::new().await];
    let each = async |fails: usize| {
        let mut deliveries = Vec::new();
        for (tenant, receiver) in tenants.iter().zip(&receivers) {
            receiver.then(vec![Answer::status(500); fails]);
            deliveries.push(publish_own(tenant).await);
        }
        world.drain().await;
        deliveries
    };
    for (tenant, receiver) in tenants.iter().zip(&receivers) {
        tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [5, 600, 3_600]})).await;
    }
    let mut accepted = each(2).await;
    world.advance(seconds(6));
    world.drain().await;
    // The first deliveries wait for delayed copies. The next ones are hidden until their retry, and the last are pending.
    accepted.extend(each(1).await);
    for tenant in &tenants {
        accepted.push(publish_own(tenant).await);
    }
    let backup = world.all_items().await;

    receivers.iter().for_each(|receiver| receiver.then([Answer::status(500)]));
    world.drain().await;
    world.advance(seconds(6));
    world.drain().await;
    world.advance(seconds(700));
    world.drain().await;
    for tenant in &tenants {
        accepted.push(publish_own(tenant).await);
    }
    world.restore(backup).await;
    pigeonpost::send_all(&world.sdk(), world.table(), &world.clock.clock()).await.unwrap();

    let end = world.run_to_the_end().await;
    end.keeps_the_promise(&accepted, &receivers.each_ref());
    for id in &accepted {
        assert_eq!(end.record(id).status, "success", "{id}");
    }
    for (tenant, receiver) in tenants.iter().zip(&receivers) {
        assert!(receiver.received().iter().all(|request| request.json()["data"]["organization"] == tenant.id));
        let jobs = jobs(tenant).await;
        assert!(jobs.iter().any(|job| job["kind"] == "send_all" && job["status"] == "done"), "{jobs:?}");
    }
}

#[tokio::test]
async fn sending_everything_again_without_a_loss_repeats_no_attempt() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    publish(&tenant, PAGE + 50).await;
    world.advance(seconds(1));
    pigeonpost::send_all(&world.sdk(), world.table(), &world.clock.clock()).await.unwrap();
    world.sweep().await;
    assert_eq!(world.in_the_queue().await, 2 * (PAGE + 50));
    world.drain().await;
    world.advance(seconds(121));
    world.drain().await;
    assert_eq!(receiver.received().len(), PAGE + 50);
    assert_eq!(world.in_the_queue().await, 0);
}

#[tokio::test]
async fn a_send_all_can_be_cancelled() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    tenant.publish().await;
    world.purge().await;
    world.advance(seconds(1));
    pigeonpost::send_all(&world.sdk(), world.table(), &world.clock.clock()).await.unwrap();
    let id = text(&jobs(&tenant).await[0]["id"]).to_owned();
    tenant.post(&format!("/jobs/{id}/cancel"), &json!({})).await.data(200);
    world.sweep().await;
    assert_eq!(world.in_the_queue().await, 0);
}
