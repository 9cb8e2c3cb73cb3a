//! Replays.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::recovery::read_span;
use crate::domain::Invalid;
use crate::domain::endpoint::subscription::{MAX_SUBSCRIPTIONS, Subscription};
use crate::domain::ids::EndpointId;
use crate::domain::job::{Job, Replay, ReplayCount, Replayed};
use crate::domain::time::Timestamp;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader, each};
use crate::wire::openapi::{Millisecond, object};

/// The body of `POST …/webhooks/endpoints/{we}/replay`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewReplay)]
pub struct ReplayIn {
    /// Only events published at this time or later.
    #[schema(value_type = Timestamp, required)]
    since: Field<String>,
    /// Only events published before this time, which must be later than `since`; by default the current time. `missed`
    /// and `all` also leave out the events of the minute before the request.
    #[schema(value_type = Option<Timestamp>)]
    until: Field<String>,
    /// Only events of these types; by default all types.
    #[schema(value_type = Option<Vec<Subscription>>, min_items = 1, max_items = 64)]
    event_types: Field<Vec<String>>,
    #[schema(value_type = Replayed, required)]
    what: Field<String>,
}

impl ReplayIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<Replay, Vec<Problem>> {
        let mut read = Reader::default();
        let (since, until) = read_span(&mut read, self.since, self.until);
        let event_types = read.optional("event_types", self.event_types, |types| match types.len() {
            1..=MAX_SUBSCRIPTIONS => each(&types, Subscription::parse),
            _ => Err(Invalid::new(format!("must name 1 to {MAX_SUBSCRIPTIONS} event types"))),
        });
        let what = read.required("what", self.what, |what| {
            Replayed::parse(&what).ok_or_else(|| Invalid::new("must be failed, missed or all"))
        });
        let complete = since.zip(what);
        let event_types = event_types.unwrap_or_default();
        read.finish(complete.map(|(since, what)| Replay { since, until, event_types, what }))
    }
}

/// What a replay would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::ReplayCount)]
pub struct ReplayCountOut {
    #[schema(schema_with = object::webhook_replay_count)]
    object: &'static str,
    #[schema(value_type = EndpointId)]
    endpoint_id: String,
    #[schema(value_type = Replayed)]
    what: &'static str,
    /// How many deliveries the replay would send or make; at most 10,000 are counted.
    deliveries: usize,
    /// Whether there may be more, since counting ended at 10,000 deliveries, after ten seconds, or when it had read much.
    has_more: bool,
    /// How many of the deliveries expire within a day, with their events. They may not use their whole retry schedule.
    expiring_within_a_day: usize,
}

impl ReplayCountOut {
    /// What a replay of an endpoint would do.
    pub fn new(endpoint: EndpointId, what: Replayed, counted: ReplayCount) -> Self {
        Self {
            object: "webhook_replay_count",
            endpoint_id: endpoint.to_string(),
            what: what.as_str(),
            deliveries: counted.deliveries,
            has_more: counted.has_more,
            expiring_within_a_day: counted.expiring,
        }
    }
}

/// What a replay sends or makes, and its progress.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Replay)]
pub(super) struct ReplayOut {
    #[schema(value_type = Replayed)]
    what: &'static str,
    #[schema(value_type = Millisecond)]
    since: String,
    /// The end of the span: events published at this time or later are left out.
    #[schema(value_type = Millisecond)]
    until: String,
    /// Empty for all types.
    #[schema(value_type = Vec<Subscription>)]
    event_types: Vec<String>,
    /// The replay has processed the events that were published before this time; `until` if it has gone through all. A
    /// replay that ended early, since its endpoint was disabled or deleted or its organization suspended, stays where it was.
    #[schema(value_type = Millisecond)]
    processed_until: String,
    /// How many deliveries are sent at most in each of the present ten seconds; 0 while the request sends the first 500 or
    /// fewer.
    per_second: u32,
}

impl ReplayOut {
    pub(super) fn new(job: &Job, replay: &Replay) -> Self {
        let until = replay.before(job.since).max(replay.since);
        let position = job.position().map_or(until, |at| at.max(replay.since).min(until));
        Self {
            what: replay.what.as_str(),
            since: replay.since.rfc3339(),
            until: until.rfc3339(),
            event_types: replay.event_types.iter().map(Subscription::to_string).collect(),
            processed_until: position.rfc3339(),
            per_second: job.pace.per_second,
        }
    }
}
