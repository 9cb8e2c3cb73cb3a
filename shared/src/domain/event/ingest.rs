//! How long a message of the ingest queue waits if its organization has reached its rate.

use std::time::Duration;

/// The pause grows by this much with each receive. A message is received at most 635 times in the 14 days that the queue
/// keeps it, so it never becomes a dead letter for having been received 1,000 times.
const PAUSE_FOR_EACH_RECEIVE: Duration = Duration::from_secs(6);

/// The pause before the next receive of a message whose request can succeed after this time, at the earliest. `receives` is how
/// often the message was received, this time included.
pub fn pause(after: Duration, receives: u32) -> Duration {
    after.max(PAUSE_FOR_EACH_RECEIVE * receives.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_as_long_as_the_limit_requires_and_grows_with_each_receive() {
        for (after, receives, expected) in [(1, 0, 1), (1, 1, 1), (1, 2, 6), (20, 2, 20), (20, 5, 24), (1, 635, 3_804)]
        {
            assert_eq!(pause(Duration::from_secs(after), receives), Duration::from_secs(expected), "{receives}");
        }
    }

    #[test]
    fn a_message_expires_before_it_is_received_a_thousand_times() {
        let pauses: Duration = (1..=1_000).map(|receives| pause(Duration::from_secs(1), receives)).sum();
        assert!(pauses > Duration::from_secs(14 * 24 * 60 * 60));
    }
}
