//! Messages of the ingest queue: which of them are published together, and how long they wait if their organization has
//! reached its rate.

use std::time::Duration;

/// Most deliveries of the requests that are published together, unless one request alone may have more. As the deliveries are
/// not known before, each event counts with all endpoints of its organization.
const MAX_TOGETHER: u64 = 50_000;
/// Requests begin only if at least this time is left to the invocation: 50,000 deliveries take 6 s, or twice as long if all
/// are parked.
const BEGINS_WITH: Duration = Duration::from_secs(15);

/// The pause grows by this much with each receive.
const PAUSE_FOR_EACH_RECEIVE: Duration = Duration::from_secs(6);
/// The longest pause: the longest delay of a message.
const MAX_PAUSE: Duration = Duration::from_secs(900);

/// How many deliveries a request may have, and how often its message was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The number of its events.
    pub events: usize,
    /// The number of its organization's endpoints.
    pub endpoints: u64,
    /// How often its message was received, this time included.
    pub receives: u32,
}

impl Size {
    fn deliveries(self) -> u64 {
        (self.events as u64).saturating_mul(self.endpoints)
    }
}

/// Divides requests into groups that are published one after the other. Small requests are first, so that they do not wait
/// for large ones of other organizations. Each receive lets a request count as smaller, so that none waits for ever. The
/// numbers are positions in `sizes`.
pub fn groups(sizes: &[Size]) -> Vec<Vec<usize>> {
    let mut order: Vec<_> = sizes.iter().copied().enumerate().collect();
    order.sort_by_key(|(_, size)| size.deliveries() / u64::from(size.receives.max(1)));
    let (mut groups, mut together) = (Vec::<Vec<usize>>::new(), 0_u64);
    for (at, size) in order {
        together = together.saturating_add(size.deliveries());
        match groups.last_mut().filter(|_| together <= MAX_TOGETHER) {
            Some(group) => group.push(at),
            None => {
                together = size.deliveries();
                groups.push(vec![at]);
            }
        }
    }
    groups
}

/// Whether a group of requests may begin. The first one always begins.
pub fn may_begin(is_first: bool, left: Duration) -> bool {
    is_first || left >= BEGINS_WITH
}

/// How a message waits whose organization has reached its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It is hidden for this time. A queue has at most 120,000 such messages.
    Hidden(Duration),
    /// A copy with this delay replaces it. Any number of messages can wait so.
    AsCopy(Duration),
}

impl Wait {
    /// The wait of a message whose request can succeed after this time, at the earliest. `receives` is how often the message
    /// was received, those that it is a copy of and this time included.
    pub fn new(after: Duration, receives: u32) -> Self {
        let pause = after.max(PAUSE_FOR_EACH_RECEIVE * receives.saturating_sub(1)).min(MAX_PAUSE);
        if receives <= 1 { Self::Hidden(pause) } else { Self::AsCopy(pause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_requests_are_first_and_a_group_has_a_bounded_number_of_deliveries() {
        for (sizes, expected) in [
            (&[][..], &[][..]),
            (&[(1, 1, 1), (1, 1, 1), (1, 0, 1)], &[&[2, 0, 1][..]]),
            (&[(100, 500, 1), (1, 10, 1)], &[&[1], &[0]]),
            (&[(100, 499, 1), (1, 10, 1)], &[&[1, 0]]),
            (&[(100, 8_000, 1), (100, 400, 1), (1, 1, 1), (10, 1_000, 1)], &[&[2, 3], &[1], &[0]]),
            (&[(100, 400, 1), (100, 450, 2)], &[&[1], &[0]]),
            (&[(usize::MAX, u64::MAX, 0), (1, 1, 1)], &[&[1], &[0]]),
        ] {
            let size = |&(events, endpoints, receives)| Size { events, endpoints, receives };
            let sizes: Vec<_> = sizes.iter().map(size).collect();
            assert_eq!(groups(&sizes), expected, "{sizes:?}");
        }
    }

    #[test]
    fn a_group_begins_if_it_is_the_first_one_or_enough_time_is_left() {
        for (is_first, seconds, expected) in [(true, 0, true), (false, 14, false), (false, 15, true)] {
            assert_eq!(may_begin(is_first, Duration::from_secs(seconds)), expected, "{is_first}, {seconds}");
        }
    }

    #[test]
    fn a_wait_is_as_long_as_the_limit_requires_and_grows_with_each_receive() {
        let seconds = Duration::from_secs;
        for (after, receives, expected) in [
            (1, 0, Wait::Hidden(seconds(1))),
            (1, 1, Wait::Hidden(seconds(1))),
            (2_000, 1, Wait::Hidden(seconds(900))),
            (1, 2, Wait::AsCopy(seconds(6))),
            (20, 2, Wait::AsCopy(seconds(20))),
            (20, 5, Wait::AsCopy(seconds(24))),
            (1, 635, Wait::AsCopy(seconds(900))),
            (1, u32::MAX, Wait::AsCopy(seconds(900))),
        ] {
            assert_eq!(Wait::new(seconds(after), receives), expected, "{after}, {receives}");
        }
    }
}
