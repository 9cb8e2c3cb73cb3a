//! Background tasks, which are jobs, and the requests that begin them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::attempt::Status;
use super::ids::{parse_application, print_application};
use crate::domain::Invalid;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::endpoint::subscription::{MAX_SUBSCRIPTIONS, Subscription};
use crate::domain::event::TestEvent;
use crate::domain::event::event_type::EventType;
use crate::domain::ids::{JobId, OrganizationId};
use crate::domain::job::{Job, JobState, Recovery, Replay, Replayed, Work};
use crate::domain::time::Timestamp;
use crate::wire::error::Problem;
use crate::wire::field::{Field, RawField, Reader, each};
use crate::wire::openapi::Millisecond;

pub(super) const TASK: &str = "qtask_";
/// Digits of the identifier of a job.
const JOB_DIGITS: usize = 32;
/// How far back a recovery may begin.
const MAX_AGE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Prints a task's identifier: the application and the job.
pub fn print_task(job: &Job) -> String {
    format!("{TASK}{}-{}", print_application(&job.organization), job.id.uuid().simple())
}

/// Parses a task's identifier.
pub fn parse_task(text: &str) -> Option<(OrganizationId, JobId)> {
    let rest = text.strip_prefix(TASK)?;
    let (application, job) = rest.split_at_checked(rest.len().checked_sub(JOB_DIGITS)?)?;
    let job = JobId::parse(&format!("{}{job}", JobId::PREFIX)).ok()?;
    Some((parse_application(application.strip_suffix('-')?)?, job))
}

/// The body of `POST …/recover` and `POST …/replay-missing`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = svix::RecoverIn)]
pub struct SpanIn {
    #[schema(value_type = String, required)]
    since: Field<String>,
    #[schema(value_type = Option<String>)]
    until: Field<String>,
}

impl SpanIn {
    /// Validates the fields of a recovery, which retries what failed.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse_recovery(self, now: Timestamp) -> Result<Recovery, Vec<Problem>> {
        let mut read = Reader::default();
        let (since, until) = span(&mut read, self.since, self.until, now);
        let statuses = vec![DeliveryStatus::Exhausted, DeliveryStatus::Failed];
        read.finish(since.map(|since| Recovery { since, until, statuses }))
    }

    /// Validates the fields of a replay of what was missed.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse_missing(self, now: Timestamp) -> Result<Replay, Vec<Problem>> {
        let mut read = Reader::default();
        let (since, until) = span(&mut read, self.since, self.until, now);
        read.finish(since.map(|since| Replay { since, until, event_types: Vec::new(), what: Replayed::Missed }))
    }
}

/// Reads the fields `since` and `until`.
fn span(
    read: &mut Reader,
    since: Field<String>,
    until: Field<String>,
    now: Timestamp,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let since = read.required("since", since, |since| {
        let since = Timestamp::parse(&since)?;
        if now.since(since) > MAX_AGE {
            return Err(Invalid::new("must be at most 14 days ago"));
        }
        Ok(since)
    });
    let until = read.optional("until", until, |until| Timestamp::parse(&until));
    if let (Some(since), Some(until)) = (since, until)
        && until <= since
    {
        read.problem("until", "must be later than since");
    }
    (since.map(Timestamp::up_to_millis), until.map(Timestamp::up_to_millis))
}

/// The body of `POST …/bulk-replay`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::BulkReplayIn)]
pub struct BulkReplayIn {
    #[schema(value_type = String, required)]
    since: Field<String>,
    #[schema(value_type = Option<String>)]
    until: Field<String>,
    #[schema(value_type = Option<Vec<String>>)]
    event_types: Field<Vec<String>>,
    /// 2 for messages that failed. Others are refused.
    #[schema(value_type = Option<u8>)]
    status: Field<i64>,
    /// Refused.
    #[schema(value_type = Option<String>)]
    channel: RawField,
    /// Refused.
    #[schema(value_type = Option<String>)]
    tag: RawField,
    /// Refused.
    #[schema(value_type = Option<u16>)]
    status_code_class: RawField,
}

