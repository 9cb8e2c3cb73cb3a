//! Jobs.

use serde::Serialize;
use utoipa::ToSchema;

use super::replays::ReplayOut;
use crate::domain::ids::{EndpointId, EventId, JobId};
use crate::domain::job::{Job, JobKind, JobState, Work};
use crate::domain::time::Timestamp;
use crate::wire::openapi::{Millisecond, object};

/// Background work on any number of deliveries or other items.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Job)]
pub struct JobOut {
    #[schema(schema_with = object::job)]
    object: &'static str,
    #[schema(value_type = JobId)]
    id: String,
    #[schema(value_type = JobKind)]
    kind: &'static str,
    #[schema(value_type = JobState)]
    status: &'static str,
    /// The endpoint whose deliveries the job is about; null for other jobs.
    #[schema(value_type = Option<EndpointId>, required)]
    endpoint_id: Option<String>,
    /// The event whose data is removed; only of a job of the kind `expunge`.
    #[schema(value_type = EventId)]
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// Only of a job of the kind `replay`.
    #[schema(value_type = ReplayOut)]
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<ReplayOut>,
    /// How many deliveries the job has moved so far; of the deletion of an organization, how many items it has removed.
    deliveries: u64,
    /// When the job was requested, or when the change that requires it was made.
    #[schema(value_type = Millisecond)]
    created_at: String,
    /// When the job ended; null while it is open.
    #[schema(value_type = Option<Millisecond>, required)]
    ended_at: Option<String>,
}

impl From<&Job> for JobOut {
    fn from(job: &Job) -> Self {
        let replay = match &job.work {
            Work::Replay(_, replay) => Some(ReplayOut::new(job, replay)),
            _ => None,
        };
        Self {
            replay,
            object: "job",
            id: job.id.to_string(),
            kind: job.work.kind().as_str(),
            status: job.state.as_str(),
            endpoint_id: job.work.endpoint().map(|endpoint| endpoint.to_string()),
            event_id: job.work.event().map(|event| event.to_string()),
            deliveries: job.moved,
            created_at: job.since.rfc3339(),
            ended_at: job.state.ended_at().map(Timestamp::rfc3339),
        }
    }
}
