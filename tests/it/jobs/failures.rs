//! Jobs with deliveries that cannot be read, leased or sent.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use super::{PAGE, held, jobs, publish, resume, seconds, summary};
use crate::support::{Fate, Receiver, World, over_network, over_network_by_call};

/// Makes a delivery's record unreadable, and returns the former record.
async fn make_unreadable(world: &World, id: &str) -> std::collections::HashMap<String, AttributeValue> {
    let item = world.items("delivery").await.into_iter().find(|item| item["sk"] == AttributeValue::S(id.to_owned()));
    let item = item.unwrap();
    let mut unreadable = item.clone();
    unreadable.insert("status".to_owned(), AttributeValue::S("unreadable".to_owned()));
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(unreadable)).send().await.unwrap();
    item
}

#[tokio::test]
async fn an_unreadable_delivery_does_not_stop_the_later_ones_and_keeps_its_release_open() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 0).await;
    let oldest = tenant.publish_one().await;
    publish(&tenant, 2 * PAGE).await;
    let item = make_unreadable(&world, &oldest).await;
    resume(&world, &tenant, &endpoint).await;
    world.advance(seconds(121));
    world.whole_sweep(&world.process).await.unwrap();
    assert_eq!(world.in_the_queue().await, 2 * PAGE);
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["release", "open", 2 * PAGE]));

    world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    world.advance(seconds(60));
    world.sweep().await;
    assert_eq!(world.in_the_queue().await, 2 * PAGE + 1);
    assert_eq!(summary(&jobs(&tenant).await[0]), json!(["release", "done", 2 * PAGE + 1]));
}

#[tokio::test]
async fn a_delivery_that_cannot_be_leased_does_not_stop_the_later_ones() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 0).await;
    let oldest = tenant.publish_one().await;
    publish(&tenant, 2 * PAGE).await;
    resume(&world, &tenant, &endpoint).await;
    let id = oldest.clone();
    let network = over_network_by_call(&world.sdk(), move |call| {
        let is_lease = call.operation == "PutItem" && call.body["Item"]["sk"]["S"] == json!(id);
        if is_lease { Fate::Error(400, "AccessDeniedException") } else { Fate::Pass }
    });
    world.whole_sweep(&world.process_on(&network)).await.unwrap_err();
    assert_eq!(world.in_the_queue().await, 2 * PAGE);
    world.advance(seconds(60));
    world.sweep().await;
    assert_eq!(world.in_the_queue().await, 2 * PAGE + 1);
}

#[tokio::test]
async fn a_release_stops_leasing_when_messages_cannot_be_sent() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 50).await;
    resume(&world, &tenant, &endpoint).await;
    let refuse = |operation: &str| if operation == "SendMessageBatch" { Fate::Refuse } else { Fate::Pass };
    let sweeper = world.process_on(&over_network(&world.sdk(), refuse));
    sweeper.try_sweep().await.unwrap_err();
    let still_held = world.marks().await.iter().filter(|(partition, _)| partition.starts_with("held#")).count();
    assert_eq!(still_held, 40, "one chunk of ten is leased");
}

#[tokio::test]
async fn a_lease_that_is_renewed_lasts_longer_each_time() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = held(&tenant, &receiver, 1).await;
    tenant.set_status(&endpoint, "active").await;
    for minutes in [15, 30, 60, 60] {
        assert_eq!(world.take_messages().await.len(), 1);
        world.purge().await;
        world.advance(seconds(60 * minutes - 1));
        world.sweep().await;
        assert_eq!(world.in_the_queue().await, 0, "{minutes} minutes have not passed");
        world.advance(seconds(1));
        world.sweep().await;
    }
    world.drain().await;
    receiver.only();
}
