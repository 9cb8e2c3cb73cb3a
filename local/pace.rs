//! Limits the rate of publishing to the rate at which the consumer makes deliveries, for each organization.
//!
//! On AWS the consumer has CPUs of its own. Here it shares them with the publishers, which would otherwise fill the
//! queue first and delay the deliveries. A publish request waits while the number of its organization's deliveries in
//! the queue or being published is at least what the consumer makes in about ten milliseconds. The wait is short, so
//! that deliveries to receivers that do not respond cannot stop publishers. Deliveries of other organizations do not
//! count. Only the fast lane counts, because deliveries in the slow lane wait for their receivers.
//!
//! A path names its organization by its id or by an external id. The latter is resolved by the function: the response to
//! the first request that succeeds says which organization the path names. Until then requests do not wait.

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
use shared::domain::ids::OrganizationId;
use shared::telemetry::RequestContext;
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

/// The beginning of the canonical paths of an organization.
const OF_ORGANIZATION: &str = "/v1/organizations/";

/// Delays publish requests.
#[derive(Debug)]
pub(crate) struct Pace {
    aws: EmbeddedAws,
    queue_url: String,
    /// The callers that have requests waiting or in progress.
    lines: std::sync::Mutex<HashMap<Caller, Arc<Line>>>,
    /// The organizations of the paths that name them by external ids.
    named: std::sync::Mutex<HashMap<Box<str>, Box<str>>>,
    /// The moving average of deliveries per request, for each organization that has sent messages.
    learned: std::sync::Mutex<HashMap<Box<str>, f64>>,
    hasher: RandomState,
}

/// The part of the path that names an organization, and a hash of the credentials. Requests with invalid credentials have a queue of their own, so they
/// cannot delay the organization's requests.
type Caller = (Box<str>, u64);

/// The publish requests of a caller.
#[derive(Debug, Default)]
struct Line {
    /// The number of requests that wait or are in progress. It changes only while the map of callers is locked.
    entered: AtomicU64,
    under_way: AtomicU64,
    /// Locked by the request whose turn it is.
    turn: Mutex<()>,
    /// The result of the last check of the queue. It is `None` before the first check.
    seen: std::sync::Mutex<Option<Seen>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    flow: Flow,
    received_at: Instant,
    deliveries_per_request: f64,
}

/// Adds the delay of publish requests to the routes.
pub(crate) fn at_pace_of_queue(routes: Router, pace: Arc<Pace>) -> Router {
    routes.layer(from_fn_with_state(pace, pass))
}

async fn pass(State(pace): State<Arc<Pace>>, request: Request, next: Next) -> Response {
    let Some(name) = publisher(&request) else { return next.run(request).await };
    let credentials = pace.hasher.hash_one(request.headers().get(AUTHORIZATION));
    let publishing = pace.enter(name, credentials);
    publishing.wait(LONGEST_WAIT).await;
    let under_way = publishing.begin();
    let response = next.run(request).await;
    drop(under_way);
    let organization = response.extensions().get::<RequestContext>().and_then(RequestContext::organization);
    if let Some(organization) = organization.filter(|_| response.status().is_success()) {
        pace.name(&publishing.caller.0, organization);
    }
    publishing.learn();
    response
}

/// The beginning of a publish request's path, which ends with the name of an organization. It is `None` for other
/// requests.
fn publisher(request: &Request) -> Option<&str> {
    let path = request.uri().path();
    let path = path.strip_suffix('/').unwrap_or(path);
    let (prefix, suffixes) = match path {
        _ if path.starts_with(OF_ORGANIZATION) => (OF_ORGANIZATION, &["/events", "/events/batch"][..]),
        _ => ("/api/v1/app/", &["/msg"][..]),
    };
    let is_name = |path: &&str| path.strip_prefix(prefix).is_some_and(|name| !name.is_empty() && !name.contains('/'));
    let name = suffixes.iter().find_map(|suffix| path.strip_suffix(suffix).filter(is_name));
    name.filter(|_| request.method() == Method::POST)
}

