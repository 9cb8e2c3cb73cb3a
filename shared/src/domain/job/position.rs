//! The position of a job in the list of its organization's jobs, from which list cursors are made.

use std::cmp::Reverse;
use std::fmt;

use super::Job;
use crate::domain::ids::JobId;
use crate::domain::time::Timestamp;

/// The position of a job in a list. The latest job comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobPosition(Reverse<Timestamp>, Reverse<JobId>);

impl JobPosition {
    /// The position of the job with this [`Job::since`] and id.
    pub const fn new(since: Timestamp, id: JobId) -> Self {
        Self(Reverse(since), Reverse(id))
    }

    /// The position of this job.
    pub const fn of(job: &Job) -> Self {
        Self::new(job.since, job.id)
    }

    /// When the job was required or requested, to the millisecond.
    pub const fn since(self) -> Timestamp {
        self.0.0
    }

    /// The id of the job.
    pub const fn id(self) -> JobId {
        self.1.0
    }

    /// Parses the text that `Display` writes; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (since, id) = text.rsplit_once('.')?;
        Some(Self::new(Timestamp::parse(since).ok()?, JobId::parse(id).ok()?))
    }
}

impl fmt::Display for JobPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.since().rfc3339(), self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Work;
    use super::*;
    use crate::domain::ids::{EndpointId, OrganizationId};

    #[test]
    fn the_latest_job_comes_first_and_a_printed_position_is_parsed() {
        let at = Timestamp::from_unix_seconds;
        let organization = OrganizationId::new(at(0), [0; 8]);
        let job = |seconds| Job::new(&organization, Work::Release(EndpointId::new(at(0), [0; 8])), at(seconds));
        let (early, late) = (JobPosition::of(&job(100)), JobPosition::of(&job(101)));
        assert!(late < early);
        assert_eq!(JobPosition::parse(&late.to_string()), Some(late));
        for text in ["", ".", "2026-01-01T00:00:00.000Z.x", "x.wjob_00000000000000000000000000000000"] {
            assert_eq!(JobPosition::parse(text), None, "{text}");
        }
    }
}
