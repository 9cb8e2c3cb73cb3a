//! A clock that tests advance instead of sleeping. It does not depend on the speed of the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use shared::clock::Clock;
use shared::domain::time::Timestamp;

/// The sweep does additional work in every fifth minute. A test's clock starts in the minute after such a one.
const FIFTH_MINUTE: i64 = 5 * 60;
const MINUTE: i64 = 60;

/// Starts within five minutes of the system's time. It advances only on request, and by a microsecond at each read, so
/// that later reads are later. Clones share the clock.
#[derive(Debug, Clone)]
pub(crate) struct TestClock {
    started_at: Timestamp,
    passed_micros: Arc<AtomicU64>,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        let now = Clock::system().now().unix_seconds();
        let started_at = Timestamp::from_unix_seconds(now - now.rem_euclid(FIFTH_MINUTE) + MINUTE);
        Self { started_at, passed_micros: Arc::default() }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.passed_micros.fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Advances to the next minute in which the sweep collects the backlog metrics.
    pub(crate) fn advance_to_backlog_metrics(&self) {
        let seconds = FIFTH_MINUTE - self.now().unix_seconds().rem_euclid(FIFTH_MINUTE);
        self.advance(Duration::from_secs(u64::try_from(seconds).unwrap()));
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.started_at.plus(Duration::from_micros(self.passed_micros.fetch_add(1, Ordering::SeqCst)))
    }

    /// The clock as the type of the product.
    pub(crate) fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::from_fn(move || clock.now())
    }

    /// The clock as the type of the embedded engines.
    pub(crate) fn engines(&self) -> pigeonpost::aws::Clock {
        let clock = self.clone();
        Arc::new(move || {
            let since_epoch = Duration::from_micros(u64::try_from(clock.now().unix_micros()).unwrap());
            SystemTime::UNIX_EPOCH + since_epoch
        })
    }
}
