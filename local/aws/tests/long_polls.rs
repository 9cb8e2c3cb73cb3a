use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::*;

fn real_aws() -> EmbeddedAws {
    EmbeddedAws::open(&Storage::Memory, AUTHORITY, system_clock()).unwrap()
}

#[tokio::test]
async fn a_long_poll_returns_as_soon_as_a_message_is_sent() {
    let queue = TestQueue::new(&real_aws(), &[]).await;
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { (queue.receive(20).await.len(), Instant::now()) }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let sent_at = Instant::now();
    queue.send("a").await;
    let (received, at) = waiting.await.unwrap();
    assert_eq!(received, 1);
    assert!(at - sent_at < Duration::from_millis(200));
}

#[tokio::test]
async fn a_long_poll_on_an_empty_queue_ends_after_its_wait() {
    let queue = TestQueue::new(&real_aws(), &[(QueueAttributeName::ReceiveMessageWaitTimeSeconds, "1")]).await;
    let started_at = Instant::now();
    let request = queue.client.receive_message().queue_url(&queue.url);
    assert!(request.send().await.unwrap().messages().is_empty(), "the wait is the queue's attribute");
    assert!((1_000..1_500).contains(&started_at.elapsed().as_millis()));
    let started_at = Instant::now();
    assert!(queue.receive(0).await.is_empty());
    assert!(started_at.elapsed() < Duration::from_millis(500));
}

#[tokio::test]
async fn a_cancelled_long_poll_receives_no_message() {
    let queue = TestQueue::new(&real_aws(), &[]).await;
    let cancelled = tokio::time::timeout(Duration::from_millis(50), queue.receive(20)).await;
    assert!(cancelled.is_err());
    queue.send("a").await;
    assert_eq!(queue.receive(0).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_senders_and_receivers_lose_and_duplicate_no_message() {
    const SENDERS: usize = 4;
    const EACH: usize = 250;
    let queue = TestQueue::new(&real_aws(), &[]).await;
    let mut receivers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let queue = queue.clone();
        receivers.spawn(async move {
            let mut seen = Vec::new();
            loop {
                let messages = queue.receive(1).await;
                if messages.is_empty() {
                    return seen;
                }
                for message in messages {
                    queue.delete(&message).await;
                    seen.push(message.body.unwrap());
                }
            }
        });
    }
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let queue = queue.clone();
        senders.spawn(async move {
            for n in 0..EACH {
                queue.send(&format!("{sender}/{n}")).await;
            }
        });
    }
    senders.join_all().await;
    let seen: Vec<String> = receivers.join_all().await.into_iter().flatten().collect();
    assert_eq!(seen.len(), SENDERS * EACH);
    assert_eq!(seen.into_iter().collect::<HashSet<_>>().len(), SENDERS * EACH);
    assert_eq!(queue.counts().await, [0, 0, 0]);
}
