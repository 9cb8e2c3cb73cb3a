//! Isolation: which tasks of a batch are processed one after another, because one of them may end the process.
//!
//! A process that dies leaves no note, only messages that were received and not dealt with. So a receive without a
//! recorded attempt counts as the sign of a crash. Throttling and outages of the table leave the same sign.

use std::collections::VecDeque;
use std::time::Duration;

use super::delivery::Delivery;
use super::ticket::{OnReceipt, Receipt};
use super::time::Timestamp;

/// After so many suspicious tasks, finished within this time by one process, their receives are put down to something
/// else than a crash. One that ends the process has at most nine others with it, and comes back after six minutes.
const MANY: usize = 30;
const SHORT_TIME: Duration = Duration::from_secs(5 * 60);

/// How many receives of a message before this one left neither a recorded attempt nor a result that makes another
/// attempt unnecessary. 0 for a message that would not be processed.
pub fn unaccounted_receives(receipt: Receipt, record: Option<&Delivery>, read_at: Timestamp) -> u32 {
    if receipt.on_receipt(record, read_at) != OnReceipt::Process {
        return 0;
    }
    let log = record.map_or(&[][..], |record| &record.log);
    let is_own = |started_at: Timestamp| receipt.sent_at.is_none_or(|sent_at| sent_at <= started_at);
    let recorded = log.iter().filter(|attempt| is_own(attempt.started_at)).count();
    receipt.receives.saturating_sub(1).saturating_sub(u32::try_from(recorded).unwrap_or(u32::MAX))
}

/// The order in which a batch is processed. Tasks are named by their index.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    /// Processed first, at the same time.
    pub together: Vec<usize>,
    /// Processed one after another, when all others are finished.
    pub alone: Vec<usize>,
}

impl Order {
    /// The order of tasks with these unaccounted receives, each with a random number. The task with the most unaccounted
    /// receives is the last one; the random numbers order equal ones. Nothing is isolated while the process finishes
    /// many suspicious tasks ([`Finished::are_many`]).
    ///
    /// A task that ends the process so repeats no request of the others more than once: a task that was with it when it
    /// did so for the first time is suspicious itself from then on, and when it is repeated, no other task is under way.
    pub fn of(tasks: &[(u32, u64)], are_many: bool) -> Self {
        let is_alone = |task: &usize| !are_many && tasks[*task].0 > 0;
        let (mut alone, together): (Vec<_>, Vec<_>) = (0..tasks.len()).partition(is_alone);
        alone.sort_unstable_by_key(|task| tasks[*task]);
        Self { together, alone }
    }
}

/// When a process finished suspicious tasks, newest last.
#[derive(Debug, Default)]
pub struct Finished(VecDeque<Timestamp>);

impl Finished {
    /// Notes that a suspicious task was finished at this time.
    pub fn note(&mut self, now: Timestamp) {
        if self.0.len() == MANY {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// Whether so many were finished lately that their receives come from throttling or an outage. All tasks are then
    /// processed together: one after another they would take up to ten times as long.
    pub fn are_many(&self, now: Timestamp) -> bool {
        self.0.len() == MANY && self.0.front().is_some_and(|oldest| now.since(*oldest) <= SHORT_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::super::attempt::AttemptEntry;
    use super::super::delivery::tests::{NOW, delivery, in_seconds};
    use super::super::delivery::{DeliveryStatus, Mark};
    use super::*;

    #[test]
    fn receives_are_accounted_for_by_attempts_that_began_after_the_message_was_sent() {
        let attempt = |number: u32, second: u64| AttemptEntry {
            number,
            started_at: in_seconds(second),
            duration_ms: 1,
            response_status: Some(500),
            error: None,
            detail: None,
            body_cut: false,
        };
        let retried = Delivery {
            status: DeliveryStatus::Retrying,
            log: vec![attempt(1, 1), attempt(2, 5), attempt(3, 9)],
            ..delivery()
        };
        let done = Delivery { status: DeliveryStatus::Success, ..retried.clone() };
        let held = Delivery { mark: Some(Mark::Held), ..retried.clone() };
        let sent = |second: u64| Some(in_seconds(second));
        for (receives, sent_at, record, expected) in [
            (1, Some(NOW), None, 0),
            (2, Some(NOW), None, 1),
            (9, Some(NOW), None, 8),
            (0, Some(NOW), None, 0),
            // Each retry of a hidden message is a receive.
            (4, Some(NOW), Some(&retried), 0),
            (5, Some(NOW), Some(&retried), 1),
            (3, Some(NOW), Some(&retried), 0),
            // A delayed copy was sent after the second attempt.
            (2, sent(6), Some(&retried), 0),
            (3, sent(6), Some(&retried), 1),
            (2, sent(9), Some(&retried), 0),
            (2, sent(10), Some(&retried), 1),
            (4, None, Some(&retried), 0),
            // These are acknowledged, whatever happened before.
            (9, Some(NOW), Some(&done), 0),
            (9, Some(NOW), Some(&held), 0),
        ] {
            let receipt = Receipt { ticket: None, sent_at, receives };
            let found = unaccounted_receives(receipt, record, in_seconds(10));
            assert_eq!(found, expected, "{receives} receives of a message sent at {sent_at:?}: {record:?}");
        }
    }

    #[test]
    fn suspicious_tasks_come_one_by_one_the_most_often_received_last() {
        for (tasks, together, alone) in [
            (&[][..], &[][..], &[][..]),
            (&[(0, 7), (0, 1)], &[0, 1], &[]),
            (&[(1, 7), (0, 1), (1, 3)], &[1], &[2, 0]),
            (&[(9, 1), (1, 7), (3, 0), (1, 2)], &[], &[3, 1, 2, 0]),
        ] {
            let expected = Order { together: together.to_vec(), alone: alone.to_vec() };
            assert_eq!(Order::of(tasks, false), expected, "{tasks:?}");
            let expected = Order { together: (0..tasks.len()).collect(), alone: Vec::new() };
            assert_eq!(Order::of(tasks, true), expected, "{tasks:?}");
        }
    }

    #[test]
    fn many_finished_tasks_within_a_short_time_tell_of_something_else_than_a_crash() {
        let mut finished = Finished::default();
        for second in 0..MANY as u64 {
            assert!(!finished.are_many(in_seconds(second)));
            finished.note(in_seconds(second));
        }
        assert!(finished.are_many(in_seconds(SHORT_TIME.as_secs())));
        assert!(!finished.are_many(in_seconds(SHORT_TIME.as_secs() + 1)));
        finished.note(in_seconds(SHORT_TIME.as_secs() + 1));
        assert!(finished.are_many(in_seconds(SHORT_TIME.as_secs() + 1)), "the oldest one is left out");
    }
}
