//! Recoveries of webhook endpoints.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::ids::{EndpointId, JobId};
use crate::domain::job::{Job, Recovery};
use crate::domain::time::Timestamp;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader, each};
use crate::wire::openapi::{Millisecond, RecoverableStatus, object};

/// The body of `POST …/webhooks/endpoints/{we}/recover`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::NewRecovery)]
pub struct RecoverIn {
    /// Only deliveries of events published at this time or later.
    #[schema(value_type = Timestamp, required)]
    since: Field<String>,
    /// Only deliveries of events published before this time, which must be later than `since`; by default the
    /// current time.
    #[schema(value_type = Option<Timestamp>)]
    until: Field<String>,
    /// Only deliveries with these statuses; by default both.
    #[schema(value_type = Option<Vec<RecoverableStatus>>, min_items = 1)]
    statuses: Field<Vec<String>>,
}

/// Reads the fields `since` and `until` of a job. Events are published at, and jobs are stored with, times in whole
/// milliseconds.
pub(super) fn read_span(
    read: &mut Reader,
    since: Field<String>,
    until: Field<String>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let since = read.required("since", since, |since| Timestamp::parse(&since));
    let until = read.optional("until", until, |until| Timestamp::parse(&until));
    if let (Some(since), Some(until)) = (since, until)
        && until <= since
    {
        read.problem("until", "must be later than since");
    }
    (since.map(Timestamp::up_to_millis), until.map(Timestamp::up_to_millis))
}

impl RecoverIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self) -> Result<Recovery, Vec<Problem>> {
        let mut read = Reader::default();
        let (since, until) = read_span(&mut read, self.since, self.until);
        let recoverable = |text: &str| {
            let status = DeliveryStatus::parse(text).filter(|status| status.is_recoverable());
            status.ok_or_else(|| Invalid::new("must be failed or exhausted"))
        };
        let statuses = read.optional("statuses", self.statuses, |statuses| match each(&statuses, recoverable)? {
            none if none.is_empty() => Err(Invalid::new("must name failed, exhausted or both")),
            some => Ok(some),
        });
        let statuses = statuses.unwrap_or_else(|| vec![DeliveryStatus::Failed, DeliveryStatus::Exhausted]);
        read.finish(since.map(|since| Recovery { since, until, statuses }))
    }
}

/// A recovery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::Recovery)]
pub struct RecoveryOut {
    #[schema(schema_with = object::webhook_recovery)]
    object: &'static str,
    /// The job that performs the recovery.
    #[schema(value_type = JobId)]
    id: String,
    #[schema(value_type = EndpointId)]
    endpoint_id: String,
    #[schema(value_type = Vec<RecoverableStatus>)]
    statuses: Vec<&'static str>,
    /// True if an earlier identical request began this recovery, which is still in progress. Absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    joined: bool,
    /// How many deliveries this request retried before its response.
    recovered: usize,
    /// Whether the first pass is complete. If not, the job continues within minutes. It ends after a second pass,
    /// at least two minutes after the request.
    finished: bool,
    #[schema(value_type = Millisecond)]
    created_at: String,
}

impl RecoveryOut {
    /// A recovery of an endpoint, its job, and how many deliveries the request retried.
    pub fn new(job: &Job, endpoint: EndpointId, recovery: &Recovery, joined: bool, recovered: usize) -> Self {
        Self {
            object: "webhook_recovery",
            id: job.id.to_string(),
            endpoint_id: endpoint.to_string(),
            statuses: recovery.statuses.iter().map(|status| status.as_str()).collect(),
            joined,
            recovered,
            finished: job.has_passed_once(),
            created_at: job.since.rfc3339(),
        }
    }
}