impl Pace {
    /// The pace of publishing into this queue.
    pub(crate) fn new(aws: EmbeddedAws, queue_url: &str) -> Self {
        Self {
            aws,
            queue_url: queue_url.to_owned(),
            lines: std::sync::Mutex::default(),
            named: std::sync::Mutex::default(),
            learned: std::sync::Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// Waits until publishing for all of these organizations may go on, or as long as a request waits at most.
    pub(crate) async fn wait_for(&self, organizations: impl Iterator<Item = OrganizationId>) {
        let latest = Instant::now() + LONGEST_WAIT;
        for organization in organizations {
            let publishing = self.enter(&format!("{OF_ORGANIZATION}{organization}"), 0);
            publishing.wait(latest.saturating_duration_since(Instant::now())).await;
        }
    }

    /// Records which organization a path names by an external id. Only existing organizations are recorded.
    fn name(&self, path: &str, organization: &str) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if organization_in(path).is_none() && named.get(path).is_none_or(|known| **known != *organization) {
            named.insert(path.into(), organization.into());
        }
    }

    /// The organization that a path names; `None` if it is not known.
    fn organization(&self, path: &str) -> Option<Box<str>> {
        let named = || self.named.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        organization_in(path).map(|id| id.as_str().into()).or_else(named)
    }

    fn enter(&self, name: &str, credentials: u64) -> Publishing<'_> {
        let caller = (name.into(), credentials);
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
        let Some((organization, flow)) = self.flow() else { return false };
        let mut seen = self.seen();
        let seen = seen.get_or_insert_with(|| {
            let deliveries_per_request = self.pace.learned().get(&organization).copied().unwrap_or(1.0);
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
        let Some((organization, Flow { sent, .. })) = self.flow() else { return };
        if let Some(seen) = self.seen().as_mut() {
            let since = sent.saturating_sub(seen.flow.sent) as f64;
            seen.flow.sent = seen.flow.sent.max(sent);
            seen.deliveries_per_request += (since.max(1.0) - seen.deliveries_per_request) * SMOOTHING;
            // Only an existing organization has sent messages, so unknown organizations in paths add no entries.
            if sent > 0 {
                self.pace.learned().insert(organization, seen.deliveries_per_request);
            }
        }
    }

    /// The organization and its messages; `None` if it is not known.
    fn flow(&self) -> Option<(Box<str>, Flow)> {
        let organization = self.pace.organization(&self.caller.0)?;
        let flow = self.pace.aws.flow(&self.pace.queue_url, &organization);
        Some((organization, flow))
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

/// The organization that a path names by its id.
fn organization_in(path: &str) -> Option<OrganizationId> {
    OrganizationId::parse(path.strip_prefix(OF_ORGANIZATION)?).ok()
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

    #[test]
    fn only_publish_requests_wait() {
        for (method, path, expected) in [
            (Method::POST, "/v1/organizations/o/events", Some("/v1/organizations/o")),
            (Method::POST, "/v1/organizations/ext:o/events/batch", Some("/v1/organizations/ext:o")),
            (Method::POST, "/api/v1/app/o/msg", Some("/api/v1/app/o")),
            (Method::POST, "/api/v1/app/o/msg/", Some("/api/v1/app/o")),
            (Method::GET, "/api/v1/app/o/msg", None),
            (Method::POST, "/api/v1/app/o/endpoint", None),
            (Method::POST, "/api/v1/app/o/msg/m/expunge-all-contents", None),
            (Method::GET, "/v1/organizations/o/events", None),
            (Method::POST, "/v1/organizations/o/webhooks/endpoints", None),
            (Method::POST, "/v1/organizations/o/webhooks/events", None),
        ] {
            let request = axum::http::Request::builder().method(method).uri(path).body(axum::body::Body::empty());
            assert_eq!(publisher(&request.unwrap()), expected, "{path}");
        }
    }
}
