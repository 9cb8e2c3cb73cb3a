//! A job's item.

use serde::{Deserialize, Serialize};

use crate::domain::delivery::DeliveryStatus;
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::ids::{EndpointId, EventId};
use crate::domain::job::{Cursor, Job, JobKind, JobState, Pace, Pass, Recovery, Replay, Replayed, Work};
use crate::domain::time::Timestamp;
use crate::store::item::{Base, Unreadable, is_zero, required, time, unknown};
use crate::store::keys;

/// The stored attributes of a job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JobItem {
    #[serde(flatten)]
    base: Base,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statuses: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    event_types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
    status: String,
    passes: u32,
    pass_at: String,
    from_id: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_left: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    rate: u32,
    step_at: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    step_left: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    step_failures: u32,
    moved: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_sk: Option<String>,
}

impl From<&Job> for JobItem {
    fn from(job: &Job) -> Self {
        let (recovery, replay) = match &job.work {
            Work::Recover(_, recovery) => (Some(recovery), None),
            Work::Replay(_, replay) => (None, Some(replay)),
            _ => (None, None),
        };
        let span = recovery.map(|recovery| (recovery.since, recovery.until));
        let span = span.or_else(|| replay.map(|replay| (replay.since, replay.until)));
        let (due_at, ended_at) = match job.state {
            JobState::Open(at) => (Some(at), None),
            JobState::Done(at) | JobState::Cancelled(at) => (None, Some(at)),
        };
        let (waiting_pk, waiting_sk) = due_at.map(|at| keys::open_job(at, job.id)).unzip();
        let names = |statuses: &[DeliveryStatus]| statuses.iter().map(|status| status.as_str().to_owned()).collect();
        Self {
            base: Base::new(keys::job(&job.organization, job.id), "job"),
            kind: job.work.kind().as_str().to_owned(),
            endpoint: job.work.endpoint().map(|endpoint| endpoint.to_string()),
            event: job.work.event().map(|event| event.to_string()),
            since: job.since.rfc3339(),
            from: span.map(|(from, _)| from.rfc3339()),
            until: span.and_then(|(_, until)| until).map(Timestamp::rfc3339),
            statuses: recovery.map(|recovery| names(&recovery.statuses)),
            event_types: replay.iter().flat_map(|it| &it.event_types).map(Subscription::to_string).collect(),
            what: replay.map(|replay| replay.what.as_str().to_owned()),
            status: job.state.as_str().to_owned(),
            passes: job.pass.number,
            pass_at: job.pass.began_at.rfc3339(),
            from_id: job.pass.from.to_string(),
            is_left: job.pass.is_left,
            rate: job.pace.per_second,
            step_at: job.pace.began_at.rfc3339(),
            step_left: job.pace.left,
            step_failures: job.pace.failures,
            moved: job.moved,
            due_at: due_at.map(Timestamp::rfc3339),
            ended_at: ended_at.map(Timestamp::rfc3339),
            expires_at: ended_at.map(|at| at.plus(job.work.kind().retention()).unix_seconds()),
            waiting_pk,
            waiting_sk,
        }
    }
}

impl TryFrom<JobItem> for Job {
    type Error = Unreadable;

    fn try_from(item: JobItem) -> Result<Self, Unreadable> {
        let (organization, id) =
            keys::parse_job(&item.base.key()).ok_or_else(|| Unreadable("not a job's key".to_owned()))?;
        let endpoint = || Ok::<_, Unreadable>(EndpointId::parse(&required("endpoint", item.endpoint.clone())?)?);
        let status = |name: &String| DeliveryStatus::parse(name).ok_or_else(|| unknown("status", name));
        let ended_at = || required("ended_at", time(item.ended_at.as_ref())?);
        let work = match JobKind::parse(&item.kind).ok_or_else(|| unknown("kind", &item.kind))? {
            JobKind::Release => Work::Release(endpoint()?),
            JobKind::FailHeld => Work::FailHeld(endpoint()?),
            JobKind::SendAll => Work::SendAll(endpoint()?),
            JobKind::Expunge => Work::Expunge(EventId::parse(&required("event", item.event)?)?),
            JobKind::DeleteOrganization => Work::DeleteOrganization(organization.clone()),
            JobKind::Recover => {
                let since = required("from", time(item.from.as_ref())?)?;
                let statuses = item.statuses.iter().flatten().map(status).collect::<Result<_, _>>()?;
                Work::Recover(endpoint()?, Recovery { since, until: time(item.until.as_ref())?, statuses })
            }
            JobKind::Replay => {
                let what = required("what", item.what.as_ref())?;
                let event_types = item.event_types.iter().map(|name| Subscription::parse(name));
                let replay = Replay {
                    since: required("from", time(item.from.as_ref())?)?,
                    until: time(item.until.as_ref())?,
                    event_types: event_types.collect::<Result<_, _>>()?,
                    what: Replayed::parse(what).ok_or_else(|| unknown("what", what))?,
                };
                Work::Replay(endpoint()?, replay)
            }
        };
        Ok(Self {
            id,
            organization,
            work,
            since: Timestamp::parse(&item.since)?,
            state: match item.status.as_str() {
                "open" => JobState::Open(required("due_at", time(item.due_at.as_ref())?)?),
                "done" => JobState::Done(ended_at()?),
                "cancelled" => JobState::Cancelled(ended_at()?),
                other => return Err(unknown("status", other)),
            },
            pass: Pass {
                number: item.passes,
                began_at: Timestamp::parse(&item.pass_at)?,
                from: Cursor::parse(&item.from_id).ok_or_else(|| unknown("from_id", &item.from_id))?,
                is_left: item.is_left,
            },
            pace: Pace {
                per_second: item.rate,
                left: item.step_left,
                began_at: Timestamp::parse(&item.step_at)?,
                failures: item.step_failures,
            },
            moved: item.moved,
        })
    }
}
