//! The work of filters, counted in steps so that it can be bounded. A step takes at most about ten nanoseconds.

use std::cell::Cell;

/// Most steps of all filters together for all events of one request: about half a second of a processor at most, or 1.7 s
/// with a third of one. A hundred events and 8,000 filters have over 60 steps for each comparison, so an ordinary filter,
/// which takes some 30, is always decided.
pub const MAX_REQUEST_STEPS: u64 = 50_000_000;
/// Most steps of all filters together for one event: about a tenth of a second at most.
pub const MAX_EVENT_STEPS: u64 = 10_000_000;
/// Most steps of one filter for one event.
pub const MAX_FILTER_STEPS: u64 = 2_000_000;

/// Counts the steps of one comparison, up to a limit.
#[derive(Debug)]
pub struct Steps {
    most: u64,
    /// `None` once more steps were needed than there were.
    left: Cell<Option<u64>>,
}

impl Steps {
    /// At most this many steps.
    pub const fn new(most: u64) -> Self {
        Self { most, left: Cell::new(Some(most)) }
    }

    /// How many steps were taken.
    pub fn taken(&self) -> u64 {
        self.most - self.left.get().unwrap_or_default()
    }

    /// Whether more steps were needed than there were.
    pub const fn are_exceeded(&self) -> bool {
        self.left.get().is_none()
    }

    /// Takes steps. Returns false if there are too few, now or earlier.
    pub(super) fn take(&self, steps: usize) -> bool {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(steps as u64)));
        !self.are_exceeded()
    }
}

/// Divides the steps for a request among its events. An event leaves what it does not take to those after it, and cannot
/// take their share.
#[derive(Debug)]
pub struct RequestSteps {
    left: u64,
    events: u64,
}

impl RequestSteps {
    /// The steps of a request with this many events.
    pub const fn new(events: usize) -> Self {
        Self { left: MAX_REQUEST_STEPS, events: events as u64 }
    }

    /// Divides the steps of one request among several that are planned together and have these numbers of events. None
    /// can take another one's share.
    pub fn divided(events: &[usize]) -> Vec<Self> {
        let all = events.iter().map(|events| *events as u64).sum::<u64>().max(1);
        events
            .iter()
            .map(|&events| events as u64)
            .map(|own| Self { left: MAX_REQUEST_STEPS / all * own, events: own })
            .collect()
    }

    /// The same steps for this many events, if some of the request's are not compared with filters.
    #[must_use]
    pub const fn among(self, events: usize) -> Self {
        Self { events: events as u64, ..self }
    }

    /// The steps of the next event, with which this many filters are compared.
    pub fn share(&self, filters: usize) -> StepBudget {
        let share = self.left.checked_div(self.events).unwrap_or_default();
        StepBudget { of_event: share.min(MAX_EVENT_STEPS), left: share.min(MAX_EVENT_STEPS), filters: filters as u64 }
    }

    /// Records what the event has taken of its [`share`](Self::share).
    pub fn settle(&mut self, share: &StepBudget) {
        self.left = self.left.saturating_sub(share.taken());
        self.events = self.events.saturating_sub(1);
    }

    /// The steps that are left for further events.
    pub const fn left(&self) -> u64 {
        self.left
    }
}

/// Divides the steps for one event among the filters that are compared with it. A filter leaves what it does not take to
/// those after it, and cannot take their share.
#[derive(Debug)]
pub struct StepBudget {
    of_event: u64,
    left: u64,
    filters: u64,
}

impl StepBudget {
    /// How many steps the filters have taken.
    const fn taken(&self) -> u64 {
        self.of_event.saturating_sub(self.left)
    }

    /// The steps of the next filter.
    pub fn share(&self) -> Steps {
        let share = self.left.checked_div(self.filters).unwrap_or_default();
        Steps::new(share.min(MAX_FILTER_STEPS))
    }

    /// Records what the filter has taken of its [`share`](Self::share).
    pub fn settle(&mut self, share: &Steps) {
        self.left = self.left.saturating_sub(share.taken());
        self.filters = self.filters.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_up_to_their_limit() {
        let steps = Steps::new(10);
        for (take, enough, taken) in [(4, true, 4), (6, true, 10), (0, true, 10), (1, false, 10), (0, false, 10)] {
            assert_eq!((steps.take(take), steps.taken()), (enough, taken));
            assert_eq!(steps.are_exceeded(), !enough);
        }
    }

    #[test]
    fn a_filter_leaves_its_rest_to_later_ones_and_takes_none_of_their_share() {
        let mut budget = RequestSteps::new(1).share(100);
        for _ in 0..50 {
            let cheap = budget.share();
            assert!(cheap.take(100));
            budget.settle(&cheap);
        }
        let rest = (MAX_EVENT_STEPS - 5_000) / 50;
        for _ in 50..100 {
            let costly = budget.share();
            assert_eq!(costly.most, rest);
            assert!(costly.take(usize::try_from(rest).unwrap()) && !costly.take(1));
            budget.settle(&costly);
        }
        assert_eq!(RequestSteps::new(1).share(1).share().most, MAX_FILTER_STEPS);
        assert_eq!((budget.share().most, budget.taken()), (0, MAX_EVENT_STEPS));
    }

    /// Takes steps for an event with one filter, as many as it needs or its share has. Returns how many it took.
    fn take(request: &mut RequestSteps, needed: u64) -> u64 {
        let mut event = request.share(1);
        let filter = event.share();
        let taken = needed.min(filter.most);
        assert!(filter.take(usize::try_from(taken).unwrap()));
        event.settle(&filter);
        request.settle(&event);
        taken
    }

    #[test]
    fn an_event_leaves_its_rest_to_later_ones_and_takes_none_of_their_share() {
        let mut request = RequestSteps::new(100);
        assert_eq!((0..50).map(|_| take(&mut request, 30)).sum::<u64>(), 50 * 30);
        let rest = MAX_REQUEST_STEPS - 50 * 30;
        assert_eq!(take(&mut request, u64::MAX), rest / 50);
        assert_eq!(take(&mut request, 30), 30);
        let of_the_others: Vec<_> = (52..100).map(|_| take(&mut request, u64::MAX)).collect();
        assert!(of_the_others.iter().all(|taken| *taken >= rest / 50), "{of_the_others:?}");
        assert!(request.left() < 100 && take(&mut request, 1) == 0, "{request:?}");
    }

    #[test]
    fn no_event_has_more_steps_than_one_that_is_published_alone() {
        assert_eq!(RequestSteps::new(1).share(100).left, MAX_EVENT_STEPS);
        assert_eq!(RequestSteps::new(2).share(100).left, MAX_EVENT_STEPS);
        assert_eq!(RequestSteps::new(100).share(100).left, MAX_REQUEST_STEPS / 100);
    }

    #[test]
    fn requests_that_are_planned_together_have_the_steps_of_one() {
        for (events, expected) in
            [(&[1][..], &[50_000_000][..]), (&[100, 0, 25], &[40_000_000, 0, 10_000_000]), (&[0], &[0]), (&[], &[])]
        {
            let divided = RequestSteps::divided(events);
            assert_eq!(divided.iter().map(RequestSteps::left).collect::<Vec<_>>(), expected, "{events:?}");
        }
    }
}
