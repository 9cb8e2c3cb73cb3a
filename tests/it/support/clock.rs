//! Time that a test moves instead of sleeping, and that no slow machine moves for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use shared::clock::Clock;
use shared::domain::time::Timestamp;

/// Every fifth minute the sweep does more than in the others. A test begins in the one after, whenever it runs.
const FIFTH_MINUTE: i64 = 5 * 60;
const MINUTE: i64 = 60;

/// Starts within five minutes of the system's time. It passes only as tests say, but for a microsecond at every look,
/// so that what happens later is later. Clones are the same clock.
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

    /// Lets the time pass until the next minute in which the sweep takes stock.
    pub(crate) fn advance_to_stock_taking(&self) {
        let seconds = FIFTH_MINUTE - self.now().unix_seconds().rem_euclid(FIFTH_MINUTE);
        self.advance(Duration::from_secs(u64::try_from(seconds).unwrap()));
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.started_at.plus(Duration::from_micros(self.passed_micros.fetch_add(1, Ordering::SeqCst)))
    }

    /// The clock in the product's shape.
    pub(crate) fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::from_fn(move || clock.now())
    }

    /// The clock in the embedded engines' shape.
    pub(crate) fn engines(&self) -> pigeonpost::aws::Clock {
        let clock = self.clone();
        Arc::new(move || {
            let since_epoch = Duration::from_micros(u64::try_from(clock.now().unix_micros()).unwrap());
            SystemTime::UNIX_EPOCH + since_epoch
        })
    }
}
