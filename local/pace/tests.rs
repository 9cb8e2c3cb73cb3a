//! Publish requests wait for the deliveries of their own organization.

use std::pin::pin;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::poll;

use super::line::STANDSTILL;
use super::*;
use crate::aws::Storage;

const HOUR: Duration = Duration::from_secs(60 * 60);
const A: &str = "org_01arz3ndektsv4rrffq69g5fav";
const B: &str = "8f14e45f-ceea-467f-a0e6-bd1f9a7c3b02";

/// The beginning of the paths of an organization.
fn path(organization: &str) -> String {
    format!("{OF_ORGANIZATION}{organization}")
}

/// Creates a queue and the pace of publishing into it.
async fn queue() -> (Client, String, Pace) {
    let epoch = Arc::new(|| std::time::SystemTime::UNIX_EPOCH);
    let aws = EmbeddedAws::open(&Storage::Memory, "127.0.0.1:1", epoch).unwrap();
    let client = Client::new(&aws.sdk_config());
    let url = client.create_queue().queue_name("q").send().await.unwrap().queue_url.unwrap();
    let pace = Pace::new(aws, &url);
    (client, url, pace)
}

/// Sends ten messages for endpoints of an organization.
async fn send_ten(client: &Client, url: &str, organization: &str) {
    let entry = |n: usize| {
        let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body("m");
        entry.message_group_id(format!("{organization}#{}", n % 8)).build().unwrap()
    };
    let entries = Some((0..10).map(entry).collect());
    client.send_message_batch().queue_url(url).set_entries(entries).send().await.unwrap();
}

#[tokio::test]
async fn publishing_is_ahead_while_many_messages_are_visible_and_the_consumer_receives() {
    let (client, url, pace) = queue().await;
    let (publishing, other) = (pace.enter(&path(A), 0), pace.enter(&path(B), 0));
    let now = Instant::now();
    for _ in 0..13 {
        assert!(!publishing.is_ahead(now));
        send_ten(&client, &url, A).await;
    }
    assert!(publishing.is_ahead(now), "130 messages are visible");
    assert!(!other.is_ahead(now), "the other organization has no visible messages");
    assert!(!publishing.is_ahead(now + 2 * STANDSTILL), "the consumer receives no messages");
    client.receive_message().queue_url(&url).send().await.unwrap();
    assert!(publishing.is_ahead(now + 3 * STANDSTILL), "the consumer receives again");
    let four = client.receive_message().queue_url(&url).max_number_of_messages(4).send().await.unwrap();
    assert_eq!(four.messages().len(), 4);
    assert!(!publishing.is_ahead(now + 3 * STANDSTILL), "125 messages are visible");
}

#[tokio::test]
async fn requests_in_progress_count_with_the_average_deliveries_of_earlier_requests() {
    let (client, url, pace) = queue().await;
    let (publishing, other) = (pace.enter(&path(A), 0), pace.enter(&path(B), 0));
    let now = Instant::now();
    let under_way: Vec<_> = (0..64).map(|_| publishing.begin()).collect();
    assert!(!publishing.is_ahead(now), "64 requests with a delivery each");
    let others: Vec<_> = (0..64).map(|_| other.begin()).collect();
    for _ in 0..20 {
        send_ten(&client, &url, A).await;
        publishing.learn();
        other.learn();
    }
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert!(publishing.is_ahead(now), "64 requests with ten deliveries each");
    assert!(!other.is_ahead(now), "another organization's requests have one each");
    drop((under_way, others));
    assert!(!publishing.is_ahead(now));
}

#[tokio::test]
async fn only_the_average_of_an_existing_organization_is_kept_after_its_last_request() {
    let (client, url, pace) = queue().await;
    for _ in 0..20 {
        let publishing = pace.enter(&path(A), 0);
        publishing.is_ahead(Instant::now());
        send_ten(&client, &url, A).await;
        publishing.learn();
    }
    let unknown = pace.enter(&path(B), 0);
    unknown.is_ahead(Instant::now());
    unknown.learn();
    drop(unknown);
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert_eq!(pace.learned().keys().map(|name| &**name).collect::<Vec<_>>(), [A]);
    let publishing = pace.enter(&path(A), 0);
    let _under_way: Vec<_> = (0..64).map(|_| publishing.begin()).collect();
    assert!(publishing.is_ahead(Instant::now()), "64 requests with nearly ten deliveries each");
}

