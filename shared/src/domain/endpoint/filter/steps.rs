//! The work of filters, counted in steps so that it can be bounded. A step takes at most about ten nanoseconds.

use std::cell::Cell;

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

/// Divides the steps for one event among the filters that are compared with it. A filter leaves what it does not take to
/// those after it, and cannot take their share.
#[derive(Debug)]
pub struct StepBudget {
    left: u64,
    filters: u64,
}

impl StepBudget {
    /// The budget of an event with which this many filters are compared.
    pub const fn new(filters: usize) -> Self {
        Self { left: MAX_EVENT_STEPS, filters: filters as u64 }
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
        let mut budget = StepBudget::new(100);
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
        assert_eq!(StepBudget::new(1).share().most, MAX_FILTER_STEPS);
        assert_eq!(budget.share().most, 0);
    }
}
