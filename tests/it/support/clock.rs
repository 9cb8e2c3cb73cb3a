//! Time that a test moves instead of sleeping, and that no slow machine moves for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use shared::clock::Clock;
use shared::domain::time::Timestamp;

/// Starts at the system's time. It passes only as tests say, but for a microsecond at every look, so
/// that what happens later is later. Clones are the same clock.
#[derive(Debug, Clone)]
pub(crate) struct TestClock {
    started_at: Timestamp,
    passed_micros: Arc<AtomicU64>,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        Self { started_at: Clock::system().now(), passed_micros: Arc::default() }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.passed_micros.fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
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
