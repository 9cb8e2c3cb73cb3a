//! Replays: an endpoint gets events of a span of time again, or for the first time.

use std::fmt;
use std::time::Duration;

use super::{JobRun, Recovery};
use crate::domain::delivery::ticket::Ticket;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::event::Event;
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::time::Timestamp;

/// A replay looks only at events that are at least this old. A publish request that began before has ended, and lists
/// contain what it wrote.
const SETTLED_EVENT: Duration = Duration::from_secs(60);

/// Selects what an endpoint gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Only events published at this time or later.
    pub since: Timestamp,
    /// Only events published before this time; `None` for no bound but that of [`Replay::before`].
    pub until: Option<Timestamp>,
    /// Only events of these types; empty for all types.
    pub event_types: Vec<Subscription>,
    /// Which deliveries are sent or made.
    pub what: Replayed,
}

/// Which deliveries a replay sends or makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// Failed and exhausted deliveries are retried, as by a recovery.
    Failed,
    /// A delivery is made for each event that the endpoint would receive now and for which it has none.
    Missed,
    /// Final deliveries, also successful ones, are sent again, and those that were missed are made.
    All,
}

/// What a replay does with an event, as far as the event shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfEvent {
    /// Nothing.
    Nothing,
    /// The endpoint does not receive the event. If it would now, it is added.
    Missing,
    /// The endpoint receives the event by this delivery, which is in its initial state. Its record decides.
    Delivery(Box<Delivery>),
}

/// What a replay does with a delivery, as its record shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfRecord {
    /// Nothing.
    Nothing,
    /// This run has sent the delivery before.
    Done,
    /// The delivery, which another replay added, has no record: it is recorded and sent.
    Make(Box<Delivery>),
    /// The delivery is sent again.
    Again(Box<Delivery>),
}

/// What a replay would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayCount {
    /// How many deliveries it would send or make.
    pub deliveries: usize,
    /// How many of these expire within a day.
    pub expiring: usize,
    /// Whether there may be more, since counting ended early.
    pub has_more: bool,
}

impl Replayed {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Failed, Self::Missed, Self::All];

    /// The name in storage and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Missed => "missed",
            Self::All => "all",
        }
    }

    /// The kind with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == text)
    }
}

/// Equal selections have equal texts: the order of the types does not matter. The job's id is derived from the text.
impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = self.until.map(Timestamp::rfc3339).unwrap_or_default();
        write!(f, "{} {until} {}", self.since.rfc3339(), self.what.as_str())?;
        let mut types: Vec<_> = self.event_types.iter().map(Subscription::to_string).collect();
        types.sort_unstable();
        types.dedup();
        types.iter().try_for_each(|name| write!(f, " {name}"))
    }
}

impl Replay {
    /// Whether the replay goes through the organization's events, and not through the endpoint's failed deliveries.
    pub const fn goes_by_events(&self) -> bool {
        !matches!(self.what, Replayed::Failed)
    }

    /// The time before which events must be published, for a request at this time.
    pub fn before(&self, requested_at: Timestamp) -> Timestamp {
        let latest = if self.goes_by_events() { requested_at.minus(SETTLED_EVENT) } else { requested_at };
        self.until.map_or(latest, |until| if self.goes_by_events() { until.min(latest) } else { until })
    }

    fn includes(&self, event_type: &EventType) -> bool {
        self.event_types.is_empty() || self.event_types.iter().any(|wanted| wanted.matches(event_type))
    }

    /// The failed delivery after a manual retry with this ticket, as [`Recovery::retried`].
    pub fn retried(
        &self,
        delivery: Delivery,
        run: JobRun,
        before: Option<DeliveryId>,
        now: Timestamp,
        ticket: Ticket,
    ) -> Option<Delivery> {
        let statuses = vec![DeliveryStatus::Failed, DeliveryStatus::Exhausted];
        let recovery = Recovery { since: self.since, until: self.until, statuses };
        let wanted = Some(delivery).filter(|delivery| self.includes(&delivery.event_type))?;
        recovery.retried(wanted, run, before, now, ticket)
    }

