//! The consumer processes each record of a batch independently of the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::clock::Clock;
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::{MAX_RECEIVES, VISIBILITY_SECONDS};
use shared::service::Message;

use crate::support::{Answer, Gate, Received, Receiver, Tenant, World, eventually, pending_ids, text};

const VISIBILITY: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);

async fn publish(tenant: &Tenant, count: usize) -> Vec<String> {
    let mut deliveries = Vec::new();
    for _ in 0..count {
        deliveries.push(tenant.publish_one().await);
    }
    deliveries
}

async fn statuses(tenant: &Tenant, deliveries: &[String]) -> Vec<String> {
    let mut statuses = Vec::new();
    for id in deliveries {
        statuses.push(tenant.delivery_status(id).await);
    }
    statuses
}

fn distinct(requests: &[Received], header: &str) -> usize {
    requests.iter().map(|request| request.header(header).to_owned()).collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn an_unreadable_message_becomes_a_dead_letter_and_does_not_affect_others() {
    for poison in [
        "not JSON",
        "{}",
        r#"{"deliver_v9":{}}"#,
        r#"{"deliver_v1":{"organization":"org_1"}}"#,
        r#"{"deliver_v1":{"organization":"o","endpoint":"we_x","delivery":"wdlv_x","type":"a.b"}}"#,
    ] {
        let (world, receiver) = (World::new().await, Receiver::new().await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let mut deliveries = publish(&tenant, 4).await;
        world.send(poison).await;
        deliveries.extend(publish(&tenant, 5).await);
        assert_eq!(world.process.poll().await, 10, "all ten are one batch");
        assert_eq!(statuses(&tenant, &deliveries).await, ["success"; 9], "{poison}");
        assert_eq!(receiver.received().len(), 9);

        world.advance(VISIBILITY);
        assert_eq!(world.drain().await, 1, "the other nine are acknowledged");
        world.advance(VISIBILITY);
        world.receive_in_vain(MAX_RECEIVES - 3).await;
        assert_eq!(world.drain().await, 1);
        assert_eq!(world.take_dead_letters().await, [""; 0]);
        world.advance(VISIBILITY);
        assert_eq!(world.drain().await, 0);
        assert_eq!(world.take_dead_letters().await, [poison]);
        assert_eq!(receiver.received().len(), 9);
    }
}

#[tokio::test]
async fn a_panic_in_one_record_does_not_affect_others() {
    let (world, gate) = (World::new().await, Gate::closed());
    let quick = (0..9).map(|_| Answer::status(200));
    let receiver = Receiver::scripted(quick.chain([Answer::status(200).behind(&gate)])).await;
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let deliveries = publish(&tenant, 10).await;

    // The clock panics at its next use. The record that has just got its response uses it next.
    let broken = Arc::new(AtomicBool::new(false));
    let (clock, breaks) = (world.clock.clone(), Arc::clone(&broken));
    let clock = Clock::from_fn(move || {
        assert!(!breaks.swap(false, Ordering::SeqCst), "the clock panics");
        clock.now()
    });
    let process = world.process_over(&world.sdk(), clock);
    let handling = tokio::spawn(async move { process.poll().await });
    receiver.wait_for(10).await;
    eventually("nine attempts are recorded", async || {
        statuses(&tenant, &deliveries).await.iter().filter(|status| *status == "success").count() == 9
    })
    .await;
    broken.store(true, Ordering::SeqCst);
    gate.open();
    assert_eq!(handling.await.unwrap(), 10, "the handler returned");
    assert!(!broken.load(Ordering::SeqCst), "the record panicked");

    assert_eq!(world.drain().await, 0);
    world.advance(VISIBILITY);
    assert_eq!(world.drain().await, 1, "only its message is left");
    assert_eq!(statuses(&tenant, &deliveries).await, ["success"; 10]);
    assert_eq!(distinct(&receiver.received(), "webhook-id"), 10);
    assert_eq!(receiver.received().len(), 11, "only the attempt without a record is repeated");
}

#[tokio::test]
async fn an_unreadable_record_does_not_affect_others() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let deliveries = publish(&tenant, 10).await;
    let mut broken = world.items("pending").await.remove(0);
    let id = pending_ids(&broken).next().unwrap();
    for (name, value) in [("sk", id.as_str()), ("entity", "delivery"), ("status", "of a newer version")] {
        broken.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
    }
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(broken)).send().await.unwrap();

    assert_eq!(world.process.poll().await, 10);
    assert_eq!(receiver.received().len(), 9);
    for other in deliveries.iter().filter(|delivery| **delivery != id) {
        assert_eq!(tenant.delivery_status(other).await, "success");
    }
    world.advance(VISIBILITY);
    assert_eq!(world.drain().await, 1, "its message stays in the queue");
}

