use super::*;

#[tokio::test]
async fn a_queue_is_created_found_listed_and_deleted() {
    let aws = StillClock::new().aws();
    let queue = TestQueue::new(&aws, &[]).await;
    assert_eq!(queue.url, "http://127.0.0.1:8001/000000000000/tasks");
    let client = &queue.client;
    assert_eq!(TestQueue::new(&aws, &[]).await.url, queue.url, "creating the same queue again is no error");
    let found = client.get_queue_url().queue_name("tasks").send().await.unwrap();
    assert_eq!(found.queue_url(), Some(queue.url.as_str()));
    TestQueue::named(&aws, "other", &[]).await;
    let listed = client.list_queues().queue_name_prefix("ta").send().await.unwrap();
    assert_eq!(listed.queue_urls, Some(vec![queue.url.clone()]));
    client.delete_queue().queue_url(&queue.url).send().await.unwrap();
    let missing = client.get_queue_url().queue_name("tasks").send().await.unwrap_err();
    assert!(missing.as_service_error().unwrap().is_queue_does_not_exist());
    let missing = client.receive_message().queue_url(&queue.url).send().await.unwrap_err();
    assert_eq!(code(missing), "AWS.SimpleQueueService.NonExistentQueue");
}

#[tokio::test]
async fn a_queue_is_not_created_again_with_different_attributes() {
    let aws = StillClock::new().aws();
    let queue = TestQueue::new(&aws, &[(QueueAttributeName::VisibilityTimeout, "60")]).await;
    TestQueue::new(&aws, &[(QueueAttributeName::VisibilityTimeout, "60")]).await;
    let create = || queue.client.create_queue();
    let request = create().queue_name("tasks").attributes(QueueAttributeName::VisibilityTimeout, "61");
    assert!(request.send().await.unwrap_err().as_service_error().unwrap().is_queue_name_exists());
    let request = create().queue_name("b").attributes(QueueAttributeName::VisibilityTimeout, "43201");
    assert_eq!(code(request.send().await.unwrap_err()), "InvalidAttributeValue");
    let request = create().queue_name("b").attributes("NoSuchThing".into(), "1");
    assert_eq!(code(request.send().await.unwrap_err()), "InvalidAttributeName");
    assert_eq!(code(create().queue_name("b c").send().await.unwrap_err()), "InvalidParameterValue");
    let fifo = create().queue_name("b.fifo").send().await.unwrap_err();
    assert_eq!(code(fifo), "AWS.SimpleQueueService.UnsupportedOperation");
}

#[tokio::test]
async fn attributes_have_the_documented_defaults_and_can_be_set() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    let all = async || {
        let request = queue.client.get_queue_attributes().queue_url(&queue.url);
        request.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap()
    };
    let attributes = all().await;
    for (name, value) in [
        (QueueAttributeName::VisibilityTimeout, "30"),
        (QueueAttributeName::DelaySeconds, "0"),
        (QueueAttributeName::ReceiveMessageWaitTimeSeconds, "0"),
        (QueueAttributeName::MessageRetentionPeriod, "345600"),
        (QueueAttributeName::MaximumMessageSize, "1048576"),
        (QueueAttributeName::CreatedTimestamp, "1800000000"),
        (QueueAttributeName::QueueArn, "arn:aws:sqs:us-east-1:000000000000:tasks"),
    ] {
        assert_eq!(attributes[&name], value, "{name}");
    }
    assert!(!attributes.contains_key(&QueueAttributeName::RedrivePolicy));
    let request = queue.client.set_queue_attributes().queue_url(&queue.url);
    request.attributes(QueueAttributeName::MessageRetentionPeriod, "1209600").send().await.unwrap();
    assert_eq!(all().await[&QueueAttributeName::MessageRetentionPeriod], "1209600");
}

#[tokio::test]
async fn a_purge_deletes_all_messages_and_is_allowed_once_a_minute() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[]).await;
    let purge = || queue.client.purge_queue().queue_url(&queue.url).send();
    queue.send("in flight").await;
    queue.receive_one().await;
    queue.send("visible").await;
    let delayed = queue.client.send_message().queue_url(&queue.url).message_body("delayed");
    delayed.delay_seconds(60).send().await.unwrap();
    assert_eq!(queue.counts().await, [1, 1, 1]);
    purge().await.unwrap();
    assert_eq!(queue.counts().await, [0, 0, 0]);
    assert!(purge().await.unwrap_err().as_service_error().unwrap().is_purge_queue_in_progress());
    clock.advance(60);
    assert!(queue.receive(0).await.is_empty());
    purge().await.unwrap();
}
