//! Limits the rate of publishing to the rate at which the consumer makes deliveries, for each organization.
//!
//! On AWS the consumer has CPUs of its own. Here it shares them with the publishers, which would otherwise fill the
//! queue first and delay the deliveries. A publish request waits while the number of its organization's deliveries in
//! the queue or being published is at least what the consumer makes in about ten milliseconds. The wait is short, so
//! that deliveries to receivers that do not respond cannot stop publishers. Deliveries of other organizations do not
//! count. Only the fast lane counts, because deliveries in the slow lane wait for their receivers.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::aws::{EmbeddedAws, Flow};

/// The number of deliveries of an organization from which on its publish requests wait. Visible messages in the fast
/// lane's queue count, and the estimated deliveries of publish requests in progress.
const ON_THEIR_WAY: f64 = 128.0;
/// The longest wait of a request, measured from its turn.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// If the consumer receives no messages for this long, all its attempts wait for their receivers, and publish requests
/// do not wait. Shorter pauses of about ten milliseconds are normal while publishers keep the engine busy.
const STANDSTILL: Duration = Duration::from_millis(200);
/// The interval at which a waiting request checks the queue.
const LOOK: Duration = Duration::from_millis(1);
/// The weight of one request in the moving average of deliveries per request.
const SMOOTHING: f64 = 0.1;

/// Delays publish requests.
struct Pace {
    aws: EmbeddedAws,
    queue_url: String,
    /// The callers that have requests waiting or in progress.
    lines: std::sync::Mutex<HashMap<Caller, Arc<Line>>>,
    /// The moving average of deliveries per request, for each organization that has sent messages.
    learned: std::sync::Mutex<HashMap<Box<str>, f64>>,
    hasher: RandomState,
}

/// An organization and a hash of the credentials. Requests with invalid credentials have a queue of their own, so they
/// cannot delay the organization's requests.
type Caller = (Box<str>, u64);

/// The publish requests of a caller.
#[derive(Default)]
struct Line {
    /// The number of requests that wait or are in progress. It changes only while the map of callers is locked.
    entered: AtomicU64,
    under_way: AtomicU64,
    /// Locked by the request whose turn it is.
    turn: Mutex<()>,
    /// The result of the last check of the queue. It is `None` before the first check.
    seen: std::sync::Mutex<Option<Seen>>,
}

#[derive(Clone, Copy)]
struct Seen {
    flow: Flow,
    received_at: Instant,
    deliveries_per_request: f64,
}

/// Adds the delay of publish requests to the routes.
pub(crate) fn at_pace_of_queue(routes: Router, aws: EmbeddedAws, queue_url: &str) -> Router {
    routes.layer(from_fn_with_state(Arc::new(Pace::new(aws, queue_url)), pass))
}

async fn pass(State(pace): State<Arc<Pace>>, request: Request, next: Next) -> Response {
    let Some(organization) = publisher(&request) else { return next.run(request).await };
    let credentials = pace.hasher.hash_one(request.headers().get(AUTHORIZATION));
    let publishing = pace.enter(organization, credentials);
    publishing.wait(LONGEST_WAIT).await;
    let under_way = publishing.begin();
    let response = next.run(request).await;
    drop(under_way);
    publishing.learn();
    response
}

/// The organization that a publish request names in its path. It is `None` for other requests.
fn publisher(request: &Request) -> Option<&str> {
    let path = request.uri().path().strip_prefix("/v1/organizations/")?;
    let (organization, rest) = path.split_once('/')?;
    (request.method() == Method::POST && matches!(rest, "events" | "events/batch")).then_some(organization)
}

impl Pace {
    fn new(aws: EmbeddedAws, queue_url: &str) -> Self {
        let (lines, learned, hasher) = (std::sync::Mutex::default(), std::sync::Mutex::default(), RandomState::new());
        Self { aws, queue_url: queue_url.to_owned(), lines, learned, hasher }
    }

    fn enter(&self, organization: &str, credentials: u64) -> Publishing<'_> {
        let caller = (organization.into(), credentials);
        let mut lines = self.lines();
        let line = Arc::clone(lines.entry(caller.clone()).or_default());
        line.entered.fetch_add(1, Ordering::Relaxed);
        Publishing { pace: self, caller, line }
    }

    fn learned(&self) -> MutexGuard<'_, HashMap<Box<str>, f64>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Caller, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A publish request. The caller's entry is removed when its last request ends, so paths with unknown organizations
/// leave no entries behind.
struct Publishing<'a> {
    pace: &'a Pace,
    caller: Caller,
    line: Arc<Line>,
}