#[tokio::test]
async fn copies_of_a_message_in_one_batch_cause_one_attempt() {
    for (status, next) in [(200, 0), (500, 1)] {
        let (world, receiver) = (World::new().await, Receiver::always(Answer::status(status)).await);
        let tenant = world.tenant().await;
        tenant.endpoint(&receiver).await;
        let id = tenant.publish_one().await;
        let message = world.take_messages().await.remove(0);
        world.purge().await;
        for _ in 0..3 {
            world.send(&message).await;
        }
        assert_eq!(world.drain().await, 3);
        receiver.only();
        assert_eq!(tenant.delivery(&id).await["attempts"], 1);
        world.advance(Duration::from_secs(1));
        assert_eq!(world.in_the_queue().await, 3 * next, "all three copies stay for a retry");
        assert_eq!(world.drain().await, next, "the retry uses one of them");
        assert_eq!(receiver.received().len(), 1 + next);
    }
}

#[tokio::test]
async fn a_retry_does_not_wait_for_a_slow_record_of_the_same_batch() {
    let (world, gate) = (World::new().await, Gate::closed());
    let slow = Receiver::always(Answer::status(200).behind(&gate)).await;
    let failing = Receiver::scripted([Answer::status(500)]).await;
    let tenant = world.tenant().await;
    tenant.endpoint(&slow).await;
    tenant.endpoint(&failing).await;
    let deliveries = tenant.publish().await;
    let another = world.another_process();
    let handling = tokio::spawn(async move { another.poll().await });
    slow.wait_for(1).await;
    eventually("the failed attempt is recorded", async || tenant.delivery_status(&deliveries[1]).await == "retrying")
        .await;
    eventually("the delivery is retried", async || {
        world.advance(Duration::from_secs(1));
        world.drain().await;
        tenant.delivery_status(&deliveries[1]).await == "success"
    })
    .await;
    assert_eq!(tenant.delivery_status(&deliveries[0]).await, "pending");
    gate.open();
    assert_eq!(handling.await.unwrap(), 2);
    assert_eq!(statuses(&tenant, &deliveries).await, ["success"; 2]);
}

#[tokio::test]
async fn no_attempt_starts_when_less_time_is_left_than_its_timeout() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    for timeout in [1, 20] {
        tenant.endpoint_with(json!({"url": receiver.url(), "timeout_seconds": timeout})).await;
    }
    let deliveries = tenant.publish().await;
    let receive = world.sqs().receive_message().queue_url(world.queue_url()).max_number_of_messages(10);
    let messages = receive.send().await.unwrap().messages.unwrap();
    let messages: Vec<_> = messages
        .into_iter()
        .map(|message| Message {
            id: message.message_id.unwrap(),
            receipt_handle: message.receipt_handle.unwrap(),
            sent_at: None,
            receives: 1,
            body: message.body.unwrap(),
        })
        .collect();
    let late = messages.iter().find(|message| message.body.contains(&deliveries[1])).unwrap().id.clone();
    let deadline = world.clock.now().plus(Duration::from_secs(10));
    assert_eq!(world.process.deliverer.handle(Lane::Fast, messages, deadline).await, [late]);
    assert_eq!(statuses(&tenant, &deliveries).await, ["success", "pending"]);

    assert_eq!(world.drain().await, 1, "the message is visible immediately");
    assert_eq!(statuses(&tenant, &deliveries).await, ["success"; 2]);
    let names: Vec<_> =
        receiver.received().iter().map(|request| request.header("x-webhook-attempt").to_owned()).collect();
    assert_eq!(names, ["1", "1"]);
    assert_eq!(text(&tenant.delivery(&deliveries[1]).await["status"]), "success");
}
