//! The publish requests of a caller: one after the other waits for its turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::{Caller, Pace};
use crate::aws::Flow;

/// The number of deliveries of an organization from which on its publish requests wait. Visible messages in the fast
/// lane's queue count, and the estimated deliveries of publish requests in progress.
const ON_THEIR_WAY: f64 = 128.0;
/// If the consumer receives no messages for this long, all its attempts wait for their receivers, and publish requests
/// do not wait. Shorter pauses of about ten milliseconds are normal while publishers keep the engine busy.
pub(super) const STANDSTILL: Duration = Duration::from_millis(200);
/// The interval at which a waiting request checks the queue.
const LOOK: Duration = Duration::from_millis(1);
/// The weight of one request in the moving average of deliveries per request.
const SMOOTHING: f64 = 0.1;

/// The publish requests of a caller.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The number of requests that wait or are in progress. It changes only while the map of callers is locked.
    pub(super) entered: AtomicU64,
    under_way: AtomicU64,
    /// Locked by the request whose turn it is.
    turn: Mutex<()>,
    /// The result of the last check of the queue. It is `None` before the first check.
    seen: std::sync::Mutex<Option<Seen>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    flow: Flow,
    received_at: Instant,
    pub(super) deliveries_per_request: f64,
}

/// A publish request. The caller's entry is removed when its last request ends, so paths with unknown organizations
/// leave no entries behind.
pub(super) struct Publishing<'a> {
    pub(super) pace: &'a Pace,
    pub(super) caller: Caller,
    pub(super) line: Arc<Line>,
}

impl Publishing<'_> {
    /// Waits for this request's turn, and then until fewer deliveries of its organization are queued or being
    /// published. The second wait takes at most `longest`.
    pub(super) async fn wait(&self, longest: Duration) {
        let _turn = self.line.turn.lock().await;
        let latest = Instant::now() + longest;
        while Instant::now() < latest && self.is_ahead(Instant::now()) {
            sleep(LOOK).await;
        }
    }

    /// Whether the number of deliveries reached [`ON_THEIR_WAY`] and the consumer has received messages in the last
    /// [`STANDSTILL`].
    pub(super) fn is_ahead(&self, now: Instant) -> bool {
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

    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.line.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.line)
    }

    /// Updates the moving average with the messages that were sent since the last request ended.
    pub(super) fn learn(&self) {
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

    pub(super) fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
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
pub(super) struct UnderWay<'a>(&'a Line);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
