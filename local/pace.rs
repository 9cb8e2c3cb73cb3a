//! The pace of publishing: events are accepted as fast as their deliveries are made.
//!
//! On AWS the consumer has processors of its own. Here it shares them with the publishers, who would otherwise fill the
//! queue first and leave the deliveries for later. A publish request waits while the deliveries on their way are as many as
//! the consumer makes in some ten milliseconds. It does not wait for long: deliveries to receivers that hang must not
//! stop the others' publishers. Only the fast lane counts: deliveries of the slow lane wait for their receivers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::aws::{EmbeddedAws, Flow};

/// How many deliveries may be on their way: visible in the fast lane's queue, or of requests that are being published.
const ON_THEIR_WAY: f64 = 256.0;
/// The longest wait of the request whose turn it is.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// The consumer takes no messages for so long only if all its attempts wait for their receivers. While publishers keep the
/// engine busy it may pause for some ten milliseconds.
const STANDSTILL: Duration = Duration::from_millis(200);
/// How often the queue is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(1);
/// How much a request counts in the average of deliveries for each.
const WEIGHT: f64 = 0.1;

/// Holds publish requests back.
struct Pace {
    aws: EmbeddedAws,
    queue_url: String,
    publishing: AtomicU64,
    /// Held by the request whose turn it is.
    turn: Mutex<()>,
    seen: std::sync::Mutex<Seen>,
}

/// What earlier looks at the queue told.
struct Seen {
    flow: Flow,
    received_at: Instant,
    deliveries_per_request: f64,
}

/// The same routes, with publishing at the queue's pace.
pub(crate) fn at_pace_of_queue(routes: Router, aws: EmbeddedAws, queue_url: &str) -> Router {
    routes.layer(from_fn_with_state(Arc::new(Pace::new(aws, queue_url)), pass))
}

async fn pass(State(pace): State<Arc<Pace>>, request: Request, next: Next) -> Response {
    if !publishes(&request) {
        return next.run(request).await;
    }
    pace.wait().await;
    let publishing = Publishing::begin(&pace);
    let response = next.run(request).await;
    drop(publishing);
    pace.learn();
    response
}

fn publishes(request: &Request) -> bool {
    let path = request.uri().path();
    request.method() == Method::POST && (path.ends_with("/events") || path.ends_with("/events/batch"))
}

impl Pace {
    fn new(aws: EmbeddedAws, queue_url: &str) -> Self {
        let flow = aws.flow(queue_url);
        let seen = std::sync::Mutex::new(Seen { flow, received_at: Instant::now(), deliveries_per_request: 1.0 });
        Self { aws, queue_url: queue_url.to_owned(), publishing: AtomicU64::new(0), turn: Mutex::new(()), seen }
    }

    /// Waits for this request's turn, and until few deliveries are on their way.
    async fn wait(&self) {
        let _turn = self.turn.lock().await;
        let latest = Instant::now() + LONGEST_WAIT;
        while Instant::now() < latest && self.is_ahead(Instant::now()) {
            sleep(LOOK).await;
        }
    }

    /// Whether more deliveries are on their way than the consumer can take at once, and it is taking some.
    fn is_ahead(&self, now: Instant) -> bool {
        let flow = self.aws.flow(&self.queue_url);
        let mut seen = self.seen();
        if seen.flow.received != flow.received {
            seen.flow.received = flow.received;
            seen.received_at = now;
        }
        let publishing = self.publishing.load(Ordering::Relaxed) as f64 * seen.deliveries_per_request;
        publishing + flow.visible as f64 >= ON_THEIR_WAY && now < seen.received_at + STANDSTILL
    }

    /// Takes note of how many messages were sent since a request ended last.
    fn learn(&self) {
        let sent = self.aws.flow(&self.queue_url).sent;
        let mut seen = self.seen();
        let since = sent.saturating_sub(seen.flow.sent) as f64;
        seen.flow.sent = seen.flow.sent.max(sent);
        seen.deliveries_per_request += (since.max(1.0) - seen.deliveries_per_request) * WEIGHT;
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A request that is being published, also when its client goes away meanwhile.
struct Publishing<'a>(&'a Pace);

impl<'a> Publishing<'a> {
    fn begin(pace: &'a Pace) -> Self {
        pace.publishing.fetch_add(1, Ordering::Relaxed);
        Self(pace)
    }
}

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        self.0.publishing.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::Client;
    use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

    use super::*;
    use crate::aws::Storage;

    /// A queue and the pace of publishing into it.
    async fn queue() -> (Client, String, Pace) {
        let epoch = Arc::new(|| std::time::SystemTime::UNIX_EPOCH);
        let aws = EmbeddedAws::open(&Storage::Memory, "127.0.0.1:1", epoch).unwrap();
        let client = Client::new(&aws.sdk_config());
        let url = client.create_queue().queue_name("q").send().await.unwrap().queue_url.unwrap();
        let pace = Pace::new(aws, &url);
        (client, url, pace)
    }

    async fn send_ten(client: &Client, url: &str) {
        let entry =
            |n: usize| SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body("m").build().unwrap();
        let entries = Some((0..10).map(entry).collect());
        client.send_message_batch().queue_url(url).set_entries(entries).send().await.unwrap();
    }

    #[tokio::test]
    async fn publishing_is_ahead_while_much_is_visible_and_the_consumer_takes_some() {
        let (client, url, pace) = queue().await;
        let now = Instant::now();
        for _ in 0..26 {
            assert!(!pace.is_ahead(now));
            send_ten(&client, &url).await;
        }
        assert!(pace.is_ahead(now), "260 are visible");
        assert!(!pace.is_ahead(now + 2 * STANDSTILL), "the consumer takes none");
        client.receive_message().queue_url(&url).send().await.unwrap();
        assert!(pace.is_ahead(now + 3 * STANDSTILL), "it goes on");
        let four = client.receive_message().queue_url(&url).max_number_of_messages(4).send().await.unwrap();
        assert_eq!(four.messages().len(), 4);
        assert!(!pace.is_ahead(now + 3 * STANDSTILL), "255 are visible");
    }

    #[tokio::test]
    async fn requests_under_way_count_as_many_deliveries_as_earlier_ones_had() {
        let (client, url, pace) = queue().await;
        let now = Instant::now();
        let under_way: Vec<_> = (0..64).map(|_| Publishing::begin(&pace)).collect();
        assert!(!pace.is_ahead(now), "64 requests with a delivery each");
        for _ in 0..20 {
            send_ten(&client, &url).await;
            pace.learn();
        }
        client.purge_queue().queue_url(&url).send().await.unwrap();
        assert!(pace.is_ahead(now), "64 requests with ten deliveries each");
        drop(under_way);
        assert!(!pace.is_ahead(now));
    }

    #[test]
    fn only_requests_that_publish_are_held_back() {
        for (method, path, expected) in [
            (Method::POST, "/v1/organizations/o/events", true),
            (Method::POST, "/v1/organizations/o/events/batch", true),
            (Method::GET, "/v1/organizations/o/events", false),
            (Method::POST, "/v1/organizations/o/webhooks/endpoints", false),
        ] {
            let request = axum::http::Request::builder().method(method).uri(path).body(axum::body::Body::empty());
            assert_eq!(publishes(&request.unwrap()), expected, "{path}");
        }
    }
}
