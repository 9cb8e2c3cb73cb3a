//! The pace of publishing: the events of an organization are accepted as fast as its deliveries are made.
//!
//! On AWS the consumer has processors of its own. Here it shares them with the publishers, who would otherwise fill the
//! queue first and leave the deliveries for later. A publish request waits while its organization has as many deliveries on
//! their way as the consumer makes in some ten milliseconds. It does not wait for long: deliveries to receivers that hang
//! must not stop publishers. It does not wait for other organizations' deliveries. Only the fast lane counts: deliveries of
//! the slow lane wait for their receivers.

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

/// How many deliveries of an organization may be on their way: visible in the fast lane's queue, or of requests that are
/// being published.
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

/// Delays publish requests.
struct Pace {
    aws: EmbeddedAws,
    queue_url: String,
    /// Those that have requests waiting or under way.
    lines: std::sync::Mutex<HashMap<Caller, Arc<Line>>>,
    /// How many deliveries the last requests of each organization had on average, if they had any.
    learned: std::sync::Mutex<HashMap<Box<str>, f64>>,
    hasher: RandomState,
}

/// An organization, and a hash of the credentials. Requests with wrong credentials have a line of their own, so that they
/// delay none of the organization's.
type Caller = (Box<str>, u64);

/// The publish requests of a caller.
#[derive(Default)]
struct Line {
    /// How many requests wait or are under way. It changes under the lock of the map.
    entered: AtomicU64,
    under_way: AtomicU64,
    /// Held by the request whose turn it is.
    turn: Mutex<()>,
    /// What the last look at the queue showed; `None` before the first.
    seen: std::sync::Mutex<Option<Seen>>,
}

#[derive(Clone, Copy)]
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

/// The organization that a request publishes for, as its path spells it.
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

/// A publish request. A caller is forgotten when the last of its requests ends, so paths that name no organization leave
/// nothing behind.
struct Publishing<'a> {
    pace: &'a Pace,
    caller: Caller,
    line: Arc<Line>,
}

impl Publishing<'_> {
    /// Waits for this request's turn, and then until few deliveries of its organization are on their way, or as long as
    /// `longest`.
    async fn wait(&self, longest: Duration) {
        let _turn = self.line.turn.lock().await;
        let latest = Instant::now() + longest;
        while Instant::now() < latest && self.is_ahead(Instant::now()) {
            sleep(LOOK).await;
        }
    }

    /// Whether more deliveries are on their way than the consumer can take at once, and it is taking some.
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

    /// Adds the messages that were sent since a request ended last to the average.
    fn learn(&self) {
        let sent = self.flow().sent;
        if let Some(seen) = self.seen().as_mut() {
            let since = sent.saturating_sub(seen.flow.sent) as f64;
            seen.flow.sent = seen.flow.sent.max(sent);
            seen.deliveries_per_request += (since.max(1.0) - seen.deliveries_per_request) * WEIGHT;
            // Only an organization that exists has sent something, so the map does not grow with paths of unknown organizations.
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

/// A request that is being handled, also when its client goes away meanwhile.
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

    /// A queue and the pace of publishing into it.
    async fn queue() -> (Client, String, Pace) {
        let epoch = Arc::new(|| std::time::SystemTime::UNIX_EPOCH);
        let aws = EmbeddedAws::open(&Storage::Memory, "127.0.0.1:1", epoch).unwrap();
        let client = Client::new(&aws.sdk_config());
        let url = client.create_queue().queue_name("q").send().await.unwrap().queue_url.unwrap();
        let pace = Pace::new(aws, &url);
        (client, url, pace)
    }

    /// Sends ten messages of an organization's endpoints.
    async fn send_ten(client: &Client, url: &str, organization: &str) {
        let entry = |n: usize| {
            let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body("m");
            entry.message_group_id(format!("{organization}#{}", n % 8)).build().unwrap()
        };
        let entries = Some((0..10).map(entry).collect());
        client.send_message_batch().queue_url(url).set_entries(entries).send().await.unwrap();
    }

    #[tokio::test]
    async fn publishing_is_ahead_while_much_is_visible_and_the_consumer_takes_some() {
        let (client, url, pace) = queue().await;
        let (publishing, other) = (pace.enter("a", 0), pace.enter("b", 0));
        let now = Instant::now();
        for _ in 0..26 {
            assert!(!publishing.is_ahead(now));
            send_ten(&client, &url, "a").await;
        }
        assert!(publishing.is_ahead(now), "260 are visible");
        assert!(!other.is_ahead(now), "none of another organization's");
        assert!(!publishing.is_ahead(now + 2 * STANDSTILL), "the consumer takes none");
        client.receive_message().queue_url(&url).send().await.unwrap();
        assert!(publishing.is_ahead(now + 3 * STANDSTILL), "it goes on");
        let four = client.receive_message().queue_url(&url).max_number_of_messages(4).send().await.unwrap();
        assert_eq!(four.messages().len(), 4);
        assert!(!publishing.is_ahead(now + 3 * STANDSTILL), "255 are visible");
    }

    #[tokio::test]
    async fn requests_under_way_count_as_many_deliveries_as_earlier_ones_of_the_organization_had() {
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
    async fn the_average_of_an_organization_outlives_its_last_request_and_an_unknown_organizations_does_not() {
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
    async fn a_request_waits_until_fewer_deliveries_are_on_their_way() {
        let (client, url, pace) = queue().await;
        let (first, second) = (pace.enter("a", 0), pace.enter("a", 0));
        for _ in 0..26 {
            send_ten(&client, &url, "a").await;
        }
        let (mut waits, mut next) = (pin!(first.wait(HOUR)), pin!(second.wait(Duration::ZERO)));
        assert!(poll!(&mut waits).is_pending());
        assert!(poll!(&mut next).is_pending(), "it is the first one's turn");
        client.purge_queue().queue_url(&url).send().await.unwrap();
        waits.await;
        next.await;
    }

    #[tokio::test]
    async fn a_request_whose_time_is_over_waits_no_longer() {
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
    async fn an_organization_is_forgotten_with_its_last_request() {
        let (_, _, pace) = queue().await;
        let (one, other) = (pace.enter("a", 0), pace.enter("a", 0));
        drop(one);
        assert_eq!(pace.lines().len(), 1);
        drop(other);
        assert_eq!(pace.lines().len(), 0);
    }

    #[test]
    fn only_requests_that_publish_are_held_back() {
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
