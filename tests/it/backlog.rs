//! The operator's list of waiting deliveries by organization.

use serde_json::json;
use shared::domain::endpoint::lane::Lane;

use crate::support::{Answer, Receiver, World};
use crate::suspension::{failing, suspend};

#[tokio::test]
async fn the_backlog_lists_the_organization_with_most_waiting_deliveries_first() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let paused = world.tenant().await;
    let endpoint = paused.endpoint(&receiver).await;
    paused.set_status(&endpoint, "paused").await;
    for _ in 0..4 {
        paused.publish().await;
    }
    let retried = world.tenant().await;
    retried.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [3600]})).await;
    for _ in 0..2 {
        retried.publish().await;
    }
    let exhausted = world.tenant().await;
    exhausted.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    exhausted.publish().await;
    world.drain().await;
    let (suspended, _, _down) = failing(&world, 100).await;
    suspend(&world, &suspended).await;
    for _ in 0..2 {
        suspended.publish().await;
    }
    for _ in 0..3 {
        paused.publish().await;
        retried.publish().await;
    }

    let queues = Lane::ALL.map(|lane| world.queue_url_of(lane).to_owned());
    let text = pigeonpost::backlog(&world.sdk(), world.table(), &queues).await.unwrap();
    let [_, counts, organizations] = text.split("\n\n").collect::<Vec<_>>()[..] else { panic!("{text}") };
    let [fast, slow] = [(&queues[0], 3), (&queues[1], 0)].map(|(url, ready)| {
        let name = url.rsplit('/').next().unwrap();
        format!("{name}: {ready} ready, 0 in flight or hidden, 0 delayed")
    });
    assert_eq!(counts.lines().collect::<Vec<_>>(), [fast, slow]);
    let rows: Vec<Vec<_>> = organizations.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let expected = [[&*paused.id, "0", "7", "0"], [&*retried.id, "2", "0", "0"], [&*suspended.id, "0", "2", "1"]];
    assert_eq!(rows, expected);
}