impl BulkReplayIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, now: Timestamp) -> Result<Replay, Vec<Problem>> {
        let mut read = Reader::default();
        let (since, until) = span(&mut read, self.since, self.until, now);
        let event_types = read.optional("eventTypes", self.event_types, |types| match types.len() {
            0..=MAX_SUBSCRIPTIONS => each(&types, Subscription::parse),
            _ => Err(Invalid::new(format!("must name at most {MAX_SUBSCRIPTIONS} event types"))),
        });
        let what = read.optional("status", self.status, |status| match status {
            status if status == i64::from(Status::Fail.number()) => Ok(Replayed::Failed),
            _ => Err(Invalid::new("must be 2, or absent for all messages")),
        });
        for (name, field) in [("channel", self.channel), ("tag", self.tag), ("statusCodeClass", self.status_code_class)]
        {
            if let RawField::Text(_) = field {
                read.problem(name, "is not supported");
            }
        }
        read.finish(since.map(|since| Replay {
            since,
            until,
            event_types: event_types.unwrap_or_default(),
            what: what.unwrap_or(Replayed::All),
        }))
    }
}

/// The body of `POST …/send-example`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = svix::EventExampleIn)]
pub struct ExampleIn {
    #[schema(value_type = String, required)]
    event_type: Field<String>,
}

impl ExampleIn {
    /// Validates the field.
    ///
    /// # Errors
    /// The invalid field.
    pub fn parse(self) -> Result<TestEvent, Vec<Problem>> {
        let mut read = Reader::default();
        let event_type = read.required("eventType", self.event_type, |text| {
            let event_type = EventType::parse(&text)?;
            event_type.check_published()?;
            Ok(event_type)
        });
        let test =
            event_type.map(|event_type| TestEvent { event_type: Some(event_type), data: None, svix_headers: true });
        read.finish(test)
    }
}

/// A background task.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = svix::BackgroundTaskOut)]
pub struct TaskOut {
    pub(super) id: String,
    /// `running`, `finished` or `failed`.
    pub(super) status: &'static str,
    /// `endpoint.recover`, `endpoint.replay`, `endpoint.bulk-replay`, `application.stats` or `event-type.aggregate`.
    pub(super) task: &'static str,
    #[schema(value_type = Object)]
    pub(super) data: Value,
    #[schema(value_type = Millisecond)]
    pub(super) updated_at: String,
}

impl TaskOut {
    /// The task that a job is; `None` if this dialect has no such tasks.
    pub fn new(job: &Job) -> Option<Self> {
        let task = match &job.work {
            Work::Recover(..) => "endpoint.recover",
            Work::Replay(_, replay) if replay.what == Replayed::Missed => "endpoint.replay",
            Work::Replay(..) => "endpoint.bulk-replay",
            _ => return None,
        };
        let status = match job.state {
            _ if job.state.ended_at().is_none() => "running",
            JobState::Cancelled(_) => "failed",
            _ => "finished",
        };
        Some(Self {
            id: print_task(job),
            status,
            task,
            data: json!({"messagesSent": job.moved}),
            updated_at: job.state.ended_at().unwrap_or(job.since).rfc3339(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_task_denotes_the_same_job() {
        for organization in ["org_01h2xcejqtf2nbrexx3vqjhp41", "550e8400-e29b-41d4-a716-446655440000"] {
            let organization = OrganizationId::parse(organization).unwrap();
            let job = JobId::parse("wjob_0198f0c26c3b7a9e8d4b1f2a3c4d5e6f").unwrap();
            let text = format!("{TASK}{}-{}", print_application(&organization), job.uuid().simple());
            assert_eq!(parse_task(&text), Some((organization, job)));
        }
        for text in ["", "qtask_", "qtask_0198f0c26c3b7a9e8d4b1f2a3c4d5e6f", "é198f0c26c3b7a9e8d4b1f2a3c4d5e6f"] {
            assert_eq!(parse_task(text), None, "{text}");
        }
    }
}
