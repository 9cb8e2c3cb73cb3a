//! Requests of recoveries and replays while an earlier job with the same id is stored.

use std::time::Duration;

use super::{Cursor, Job, JobState, Work};

/// A request that is repeated within this time joins the same replay although that has ended: the client may not have got
/// the response. Otherwise the repetition of a replay of everything would send again what the first one delivered.
const JOINED_FOR: Duration = Duration::from_secs(60);

/// A job that is requested within this time after another one with its id shares its initial deliveries, which have no rate.
const SHARED_FOR: Duration = Duration::from_secs(10 * 60);

/// What a stored replay of an endpoint by events means for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// The request joins it.
    Joined,
    /// It is open and selects something else, so the request is refused.
    InTheWay,
    /// It has ended, and the requested one replaces it.
    Over,
}

impl Job {
    /// What an earlier replay of the same endpoint by events means for this one, which is requested.
    pub fn after_earlier(&self, earlier: &Self) -> Earlier {
        let (Work::Replay(_, own), Work::Replay(_, other)) = (&self.work, &earlier.work) else { return Earlier::Over };
        let is_same = own.to_string() == other.to_string();
        let is_complete = earlier.before().map(Cursor::Delivery) == Some(earlier.pass.from);
        match earlier.state {
            JobState::Open(_) if is_same => Earlier::Joined,
            JobState::Open(_) => Earlier::InTheWay,
            JobState::Done(_) if is_same && is_complete && self.since < earlier.since.plus(JOINED_FOR) => {
                Earlier::Joined
            }
            JobState::Done(_) | JobState::Cancelled(_) => Earlier::Over,
        }
    }

    /// This job, requested later than the one that it replaces. So their [runs](Job::run) differ.
    #[must_use]
    pub fn replacing(self, earlier: &Self) -> Self {
        let since = self.since.max(earlier.since.plus(Duration::from_millis(1)));
        Self::new(&self.organization, self.work, since).sharing(earlier)
    }

    /// This new job, after an earlier one with the same id. If that was requested less than ten minutes before, this one
    /// has only those initial deliveries that it left: repeated requests do not exceed the rate.
    #[must_use]
    pub fn sharing(self, earlier: &Self) -> Self {
        let is_shared = self.since < earlier.since.plus(SHARED_FOR);
        Self { pace: if is_shared { self.pace.sharing(&earlier.pace) } else { self.pace }, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, at, replay, types};
    use super::super::{Page, Replay, Replayed};
    use super::*;
    use crate::domain::endpoint::tests::endpoint;
    use crate::domain::ids::DeliveryId;

    #[test]
    fn an_earlier_replay_is_joined_in_the_way_or_over() {
        let own = endpoint();
        let of = |replay: Replay, since| Job::new(&own.organization, Work::Replay(own.id, replay), at(since));
        let all = replay(Replayed::All);
        let earlier = of(Replay { event_types: types(&["a", "b"]), ..all.clone() }, 100);
        let (done, early) = (earlier.at(0, at(100)).after(&Page::default(), at(101)), earlier.ended(at(101)));
        let cancelled = earlier.cancelled(at(101)).unwrap();
        for (name, stored, same, other) in [
            ("open", &earlier, Earlier::Joined, Earlier::InTheWay),
            ("done", &done, Earlier::Joined, Earlier::Over),
            ("ended early", &early, Earlier::Over, Earlier::Over),
            ("cancelled", &cancelled, Earlier::Over, Earlier::Over),
        ] {
            let requested = of(Replay { event_types: types(&["b", "a"]), ..all.clone() }, 102);
            assert_eq!(requested.after_earlier(stored), same, "{name}");
            assert_eq!(of(all.clone(), 102).after_earlier(stored), other, "{name}");
            assert_eq!(of(replay(Replayed::Missed), 102).after_earlier(stored), other, "{name}");
        }
        for (since, expected) in [(159, Earlier::Joined), (160, Earlier::Over)] {
            let requested = of(Replay { event_types: types(&["a", "b"]), ..all.clone() }, since);
            assert_eq!(requested.after_earlier(&done), expected, "{since}");
        }
        let same_time = of(all.clone(), 100).replacing(&earlier);
        assert_eq!(same_time.since, at(100).plus(Duration::from_millis(1)));
        assert_eq!(of(all.clone(), 101).replacing(&earlier), of(all, 101));
    }

    #[test]
    fn a_job_has_the_initial_deliveries_that_one_of_the_last_ten_minutes_left() {
        let own = endpoint();
        let requested = |since| Job::new(&own.organization, Work::Replay(own.id, replay(Replayed::All)), at(since));
        let after = |job: &Job, paced| {
            let page = Page { last: Some(DeliveryId::first_at(NOW)), paced, ..Page::default() };
            job.at(0, job.since).after(&page, job.since)
        };
        let first = requested(0);
        for (name, earlier, since, expected) in [
            ("none used", first.clone(), 599, 500),
            ("some used", after(&first, 120), 599, 380),
            ("some used, and cancelled", after(&first, 120).cancelled(at(1)).unwrap(), 599, 380),
            ("all used", after(&first, 500), 599, 0),
            ("in a step", after(&after(&first, 500), 1), 599, 0),
            ("ten minutes later", after(&first, 500), 600, 500),
        ] {
            for job in [requested(since).sharing(&earlier), requested(since).replacing(&earlier)] {
                assert_eq!((job.pace.left, job.since), (expected, at(since)), "{name}");
            }
        }
        let paced = requested(1).sharing(&after(&first, 500));
        assert!(!paced.pace.is_before_steps());
        assert_eq!(paced.at(0, at(1)).pace.per_second, 100);
    }
}
