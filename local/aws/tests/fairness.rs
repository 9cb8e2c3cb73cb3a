use super::*;

impl TestQueue {
    async fn send_to_group(&self, group: &str, body: &str) {
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        request.message_group_id(group).send().await.unwrap();
    }

    /// Receives this many messages one at a time and joins their bodies. `-` stands for a receive without a message.
    async fn next(&self, count: usize) -> String {
        let mut bodies = String::new();
        for _ in 0..count {
            let received = self.client.receive_message().queue_url(&self.url).send().await.unwrap();
            bodies += received.messages().first().and_then(Message::body).unwrap_or("-");
        }
        bodies
    }
}

#[tokio::test]
async fn a_group_with_a_backlog_does_not_delay_the_others() {
    let queue = TestQueue::new(&StillClock::new().aws(), &[]).await;
    for body in ["1", "2", "3", "4", "5", "6"] {
        queue.send_to_group("busy", body).await;
    }
    assert_eq!(queue.next(3).await, "123");
    queue.send_to_group("quiet", "a").await;
    queue.send_to_group("quiet", "b").await;
    queue.send("c").await;
    assert_eq!(queue.next(7).await, "acb456-");
}

#[tokio::test]
async fn messages_no_longer_in_flight_do_not_count_against_their_group() {
    let clock = StillClock::new();
    let queue = TestQueue::new(&clock.aws(), &[(QueueAttributeName::VisibilityTimeout, "30")]).await;
    for body in ["1", "2", "3"] {
        queue.send_to_group("busy", body).await;
    }
    for message in queue.receive(0).await {
        queue.delete(&message).await;
    }
    queue.send_to_group("busy", "4").await;
    queue.send_to_group("quiet", "a").await;
    assert_eq!(queue.next(1).await, "4", "no group has messages in flight, so the oldest message is next");

    clock.advance(29);
    assert_eq!(queue.next(1).await, "a");
    queue.send_to_group("quiet", "b").await;
    clock.advance(1);
    assert_eq!(queue.next(2).await, "4b", "4 is visible again, a is still in flight");
}
