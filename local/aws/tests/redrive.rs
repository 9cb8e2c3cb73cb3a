use aws_sdk_sqs::types::MessageSystemAttributeName as System;

use super::*;

const DEAD_LETTERS_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:tasks-dead";

/// Creates a queue and its dead-letter queue. `count` is the value of `maxReceiveCount` in JSON.
pub(super) async fn with_dead_letters(aws: &EmbeddedAws, count: &str) -> (TestQueue, TestQueue) {
    let dead_letters = TestQueue::named(aws, "tasks-dead", &[]).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{DEAD_LETTERS_ARN}","maxReceiveCount":{count}}}"#);
    let queue = TestQueue::new(aws, &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
    (queue, dead_letters)
}

#[tokio::test]
async fn a_message_received_too_often_moves_to_the_dead_letter_queue() {
    for count in ["2", "\"2\""] {
        let clock = StillClock::new();
        let (queue, dead_letters) = with_dead_letters(&clock.aws(), count).await;
        let id = queue.send("poison").await;
        for _ in 0..2 {
            queue.receive_one().await;
            assert!(dead_letters.receive(0).await.is_empty());
            clock.advance(30);
        }
        queue.send("good").await;
        assert_eq!(bodies(&queue.receive(0).await), ["good"], "other messages are not delayed");
        assert_eq!(queue.counts().await, [0, 0, 1]);
        let letter = dead_letters.receive_one().await;
        assert_eq!((letter.message_id(), letter.body()), (Some(id.as_str()), Some("poison")));
        let source = "arn:aws:sqs:us-east-1:000000000000:tasks";
        assert_eq!(system(&letter, System::DeadLetterQueueSourceArn), Some(source));
        assert_eq!(system(&letter, System::SentTimestamp), Some("1800000000000"));
    }
}

#[tokio::test]
async fn a_long_poll_of_the_dead_letter_queue_receives_a_dead_letter() {
    let clock = StillClock::new();
    let (queue, dead_letters) = with_dead_letters(&clock.aws(), "1").await;
    queue.send("poison").await;
    let message = queue.receive_one().await;
    queue.hide(handle(&message), 0).await.unwrap();
    let waiting = tokio::spawn(async move { dead_letters.receive(20).await.len() });
    tokio::task::yield_now().await;
    let started_at = std::time::Instant::now();
    assert!(queue.receive(0).await.is_empty());
    assert_eq!(waiting.await.unwrap(), 1);
    assert!(started_at.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_message_stays_in_its_queue_if_the_dead_letter_queue_does_not_exist() {
    let clock = StillClock::new();
    let (queue, dead_letters) = with_dead_letters(&clock.aws(), "1").await;
    dead_letters.client.delete_queue().queue_url(&dead_letters.url).send().await.unwrap();
    queue.send("a").await;
    for _ in 0..3 {
        queue.receive_one().await;
        clock.advance(30);
    }
}

#[tokio::test]
async fn a_redrive_policy_is_validated_and_returned() {
    let aws = StillClock::new().aws();
    let (queue, dead_letters) = with_dead_letters(&aws, "\"25\"").await;
    let request = queue.client.get_queue_attributes().queue_url(&queue.url);
    let request = request.attribute_names(QueueAttributeName::RedrivePolicy);
    let attributes = request.send().await.unwrap().attributes.unwrap();
    let policy = format!(r#"{{"deadLetterTargetArn":"{DEAD_LETTERS_ARN}","maxReceiveCount":25}}"#);
    assert_eq!(attributes[&QueueAttributeName::RedrivePolicy], policy);
    let request = dead_letters.client.list_dead_letter_source_queues().queue_url(&dead_letters.url);
    assert_eq!(request.send().await.unwrap().queue_urls, vec![queue.url.clone()]);

    for bad in [
        "nonsense".to_owned(),
        policy.replace("tasks-dead", "missing"),
        policy.replace("25", "0"),
        policy.replace("25", "1001"),
        policy.replace("25", "\"many\""),
    ] {
        let request = queue.client.set_queue_attributes().queue_url(&queue.url);
        let result = request.attributes(QueueAttributeName::RedrivePolicy, &bad).send().await;
        assert_eq!(result.map(drop).map_err(code), Err("InvalidParameterValue".into()), "{bad}");
    }
}
