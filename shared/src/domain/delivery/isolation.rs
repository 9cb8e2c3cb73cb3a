//! Isolation: a task that may crash the process is processed when no other task of its batch is in progress.
//!
//! A process that crashes leaves no trace except messages that were received and not acknowledged. So a receive
//! without a recorded attempt counts as a sign of a crash. Throttling and outages of the table leave the same sign.

use std::collections::VecDeque;
use std::time::Duration;

use super::Delivery;
use super::ticket::{OnReceipt, Receipt};
use crate::domain::time::Timestamp;

/// If one process finishes this many suspicious tasks within [`SHORT_TIME`], throttling or an outage caused their
/// receives, since a crash resets the count. The time is enough for 30 tasks of 30 s each in sequence.
const MANY: usize = 30;
const SHORT_TIME: Duration = Duration::from_secs(30 * 60);

/// Whether an earlier receive of the message has no recorded attempt, so that the task may crash the process.
/// `false` for a message that is not processed.
pub fn is_suspicious(receipt: Receipt, record: Option<&Delivery>, read_at: Timestamp) -> bool {
    if receipt.on_receipt(record, read_at) != OnReceipt::Process {
        return false;
    }
    let log = record.map_or(&[][..], |record| &record.log);
    let is_own = |started_at: Timestamp| receipt.sent_at.is_none_or(|sent_at| sent_at <= started_at);
    let recorded = log.iter().filter(|attempt| is_own(attempt.started_at)).count();
    usize::try_from(receipt.receives.saturating_sub(1)).is_ok_and(|before| before > recorded)
}

/// Whether an earlier receive of a resend's message left no result. Its message is acknowledged after the first attempt.
pub const fn is_suspicious_resend(receipt: Receipt) -> bool {
    receipt.receives > 1
}

/// The order in which a batch is processed. Each number is the index of a task.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    /// The tasks that are processed first, concurrently.
    pub together: Vec<usize>,
    /// The tasks that are processed afterwards, one at a time.
    pub alone: Vec<usize>,
}

impl Order {
    /// The order of tasks. A suspicious task has a random number, and these numbers order the suspicious tasks.
    /// With `are_many`, no task is isolated ([`CompletedTasks::are_many`]).
    ///
    /// A task that crashes the process repeats each request of other tasks at most once: tasks that were processed
    /// together with it at the first crash are suspicious from then on, and no other task is in progress when a
    /// suspicious task is repeated.
    ///
    /// The number of receives does not order the tasks. A task that is postponed for lack of time is received once
    /// more each time, so such an order would postpone it forever. In random order each task has the same chance in
    /// every run.
    pub fn of(tasks: &[Option<u64>], are_many: bool) -> Self {
        let is_alone = |task: &usize| !are_many && tasks[*task].is_some();
        let (mut alone, together): (Vec<_>, Vec<_>) = (0..tasks.len()).partition(is_alone);
        alone.sort_unstable_by_key(|task| tasks[*task]);
        Self { together, alone }
    }
}

/// When a process finished its last suspicious tasks, the newest last.
#[derive(Debug, Default)]
pub struct CompletedTasks(VecDeque<Timestamp>);

impl CompletedTasks {
    /// Records that a suspicious task was finished at this time.
    pub fn record(&mut self, now: Timestamp) {
        if self.0.len() == MANY {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// Whether so many suspicious tasks were finished recently that throttling or an outage caused their receives.
    /// All tasks are then processed concurrently. In sequence they would take up to ten times as long.
    pub fn are_many(&self, now: Timestamp) -> bool {
        self.0.len() == MANY && self.0.front().is_some_and(|oldest| now.since(*oldest) <= SHORT_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::attempt::AttemptEntry;
    use crate::domain::delivery::tests::{NOW, delivery, in_seconds};
    use crate::domain::delivery::{DeliveryStatus, Mark};

    #[test]
    fn a_message_is_suspicious_if_it_has_more_earlier_receives_than_recorded_attempts() {
        let attempt =
            |number: u32, second: u64| AttemptEntry { number: Some(number), ..AttemptEntry::at(in_seconds(second)) };
        let retried = Delivery {
            status: DeliveryStatus::Retrying,
            log: vec![attempt(1, 1), attempt(2, 5), attempt(3, 9)],
            ..delivery()
        };
        let done = Delivery { status: DeliveryStatus::Success, ..retried.clone() };
        let held = Delivery { mark: Some(Mark::Held), ..retried.clone() };
        let sent = |second: u64| Some(in_seconds(second));
        for (receives, sent_at, record, expected) in [
            (1, Some(NOW), None, false),
            (2, Some(NOW), None, true),
            (9, Some(NOW), None, true),
            (0, Some(NOW), None, false),
            // Each retry of a hidden message adds a receive.
            (4, Some(NOW), Some(&retried), false),
            (5, Some(NOW), Some(&retried), true),
            (3, Some(NOW), Some(&retried), false),
            // A delayed copy was sent after the second attempt.
            (2, sent(6), Some(&retried), false),
            (3, sent(6), Some(&retried), true),
            (2, sent(9), Some(&retried), false),
            (2, sent(10), Some(&retried), true),
            (4, None, Some(&retried), false),
            // Messages that are acknowledged, whatever the number of receives.
            (9, Some(NOW), Some(&done), false),
            (9, Some(NOW), Some(&held), false),
        ] {
            let receipt = Receipt { ticket: None, sent_at, receives };
            let found = is_suspicious(receipt, record, in_seconds(10));
            assert_eq!(found, expected, "{receives} receives of a message sent at {sent_at:?}: {record:?}");
        }
    }

    #[test]
    fn suspicious_tasks_are_processed_one_at_a_time_in_random_order() {
        for (tasks, together, alone) in [
            (&[][..], &[][..], &[][..]),
            (&[None, None], &[0, 1], &[]),
            (&[Some(7), None, Some(3)], &[1], &[2, 0]),
            (&[Some(1), Some(7), Some(0), Some(2)], &[], &[2, 0, 3, 1]),
        ] {
            let expected = Order { together: together.to_vec(), alone: alone.to_vec() };
            assert_eq!(Order::of(tasks, false), expected, "{tasks:?}");
            let expected = Order { together: (0..tasks.len()).collect(), alone: Vec::new() };
            assert_eq!(Order::of(tasks, true), expected, "{tasks:?}");
        }
    }

    #[test]
    fn many_suspicious_tasks_finished_within_a_short_time_do_not_indicate_a_crash() {
        let mut completed = CompletedTasks::default();
        for second in 0..MANY as u64 {
            assert!(!completed.are_many(in_seconds(second)));
            completed.record(in_seconds(second));
        }
        assert!(completed.are_many(in_seconds(SHORT_TIME.as_secs())));
        assert!(!completed.are_many(in_seconds(SHORT_TIME.as_secs() + 1)));
        completed.record(in_seconds(SHORT_TIME.as_secs() + 1));
        assert!(completed.are_many(in_seconds(SHORT_TIME.as_secs() + 1)), "the oldest one is left out");
    }
}