impl Publishing<'_> {
    /// Waits for this request's turn, and then until fewer deliveries of its organization are queued or being
    /// published. The second wait takes at most `longest`.
    async fn wait(&self, longest: Duration) {
        let _turn = self.line.turn.lock().await;
        let latest = Instant::now() + longest;
        while Instant::now() < latest && self.is_ahead(Instant::now()) {
            sleep(LOOK).await;
        }
    }

    /// Whether the number of deliveries reached [`ON_THEIR_WAY`] and the consumer has received messages in the last
    /// [`STANDSTILL`].
    fn is_ahead(&self, now: Instant) -> bool {
        let flow = self.flow();
        let mut seen = self.seen();
        let seen = seen.get_or_insert_with(|| {
            let deliveries_per_request = self.pace.learned().get(&self.caller.0).copied().unwrap_or(1.0);
            Seen { flow, received_at: now, deliveries_per_request }
        });
        if seen.flow.received != flow.received {
            seen.flow.received = flow.received;
            seen.received_at = now;
        }
        let under_way = self.line.under_way.load(Ordering::Relaxed) as f64 * seen.deliveries_per_request;
        under_way + flow.visible as f64 >= ON_THEIR_WAY && now < seen.received_at + STANDSTILL
    }

    fn begin(&self) -> UnderWay<'_> {
        self.line.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.line)
    }

    /// Updates the moving average with the messages that were sent since the last request ended.
    fn learn(&self) {
        let sent = self.flow().sent;
        if let Some(seen) = self.seen().as_mut() {
            let since = sent.saturating_sub(seen.flow.sent) as f64;
            seen.flow.sent = seen.flow.sent.max(sent);
            seen.deliveries_per_request += (since.max(1.0) - seen.deliveries_per_request) * SMOOTHING;
            // Only an existing organization has sent messages, so unknown organizations in paths add no entries.
            if sent > 0 {
                self.pace.learned().insert(self.caller.0.clone(), seen.deliveries_per_request);
            }
        }
    }

    fn flow(&self) -> Flow {
        self.pace.aws.flow(&self.pace.queue_url, &self.caller.0)
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.line.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        let mut lines = self.pace.lines();
        if self.line.entered.fetch_sub(1, Ordering::Relaxed) == 1 {
            lines.remove(&self.caller);
        }
    }
}

/// Counts a request as in progress until it is dropped, even if the client disconnects.
struct UnderWay<'a>(&'a Line);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::Client;
    use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
    use futures_util::poll;
    use std::pin::pin;

    use super::*;
    use crate::aws::Storage;

    const HOUR: Duration = Duration::from_secs(60 * 60);

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
        let (publishing, other) = (pace.enter("a", 0), pace.enter("b", 0));
        let now = Instant::now();
        for _ in 0..13 {
            assert!(!publishing.is_ahead(now));
            send_ten(&client, &url, "a").await;
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
        let (publishing, other) = (pace.enter("a", 0), pace.enter("b", 0));
        let now = Instant::now();
        let under_way: Vec<_> = (0..64).map(|_| publishing.begin()).collect();
        assert!(!publishing.is_ahead(now), "64 requests with a delivery each");
        let others: Vec<_> = (0..64).map(|_| other.begin()).collect();
        for _ in 0..20 {
            send_ten(&client, &url, "a").await;
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
            let publishing = pace.enter("a", 0);
            publishing.is_ahead(Instant::now());
            send_ten(&client, &url, "a").await;
            publishing.learn();
        }
        let unknown = pace.enter("b", 0);
        unknown.is_ahead(Instant::now());
        unknown.learn();
        drop(unknown);
        client.purge_queue().queue_url(&url).send().await.unwrap();
        assert_eq!(pace.learned().keys().map(|name| &**name).collect::<Vec<_>>(), ["a"]);
        let publishing = pace.enter("a", 0);
        let _under_way: Vec<_> = (0..64).map(|_| publishing.begin()).collect();
        assert!(publishing.is_ahead(Instant::now()), "64 requests with nearly ten deliveries each");
    }

    #[tokio::test]
    async fn a_request_waits_until_fewer_deliveries_are_queued() {
        let (client, url, pace) = queue().await;
        let (first, second) = (pace.enter("a", 0), pace.enter("a", 0));
        for _ in 0..26 {
            send_ten(&client, &url, "a").await;
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
        let publishing = pace.enter("a", 0);
        for _ in 0..26 {
            send_ten(&client, &url, "a").await;
        }
        assert!(poll!(pin!(publishing.wait(Duration::ZERO))).is_ready());
    }

    #[tokio::test]
    async fn the_longest_wait_of_a_request_begins_with_its_turn() {
        let (client, url, pace) = queue().await;
        let (first, second) = (pace.enter("a", 0), pace.enter("a", 0));
        for _ in 0..26 {
            send_ten(&client, &url, "a").await;
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
        let (one, other) = (pace.enter("a", 0), pace.enter("a", 0));
        drop(one);
        assert_eq!(pace.lines().len(), 1);
        drop(other);
        assert_eq!(pace.lines().len(), 0);
    }

    #[test]
    fn only_publish_requests_wait() {
        for (method, path, expected) in [
            (Method::POST, "/v1/organizations/o/events", Some("o")),
            (Method::POST, "/v1/organizations/o/events/batch", Some("o")),
            (Method::GET, "/v1/organizations/o/events", None),
            (Method::POST, "/v1/organizations/o/webhooks/endpoints", None),
            (Method::POST, "/v1/organizations/o/webhooks/events", None),
        ] {
            let request = axum::http::Request::builder().method(method).uri(path).body(axum::body::Body::empty());
            assert_eq!(publisher(&request.unwrap()), expected, "{path}");
        }
    }
}
