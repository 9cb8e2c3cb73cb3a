//! The pace of publishing: events are accepted as fast as their deliveries are made.
//!
//! On AWS the consumer has processors of its own. Here it shares them with the publishers, who would otherwise fill the
//! queue first and leave the deliveries for later. A publish request waits while the deliveries on their way are as many as
//! the consumer makes in some ten milliseconds. It does not wait for long: deliveries to receivers that hang must not
//! stop the others' publishers.

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

/// How many deliveries may be on their way: visible in the queue, or of requests that are being published.
const ON_THEIR_WAY: f64 = 256.0;
/// The longest wait of the request whose turn it is.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// The consumer takes no messages for so long only if all its attempts wait for their receivers.
const STANDSTILL: Duration = Duration::from_millis(20);
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
    let flow = aws.flow(queue_url);
    let seen = std::sync::Mutex::new(Seen { flow, received_at: Instant::now(), deliveries_per_request: 1.0 });
    let (publishing, turn) = (AtomicU64::new(0), Mutex::new(()));
    let pace = Arc::new(Pace { aws, queue_url: queue_url.to_owned(), publishing, turn, seen });
    routes.layer(from_fn_with_state(pace, pass))
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
    /// Waits for this request's turn, and until few deliveries are on their way.
    async fn wait(&self) {
        let _turn = self.turn.lock().await;
        let latest = Instant::now() + LONGEST_WAIT;
        while self.is_ahead() && Instant::now() < latest {
            sleep(LOOK).await;
        }
    }

    /// Whether more deliveries are on their way than the consumer can take at once, and it is taking some.
    fn is_ahead(&self) -> bool {
        let (flow, now) = (self.aws.flow(&self.queue_url), Instant::now());
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