    /// What to do with an event for this endpoint. An event whose data was removed, and a test of another endpoint, are
    /// never replayed.
    pub fn of_event(&self, event: &Event, endpoint: EndpointId) -> OfEvent {
        if event.expunged_at.is_some() || !self.includes(&event.event_type) {
            return OfEvent::Nothing;
        }
        match event.delivery_to(endpoint) {
            Some(delivery) if self.what == Replayed::All || event.is_appended(delivery.id) => {
                OfEvent::Delivery(Box::new(delivery))
            }
            None if !event.is_test && event.can_be_appended() => OfEvent::Missing,
            _ => OfEvent::Nothing,
        }
    }

    /// Whether the record of a delivery that is sent again changed shortly before this run, maybe because the data of its
    /// event was removed, which an eventually consistent read of the event may not show yet.
    pub fn has_changed_lately(record: &Delivery, run: JobRun) -> bool {
        run.since < record.updated_at.plus(SETTLED_EVENT)
    }

    /// What to do with a delivery. `initial` is its initial state, which a replay added if it `is_appended`. A delivery
    /// that is on its way is left alone, and so is one without a record that its publish request planned: that request or
    /// its repetition sends it. So is a delivery that ended after this run was requested.
    pub fn of_record(&self, initial: Delivery, is_appended: bool, record: Option<Delivery>, run: JobRun) -> OfRecord {
        match record {
            None if is_appended => OfRecord::Make(Box::new(initial)),
            None => OfRecord::Nothing,
            Some(record) if record.recovery == Some(run) => OfRecord::Done,
            Some(record)
                if self.what == Replayed::All
                    && record.status.is_final()
                    && !record.is_expunged()
                    && record.updated_at <= run.since =>
            {
                OfRecord::Again(Box::new(record))
            }
            Some(_) => OfRecord::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, at, replay, types};
    use super::super::{Job, Work};
    use super::*;
    use crate::domain::delivery::attempt::Cause;
    use crate::domain::endpoint::Endpoint;
    use crate::domain::endpoint::tests::endpoint;
    use crate::domain::event::NewEvent;
    use crate::domain::event::appended::{Appended, AppendedList};
    use crate::domain::ids::EventId;

    fn event(receivers: &[&Endpoint]) -> Event {
        let new = NewEvent::new(EventType::parse("a.b").unwrap(), "{}".to_owned());
        let targets: Vec<_> = receivers.iter().map(|endpoint| endpoint.target()).collect();
        let targets: Vec<_> = targets.iter().collect();
        Event::plan(new, EventId::new(NOW, [1; 8]), &endpoint().organization, None, &targets).0
    }

    fn with_appended(event: Event, endpoint: EndpointId) -> Event {
        let list = AppendedList { event: event.id, number: 0, endpoints: vec![endpoint] };
        Event { appended: Appended::join([list]), ..event }
    }

    #[test]
    fn a_replay_by_events_leaves_out_those_of_the_last_minute() {
        use Replayed::{All, Failed, Missed};
        for (what, until, expected) in [
            (Failed, None, 600),
            (Failed, Some(at(590)), 590),
            (Missed, None, 540),
            (All, None, 540),
            (All, Some(at(541)), 540),
            (All, Some(at(539)), 539),
        ] {
            assert_eq!(Replay { until, ..replay(what) }.before(at(600)), at(expected), "{what:?} {until:?}");
        }
    }

    #[test]
    fn what_is_done_with_an_event_depends_on_its_fan_out() {
        let (own, other) = (endpoint(), Endpoint { id: EndpointId::new(NOW, [7; 8]), ..endpoint() });
        let (planned, missing) = (event(&[&own]), event(&[&other]));
        let added = with_appended(missing.clone(), own.id);
        let known = |event: &Event| OfEvent::Delivery(Box::new(event.delivery_to(own.id).unwrap()));
        let expunged = |event: &Event| event.clone().expunged(NOW);
        let test = Event { is_test: true, ..missing.clone() };
        for (name, event, missed, all) in [
            ("planned", planned.clone(), OfEvent::Nothing, known(&planned)),
            ("of nobody", event(&[]), OfEvent::Missing, OfEvent::Missing),
            ("of another endpoint", missing.clone(), OfEvent::Missing, OfEvent::Missing),
            ("added", added.clone(), known(&added), known(&added)),
            ("expunged", expunged(&planned), OfEvent::Nothing, OfEvent::Nothing),
            ("expunged and missing", expunged(&missing), OfEvent::Nothing, OfEvent::Nothing),
            ("test of another endpoint", test, OfEvent::Nothing, OfEvent::Nothing),
        ] {
            let of = |what, types: &[&str]| {
                Replay { event_types: self::types(types), ..replay(what) }.of_event(&event, own.id)
            };
            assert_eq!((of(Replayed::Missed, &[]), of(Replayed::All, &[])), (missed, all.clone()), "{name}");
            assert_eq!(of(Replayed::All, &["x", "a.*"]), all, "{name}");
            assert_eq!(of(Replayed::All, &["x"]), OfEvent::Nothing, "{name}");
        }
    }

    #[test]
    fn what_is_done_with_a_delivery_depends_on_its_record() {
        use DeliveryStatus::{Exhausted, Failed, Pending, Retrying, Success};
        let (own, later) = (endpoint(), at(200));
        let job = Job::new(&own.organization, Work::Replay(own.id, replay(Replayed::All)), at(100));
        let initial = event(&[&own]).delivery_to(own.id).unwrap();
        let record = |status, updated_at| Some(Delivery { status, updated_at, ..initial.clone() });
        let of_run = Delivery { status: Success, recovery: Some(job.run()), ..initial.clone() };
        let of_earlier = Delivery { recovery: Some(JobRun { since: at(99), ..job.run() }), ..of_run.clone() };
        let expunged = Delivery { error: Some(Cause::Expunged), ..record(Failed, NOW).unwrap() };
        let again = |record: &Option<Delivery>| OfRecord::Again(Box::new(record.clone().unwrap()));
        let (success, exhausted, failed) = (record(Success, at(100)), record(Exhausted, NOW), record(Failed, NOW));
        let make = OfRecord::Make(Box::new(initial.clone()));
        let nothing = || OfRecord::Nothing;
        for (name, record, missed, all) in [
            ("success", success.clone(), nothing(), again(&success)),
            ("exhausted", exhausted.clone(), nothing(), again(&exhausted)),
            ("failed", failed.clone(), nothing(), again(&failed)),
            ("ended after the request", record(Exhausted, later), nothing(), nothing()),
            ("pending", record(Pending, NOW), nothing(), nothing()),
            ("retrying", record(Retrying, NOW), nothing(), nothing()),
            ("of this run", Some(of_run), OfRecord::Done, OfRecord::Done),
            ("of an earlier run", Some(of_earlier.clone()), nothing(), again(&Some(of_earlier))),
            ("expunged", Some(expunged), nothing(), nothing()),
        ] {
            for is_appended in [false, true] {
                let of = |what| replay(what).of_record(initial.clone(), is_appended, record.clone(), job.run());
                assert_eq!((of(Replayed::Missed), of(Replayed::All)), (missed.clone(), all.clone()), "{name}");
            }
        }
        for (is_appended, expected) in [(false, nothing()), (true, make)] {
            assert_eq!(replay(Replayed::Missed).of_record(initial.clone(), is_appended, None, job.run()), expected);
        }
    }

    #[test]
    fn failed_deliveries_of_the_wanted_types_are_retried() {
        let own = endpoint();
        let failed = event(&[&own]).delivery_to(own.id).unwrap().failed(Cause::EndpointDisabled, NOW);
        for (names, expected) in [(&[][..], true), (&["a.*"], true), (&["b"], false)] {
            let replay = Replay { event_types: types(names), ..replay(Replayed::Failed) };
            let job = Job::new(&own.organization, Work::Replay(own.id, replay.clone()), at(100));
            let retried = replay.retried(failed.clone(), job.run(), job.before(), at(101), Ticket::new([1; 8]));
            assert_eq!(retried.is_some(), expected, "{names:?}");
        }
    }
}
