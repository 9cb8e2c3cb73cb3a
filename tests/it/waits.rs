//! Deliveries that wait for a retry do not count against the queue's limit of messages in flight, for any schedule and
//! any responses.

use serde_json::json;

use crate::support::{Answer, EVENT_TYPE, Receiver, World};

const EVENTS: usize = 3_000;
const BATCH: usize = 100;
/// If more messages were in flight, waiting deliveries would be among them.
const MOST_IN_FLIGHT: usize = 300;

async fn in_flight_after(receiver: Receiver, schedule: &[u32]) -> usize {
    let world = World::new().await;
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": schedule})).await;
    let batch = json!({"events": vec![json!({"type": EVENT_TYPE, "data": {}}); BATCH]});
    for _ in 0..EVENTS / BATCH {
        tenant.post("/events/batch", &batch).await.data(202);
    }
    world.drain().await;
    assert_eq!(receiver.received().len(), EVENTS);
    world.in_flight().await
}

#[tokio::test]
async fn an_endpoint_that_fails_four_of_five_with_long_delays_has_few_messages_in_flight() {
    let answers = (0..EVENTS).map(|number| Answer::status(if number % 5 == 0 { 200 } else { 500 }));
    let in_flight = in_flight_after(Receiver::scripted(answers).await, &[800; 16]).await;
    assert!(in_flight < MOST_IN_FLIGHT, "{in_flight}");
}

#[tokio::test]
async fn an_endpoint_with_a_retry_after_of_fifteen_minutes_has_few_messages_in_flight() {
    let answer = Answer::status(429).header("retry-after", "900");
    let in_flight = in_flight_after(Receiver::always(answer).await, &[1; 16]).await;
    assert!(in_flight < MOST_IN_FLIGHT, "{in_flight}");
}
