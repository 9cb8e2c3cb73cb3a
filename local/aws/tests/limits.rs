use super::*;

async fn send(queue: &TestQueue, body: impl Into<String>) -> Result<(), String> {
    let request = queue.client.send_message().queue_url(&queue.url).message_body(body);
    request.send().await.map(drop).map_err(code)
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_accepted_and_a_larger_one_is_refused() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    let body = "x".repeat(1024 * 1024);
    send(&queue, &body).await.unwrap();
    assert_eq!(queue.receive_one().await.body(), Some(body.as_str()));
    assert_eq!(send(&queue, body + "x").await.unwrap_err(), "InvalidParameterValue");
}

#[tokio::test]
async fn a_queue_can_have_a_smaller_limit() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[(QueueAttributeName::MaximumMessageSize, "1024")]).await;
    send(&queue, "ü".repeat(512)).await.unwrap();
    assert_eq!(send(&queue, "ü".repeat(513)).await.unwrap_err(), "InvalidParameterValue");
}

#[tokio::test]
async fn characters_that_xml_does_not_allow_are_refused() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    for good in ["\t\n\r ~", "\u{7f}", "\u{d7ff}\u{e000}\u{fffd}", "😀\u{10ffff}"] {
        send(&queue, good).await.unwrap();
    }
    for bad in ["\0", "\u{8}", "\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
        assert_eq!(send(&queue, bad).await.unwrap_err(), "InvalidMessageContents", "{bad:?}");
    }
    assert_eq!(send(&queue, "").await.unwrap_err(), "MissingParameter");
}

#[tokio::test]
async fn delay_wait_number_and_group_outside_their_ranges_are_refused() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    let send = || queue.client.send_message().queue_url(&queue.url).message_body("x");
    let receive = || queue.client.receive_message().queue_url(&queue.url);
    let invalid = "InvalidParameterValue";
    assert_eq!(send().delay_seconds(901).send().await.map(drop).map_err(code), Err(invalid.into()));
    assert_eq!(send().delay_seconds(-1).send().await.map(drop).map_err(code), Err(invalid.into()));
    assert_eq!(send().message_group_id("a b").send().await.map(drop).map_err(code), Err(invalid.into()));
    assert_eq!(send().message_group_id("g".repeat(129)).send().await.map(drop).map_err(code), Err(invalid.into()));
    assert_eq!(send().message_deduplication_id("d").send().await.map(drop).map_err(code), Err(invalid.into()));
    assert_eq!(receive().max_number_of_messages(11).send().await.map(drop).map_err(code), Err(invalid.into()));
    assert_eq!(receive().max_number_of_messages(0).send().await.map(drop).map_err(code), Err(invalid.into()));
    assert_eq!(receive().wait_time_seconds(21).send().await.map(drop).map_err(code), Err(invalid.into()));
    assert_eq!(receive().visibility_timeout(-1).send().await.map(drop).map_err(code), Err(invalid.into()));
    send().delay_seconds(900).message_group_id("g".repeat(128)).send().await.unwrap();
}
