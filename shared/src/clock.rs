//! The clock and the sources of randomness. No other module reads the system's clock or random numbers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::domain::ids::Random;
use crate::domain::time::Timestamp;

/// A source of the current time. Clones share the source.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system clock.
    pub fn system() -> Self {
        Self(Arc::new(|| {
            #[expect(clippy::disallowed_methods, reason = "this is the only module that reads the clock")]
            let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
            Timestamp::from_unix_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
        }))
    }

    /// A clock that calls `now` for the time.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Random bytes from the operating system, suitable for secrets.
#[expect(clippy::expect_used, reason = "without randomness no secret can be generated")]
pub fn secret_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Random bytes for an identifier. They are distinct, but not unpredictable.
pub fn id_bytes() -> Random {
    fastrand::u64(..).to_be_bytes()
}

/// A random number in 0..1, for jitter of delays.
pub fn jitter() -> f64 {
    fastrand::f64()
}

/// Waits before try number `tries`: not at all before try 0, then with exponential backoff and full jitter, at most
/// 1.6 seconds.
pub async fn back_off(tries: u32) {
    if tries > 0 {
        let longest = Duration::from_millis(25) * 2_u32.pow(tries.min(6));
        tokio::time::sleep(longest.mul_f64(jitter())).await;
    }
}
