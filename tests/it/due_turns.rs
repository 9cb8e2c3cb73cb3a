//! Deliveries that wait in the table share the partitions of the index with those of other tenants. A tenant with more of
//! them than the sweep sends does not delay the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::clock::Clock;
use shared::domain::time::Timestamp;

use crate::support::{Answer, Fate, Process, Receiver, Tenant, World, over_network_by_call};

/// More than the sweep reads at once of the overdue deliveries of a partition.
const BACKLOG: usize = 150;
/// How many of them are late. The others are due soon.
const LATE: usize = 120;

type Item = HashMap<String, AttributeValue>;

/// Publishes an event whose first attempt fails, so that its delivery is parked for an hour. Returns its record.
async fn parked(world: &World, tenant: &Tenant, receiver: &Receiver) -> Item {
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [3_600]})).await;
    let delivery = tenant.publish_one().await;
    world.drain().await;
    let items = world.items("delivery").await;
    items.into_iter().find(|item| attribute(item, "sk") == delivery).unwrap()
}

fn attribute<'a>(item: &'a Item, name: &str) -> &'a str {
    item[name].as_s().unwrap()
}

fn due_at(item: &Item) -> Timestamp {
    Timestamp::parse(attribute(item, "next_attempt_at")).unwrap()
}

/// Copies the record of a parked delivery into the partition of another one. The copies are due before it.
async fn multiply(world: &World, record: &Item, beside: &Item) {
    let byte = &attribute(beside, "sk")[5 + 26..][..2];
    let shard = u8::from_str_radix(byte, 16).unwrap() % 16;
    for number in 0..BACKLOG {
        let before = Duration::from_secs(if number < LATE { 300 } else { 90 });
        let at = due_at(beside).minus(before).rfc3339();
        let (id, organization) = (attribute(record, "sk"), attribute(record, "organization"));
        let (start, middle, end) = (&id[..5 + 20], &id[5 + 24..5 + 26], &id[5 + 28..]);
        let id = format!("{start}{number:04x}{middle}{byte}{end}");
        let endpoint = attribute(record, "pk").split('#').nth(1).unwrap();
        let changed = [
            ("pk", format!("delivery#{endpoint}#{shard}")),
            ("waiting_pk", attribute(beside, "waiting_pk").to_owned()),
            ("waiting_sk", format!("{at}#{id}#{organization}")),
            ("next_attempt_at", at),
            ("sk", id),
        ];
        let mut copy = record.clone();
        copy.extend(changed.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))));
        world.dynamodb().put_item().table_name(world.table()).set_item(Some(copy)).send().await.unwrap();
    }
}

/// A process whose clock jumps past the end of its run when it has sent a batch of messages.
fn short_run(world: &World) -> Process {
    let has_sent = Arc::new(AtomicBool::new(false));
    let sent = Arc::clone(&has_sent);
    let network = over_network_by_call(&world.sdk(), move |call| {
        has_sent.fetch_or(call.operation == "SendMessageBatch", Ordering::SeqCst);
        Fate::Pass
    });
    let clock = world.clock.clock();
    let jump = move || if sent.load(Ordering::SeqCst) { Duration::from_secs(60) } else { Duration::ZERO };
    world.process_over(&network, Clock::from_fn(move || clock.now().plus(jump())))
}

/// The other tenant's delivery is behind all of the backlog. Each run ends after the first pages.
#[tokio::test]
async fn a_tenant_with_more_due_deliveries_than_a_run_sends_does_not_delay_those_of_others() {
    let world = World::new().await;
    let (flooding, other) = (world.tenant().await, world.tenant().await);
    let [of_flooding, receiver] =
        [Receiver::scripted([Answer::status(500)]).await, Receiver::scripted([Answer::status(500)]).await];
    let (backlog, waiting) = (parked(&world, &flooding, &of_flooding).await, parked(&world, &other, &receiver).await);
    multiply(&world, &backlog, &waiting).await;
    // The other tenant's delivery is due in two minutes.
    world.advance(due_at(&waiting).minus(Duration::from_secs(120)).since(world.clock.now()));
    let process = short_run(&world);
    process.sweep_until(world.clock.now().plus(Duration::from_secs(50))).await.unwrap();
    let of = |tenant: &Tenant| world.messages().iter().filter(|message| message.contains(&tenant.id)).count();
    assert_eq!(of(&other), 1);
    assert!(of(&flooding) < BACKLOG, "the run ended before the backlog");
    world.sweep().await;
    assert!(of(&flooding) >= BACKLOG, "the next run sends the rest");
    world.advance(Duration::from_secs(122));
    world.drain().await;
    assert_eq!(receiver.received().len(), 2, "the delivery is attempted at its time");
}