#[tokio::test]
async fn a_request_waits_until_fewer_deliveries_are_queued() {
    let (client, url, pace) = queue().await;
    let (first, second) = (pace.enter(&path(A), 0), pace.enter(&path(A), 0));
    for _ in 0..26 {
        send_ten(&client, &url, A).await;
    }
    let (mut waits, mut next) = (pin!(first.wait(HOUR)), pin!(second.wait(Duration::ZERO)));
    assert!(poll!(&mut waits).is_pending());
    assert!(poll!(&mut next).is_pending(), "it is the first request's turn");
    client.purge_queue().queue_url(&url).send().await.unwrap();
    waits.await;
    next.await;
}

#[tokio::test]
async fn a_request_waits_no_longer_than_its_limit() {
    let (client, url, pace) = queue().await;
    let publishing = pace.enter(&path(A), 0);
    for _ in 0..26 {
        send_ten(&client, &url, A).await;
    }
    assert!(poll!(pin!(publishing.wait(Duration::ZERO))).is_ready());
}

#[tokio::test]
async fn the_longest_wait_of_a_request_begins_with_its_turn() {
    let (client, url, pace) = queue().await;
    let (first, second) = (pace.enter(&path(A), 0), pace.enter(&path(A), 0));
    for _ in 0..26 {
        send_ten(&client, &url, A).await;
    }
    let began = Instant::now();
    let longest = STANDSTILL / 4;
    tokio::join!(first.wait(longest), second.wait(longest));
    let waited = began.elapsed();
    assert!(waited >= 2 * longest, "{waited:?}");
}

#[tokio::test]
async fn an_organizations_entry_is_removed_with_its_last_request() {
    let (_, _, pace) = queue().await;
    let (one, other) = (pace.enter(&path(A), 0), pace.enter(&path(A), 0));
    drop(one);
    assert_eq!(pace.lines().len(), 1);
    drop(other);
    assert_eq!(pace.lines().len(), 0);
}

#[tokio::test]
async fn requests_that_name_an_organization_by_an_external_id_wait_from_the_first_answer_on() {
    let (client, url, pace) = queue().await;
    for name in ["/v1/organizations/ext:acme", "/api/v1/app/acme", "/api/v1/app/app_x"] {
        let publishing = pace.enter(name, 0);
        for _ in 0..26 {
            send_ten(&client, &url, A).await;
        }
        assert!(!publishing.is_ahead(Instant::now()), "{name} is not known");
        publishing.learn();
        pace.name(name, A);
        assert!(publishing.is_ahead(Instant::now()), "{name}");
        let seen = publishing.seen().unwrap();
        assert!((seen.deliveries_per_request - 1.0).abs() < 1e-9, "earlier messages are of other requests");
    }
    assert_eq!(pace.organization(&path(B)).as_deref(), Some(B));
    pace.name(&path(B), A);
    assert_eq!(pace.organization(&path(B)).as_deref(), Some(B), "an id names its own organization");
}

#[tokio::test]
async fn messages_of_the_ingest_queue_wait_for_their_organizations() {
    let (client, url, pace) = queue().await;
    let organizations = || [A, B].map(|id| OrganizationId::parse(id).unwrap()).into_iter();
    assert!(poll!(pin!(pace.wait_for(organizations()))).is_ready());
    for _ in 0..26 {
        send_ten(&client, &url, A).await;
    }
    assert!(poll!(pin!(pace.wait_for(organizations().skip(1)))).is_ready());
    let mut waits = pin!(pace.wait_for(organizations()));
    assert!(poll!(&mut waits).is_pending());
    client.purge_queue().queue_url(&url).send().await.unwrap();
    waits.await;
    assert_eq!(pace.lines().len(), 0);
}
