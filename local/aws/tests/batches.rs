use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName as System, SendMessageBatchRequestEntry,
};

use super::*;

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

async fn send(
    queue: &TestQueue,
    entries: Vec<SendMessageBatchRequestEntry>,
) -> Result<(Vec<String>, Vec<(String, String)>), String> {
    let request = queue.client.send_message_batch().queue_url(&queue.url).set_entries(Some(entries));
    let answer = request.send().await.map_err(code)?;
    assert!(answer.failed().iter().all(|failure| failure.sender_fault()));
    Ok((
        answer.successful().iter().map(|it| it.id().to_owned()).collect(),
        answer.failed().iter().map(|it| (it.id().to_owned(), it.code().to_owned())).collect(),
    ))
}

#[tokio::test]
async fn one_call_sends_receives_or_deletes_ten_messages() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    let entries = (0..10).map(|n| entry(&n.to_string(), &format!("body {n}"))).collect();
    assert_eq!(send(&queue, entries).await.unwrap().0.len(), 10);
    let messages = queue.receive(0).await;
    assert_eq!(messages.len(), 10);
    assert_eq!(queue.counts().await, [0, 0, 10]);
    let mut request = queue.client.delete_message_batch().queue_url(&queue.url);
    for (n, message) in messages.iter().enumerate() {
        let handle = if n == 3 { "nonsense" } else { handle(message) };
        let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string()).receipt_handle(handle);
        request = request.entries(entry.build().unwrap());
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.successful().len(), 9);
    assert_eq!(answer.failed()[0].id(), "3");
    assert_eq!(answer.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(queue.counts().await, [0, 0, 1]);
}

#[tokio::test]
async fn a_batch_changes_the_visibility_of_each_message_independently() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[]).await;
    for body in ["1", "5", "gone"] {
        queue.send(body).await;
    }
    let messages = queue.receive(0).await;
    queue.delete(&messages[2]).await;
    let mut request = queue.client.change_message_visibility_batch().queue_url(&queue.url);
    for (message, timeout) in messages.iter().zip([1, 5, 1]) {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(message.body().unwrap());
        request = request.entries(entry.receipt_handle(handle(message)).visibility_timeout(timeout).build().unwrap());
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.successful().len(), 2);
    assert_eq!(answer.failed()[0].code(), "AWS.SimpleQueueService.MessageNotInflight");
    clock.advance(1);
    assert_eq!(bodies(&queue.receive(0).await), ["1"]);
    clock.advance(4);
    assert_eq!(bodies(&queue.receive(0).await), ["5"]);
}

#[tokio::test]
async fn an_invalid_entry_does_not_affect_the_others() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    let delayed = SendMessageBatchRequestEntry::builder().id("late").message_body("x").delay_seconds(901);
    let entries = vec![entry("good", "x"), entry("empty", ""), entry("bell", "\u{7}"), delayed.build().unwrap()];
    let (sent, failed) = send(&queue, entries).await.unwrap();
    assert_eq!(sent, ["good"]);
    let failed: Vec<_> = failed.iter().map(|(id, code)| (id.as_str(), code.as_str())).collect();
    assert_eq!(
        failed,
        [("empty", "MissingParameter"), ("bell", "InvalidMessageContents"), ("late", "InvalidParameterValue"),]
    );
}

#[tokio::test]
async fn a_batch_with_invalid_ids_or_size_is_refused_completely() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    let eleven = (0..11).map(|n| entry(&n.to_string(), "x")).collect();
    let half = "x".repeat(512 * 1024 + 1);
    for (entries, expected) in [
        (vec![], "EmptyBatchRequest"),
        (eleven, "TooManyEntriesInBatchRequest"),
        (vec![entry("a", "x"), entry("a", "y")], "BatchEntryIdsNotDistinct"),
        (vec![entry("a b", "x")], "InvalidBatchEntryId"),
        (vec![entry("a", &half), entry("b", &half)], "BatchRequestTooLong"),
    ] {
        assert_eq!(send(&queue, entries).await.unwrap_err(), format!("AWS.SimpleQueueService.{expected}"));
    }
    assert_eq!(queue.counts().await, [0, 0, 0]);
}

#[tokio::test]
async fn a_received_message_has_its_group_attributes_and_digests() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    let text = MessageAttributeValue::builder().data_type("String").string_value("v").build().unwrap();
    let blob = aws_sdk_sqs::primitives::Blob::new([0, 255]);
    let bytes = MessageAttributeValue::builder().data_type("Binary").binary_value(blob.clone()).build().unwrap();
    let entry = SendMessageBatchRequestEntry::builder().id("a").message_body("hello").message_group_id("we_1");
    let entry = entry.message_attributes("text", text).message_attributes("bytes", bytes).build().unwrap();
    assert_eq!(send(&queue, vec![entry]).await.unwrap().0, ["a"]);
    let message = queue.receive_one().await;
    assert_eq!(system(&message, System::MessageGroupId), Some("we_1"));
    assert_eq!(system(&message, System::SentTimestamp), Some("1800000000000"));
    assert_eq!(message.md5_of_body(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(message.md5_of_message_attributes(), Some("529ef292ffa2ce2f2010a02bdea5f565"));
    let attributes = message.message_attributes().unwrap();
    assert_eq!(attributes["text"].string_value(), Some("v"));
    assert_eq!(attributes["bytes"].binary_value(), Some(&blob));
    let bare = queue.client.receive_message().queue_url(&queue.url);
    queue.hide(handle(&message), 0).await.unwrap();
    let bare = bare.send().await.unwrap().messages.unwrap().remove(0);
    assert!(
        bare.attributes().is_none() && bare.message_attributes().is_none(),
        "only the requested attributes are returned"
    );
}
