//! Tests of the messages' state after a restart.

use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName as System};

use super::*;

/// Drops the services and opens them again on the same directory, as another process.
async fn reopened(aws: EmbeddedAws, clock: &StillClock, storage: &Storage) -> EmbeddedAws {
    aws.flush().await.unwrap();
    drop(aws);
    clock.aws_on(storage)
}

#[tokio::test]
async fn messages_are_unchanged_after_a_restart() {
    let (clock, directory) = (StillClock::new(), tempfile::tempdir().unwrap());
    let storage = in_directory(directory.path());
    let aws = clock.aws_on(&storage);
    let queue = TestQueue::new(&aws, &[]).await;
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("v").build().unwrap();
    let send = queue.client.send_message().queue_url(&queue.url).message_body("one").message_group_id("g");
    let id = send.message_attributes("name", attribute).send().await.unwrap().message_id.unwrap();
    queue.send("two").await;

    clock.advance(100);
    let aws = reopened(aws, &clock, &storage).await;
    let queue = TestQueue::new(&aws, &[]).await;
    assert_eq!(queue.counts().await, [2, 0, 0]);
    let messages = queue.receive(0).await;
    assert_eq!(bodies(&messages), ["one", "two"], "the oldest message is first");
    assert_eq!(messages[0].message_id(), Some(id.as_str()));
    assert_eq!(system(&messages[0], System::MessageGroupId), Some("g"));
    assert_eq!(system(&messages[0], System::SentTimestamp), Some("1800000000000"));
    assert_eq!(messages[0].message_attributes().unwrap()["name"].string_value(), Some("v"));
    assert!(messages[0].md5_of_message_attributes().is_some());
    assert_ne!(queue.send("three").await, id);
}

#[tokio::test]
async fn after_a_restart_messages_in_flight_are_visible_and_hidden_ones_stay_hidden() {
    let (clock, directory) = (StillClock::new(), tempfile::tempdir().unwrap());
    let storage = in_directory(directory.path());
    let aws = clock.aws_on(&storage);
    let queue = TestQueue::new(&aws, &[(QueueAttributeName::VisibilityTimeout, "360")]).await;
    queue.send("hidden").await;
    let hidden = queue.receive_one().await;
    queue.hide(handle(&hidden), 60).await.unwrap();
    queue.send("was hidden").await;
    let shown = queue.receive_one().await;
    queue.hide(handle(&shown), 0).await.unwrap();
    queue.receive_one().await;
    queue.send("in flight").await;
    queue.receive_one().await;
    let delayed = queue.client.send_message().queue_url(&queue.url).message_body("delayed").delay_seconds(30);
    delayed.send().await.unwrap();
    queue.send("deleted").await;
    let deleted = queue.receive_one().await;
    queue.delete(&deleted).await;
    assert_eq!(queue.counts().await, [0, 1, 3]);

    let aws = reopened(aws, &clock, &storage).await;
    let queue = TestQueue::new(&aws, &[(QueueAttributeName::VisibilityTimeout, "360")]).await;
    assert_eq!(queue.counts().await, [2, 1, 1]);
    assert_eq!(bodies(&queue.receive(0).await), ["was hidden", "in flight"]);
    clock.advance(30);
    assert_eq!(bodies(&queue.receive(0).await), ["delayed"]);
    clock.advance(30);
    let again = queue.receive_one().await;
    assert_eq!((again.body(), system(&again, System::ApproximateReceiveCount)), (Some("hidden"), Some("2")));
}

#[tokio::test]
async fn a_restart_keeps_dead_letters_and_does_not_restore_purged_or_expired_messages() {
    let (clock, directory) = (StillClock::new(), tempfile::tempdir().unwrap());
    let storage = in_directory(directory.path());
    let aws = clock.aws_on(&storage);
    let (purged, expired) = (TestQueue::named(&aws, "purged", &[]).await, TestQueue::named(&aws, "expired", &[]).await);
    let deleted = TestQueue::named(&aws, "deleted", &[]).await;
    for queue in [&purged, &expired, &deleted] {
        queue.send("a").await;
    }
    purged.client.purge_queue().queue_url(&purged.url).send().await.unwrap();
    deleted.client.delete_queue().queue_url(&deleted.url).send().await.unwrap();
    clock.advance(5 * 24 * 3600);
    assert_eq!(expired.counts().await, [0, 0, 0]);
    let (queue, dead_letters) = super::redrive::with_dead_letters(&aws, "1").await;
    queue.send("poison").await;
    let message = queue.receive_one().await;
    queue.hide(handle(&message), 0).await.unwrap();
    assert!(queue.receive(0).await.is_empty());
    assert_eq!(dead_letters.counts().await, [1, 0, 0]);

    let aws = reopened(aws, &clock, &storage).await;
    let (queue, dead_letters) = super::redrive::with_dead_letters(&aws, "1").await;
    assert_eq!((queue.counts().await, dead_letters.counts().await), ([0, 0, 0], [1, 0, 0]));
    let letter = dead_letters.receive_one().await;
    assert_eq!(letter.body(), Some("poison"));
    assert!(system(&letter, System::DeadLetterQueueSourceArn).is_some_and(|arn| arn.ends_with(":tasks")));
    for name in ["purged", "expired", "deleted"] {
        assert_eq!(TestQueue::named(&aws, name, &[]).await.counts().await, [0, 0, 0], "{name}");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_written_is_refused() {
    let (clock, directory) = (StillClock::new(), tempfile::tempdir().unwrap());
    let aws = clock.aws_on(&in_directory(directory.path()));
    let queue = TestQueue::new(&aws, &[]).await;
    let other = rusqlite::Connection::open(directory.path().join("sqs.sqlite")).unwrap();
    other.execute_batch("DROP TABLE messages").unwrap();
    let sent = queue.client.send_message().queue_url(&queue.url).message_body("a").send().await;
    assert_eq!(sent.map(drop).map_err(code), Err("InternalError".to_owned()));
}
