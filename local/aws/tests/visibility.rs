use std::time::{Duration, Instant};

use aws_sdk_sqs::types::{MessageSystemAttributeName as System, QueueAttributeName};

use super::*;

#[tokio::test]
async fn a_received_message_is_hidden_for_the_queues_timeout_and_then_visible() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[(QueueAttributeName::VisibilityTimeout, "5")]).await;
    queue.send("a").await;
    let first = queue.receive_one().await;
    clock.advance(4);
    assert!(queue.receive(0).await.is_empty());
    clock.advance(1);
    let second = queue.receive_one().await;
    assert_eq!(first.message_id(), second.message_id());
    assert_ne!(handle(&first), handle(&second));
    assert_eq!(system(&first, System::ApproximateReceiveCount), Some("1"));
    assert_eq!(system(&second, System::ApproximateReceiveCount), Some("2"));
    assert_eq!(
        system(&first, System::ApproximateFirstReceiveTimestamp),
        system(&second, System::ApproximateFirstReceiveTimestamp)
    );
}

#[tokio::test]
async fn a_long_poll_receives_a_hidden_message_when_its_time_ends() {
    let aws = EmbeddedAws::open(&Storage::Memory, AUTHORITY, system_clock()).unwrap();
    let queue = TestQueue::new(&aws, &[]).await;
    queue.send("a").await;
    let message = queue.receive_one().await;
    let hidden_at = Instant::now();
    queue.hide(handle(&message), 1).await.unwrap();
    assert_eq!(queue.receive(20).await.len(), 1);
    let waited = hidden_at.elapsed();
    assert!(waited >= Duration::from_millis(995), "{waited:?}");
    assert!(waited < Duration::from_millis(1_300), "{waited:?}");
}

#[tokio::test]
async fn a_long_poll_notices_a_jump_of_the_clock() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[]).await;
    queue.send("a").await;
    let message = queue.receive_one().await;
    queue.hide(handle(&message), 3_600).await.unwrap();
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.receive(20).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    let moved_at = Instant::now();
    clock.advance(3_600);
    assert_eq!(waiting.await.unwrap().len(), 1);
    assert!(moved_at.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn visibility_zero_makes_a_message_visible_immediately() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    queue.send("a").await;
    let message = queue.receive_one().await;
    queue.hide(handle(&message), 0).await.unwrap();
    assert_eq!(queue.receive(0).await.len(), 1);
}

#[tokio::test]
async fn a_receive_can_set_its_own_visibility_timeout() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[]).await;
    queue.send("a").await;
    let request = queue.client.receive_message().queue_url(&queue.url).visibility_timeout(2);
    assert_eq!(request.send().await.unwrap().messages().len(), 1);
    clock.advance(2);
    assert_eq!(queue.receive(0).await.len(), 1);
}

#[tokio::test]
async fn a_change_of_visibility_starts_now_and_ends_within_twelve_hours_of_the_receive() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[(QueueAttributeName::VisibilityTimeout, "43200")]).await;
    queue.send("a").await;
    let message = queue.receive_one().await;
    clock.advance(1_000);
    assert_eq!(queue.hide(handle(&message), 43_200).await.unwrap_err(), "InvalidParameterValue");
    assert_eq!(queue.hide(handle(&message), 43_201).await.unwrap_err(), "InvalidParameterValue");
    assert_eq!(queue.hide(handle(&message), -1).await.unwrap_err(), "InvalidParameterValue");
    queue.hide(handle(&message), 42_200).await.unwrap();
    clock.advance(42_199);
    assert!(queue.receive(0).await.is_empty());
    clock.advance(1);
    assert_eq!(queue.receive(0).await.len(), 1);
}

#[tokio::test]
async fn the_visibility_of_a_message_that_is_not_in_flight_cannot_be_changed() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[]).await;
    queue.send("a").await;
    let message = queue.receive_one().await;
    clock.advance(30);
    let not_in_flight = "AWS.SimpleQueueService.MessageNotInflight";
    assert_eq!(queue.hide(handle(&message), 10).await.unwrap_err(), not_in_flight);
    let again = queue.receive_one().await;
    assert_eq!(
        queue.hide(handle(&message), 0).await.unwrap_err(),
        not_in_flight,
        "the handle is from an earlier receive"
    );
    queue.delete(&again).await;
    assert_eq!(queue.hide(handle(&again), 10).await.unwrap_err(), not_in_flight);
    assert_eq!(queue.hide("nonsense", 10).await.unwrap_err(), "ReceiptHandleIsInvalid");
}

#[tokio::test]
async fn only_the_latest_receive_can_delete_a_message_even_after_its_timeout() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[]).await;
    queue.send("a").await;
    let first = queue.receive_one().await;
    clock.advance(30);
    let second = queue.receive_one().await;
    queue.delete(&first).await;
    assert_eq!(queue.counts().await, [0, 0, 1], "the handle of an earlier receive deletes nothing and is no error");
    clock.advance(30);
    assert_eq!(queue.counts().await, [1, 0, 0]);
    queue.delete(&second).await;
    assert_eq!(queue.counts().await, [0, 0, 0]);
    assert!(queue.receive(0).await.is_empty());
    queue.delete(&second).await;
}

#[tokio::test]
async fn the_delay_of_a_message_or_its_queue_hides_it() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[(QueueAttributeName::DelaySeconds, "10")]).await;
    queue.send("by the queue").await;
    let request = queue.client.send_message().queue_url(&queue.url).message_body("by itself");
    request.delay_seconds(900).send().await.unwrap();
    let request = queue.client.send_message().queue_url(&queue.url).message_body("not");
    request.delay_seconds(0).send().await.unwrap();
    assert_eq!(queue.counts().await, [1, 2, 0]);
    assert_eq!(bodies(&queue.receive(0).await), ["not"]);
    clock.advance(10);
    assert_eq!(bodies(&queue.receive(0).await), ["by the queue"]);
    clock.advance(890);
    let late = bodies(&queue.receive(0).await).join(", ");
    assert!(late.contains("by itself"), "{late}");
}

#[tokio::test]
async fn messages_are_deleted_after_the_retention_period() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[(QueueAttributeName::MessageRetentionPeriod, "3600")]).await;
    queue.send("old").await;
    clock.advance(1_800);
    queue.send("young").await;
    clock.advance(1_800);
    assert_eq!(queue.counts().await, [1, 0, 0]);
    assert_eq!(bodies(&queue.receive(0).await), ["young"]);
}
