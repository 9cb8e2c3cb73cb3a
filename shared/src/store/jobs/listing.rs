//! The list of an organization's jobs. The id of a job is a digest, so entries that sort by time lead to the jobs.

use serde::{Deserialize, Serialize};

use super::item::JobItem;
use crate::domain::ids::{EndpointId, JobId, OrganizationId};
use crate::domain::job::{Job, JobKind, JobPosition};
use crate::store::deliveries::listing::LIST_READ_UNITS;
use crate::store::item::{Base, Item, Unreadable, read, required, to_item};
use crate::store::keys::Key;
use crate::store::read::merge::{Merge, Next, Range, Source};
use crate::store::{Listing, Order, Store, StoreError, keys};

/// The stored attributes of an entry.
#[derive(Debug, Serialize, Deserialize)]
struct JobEntryItem {
    #[serde(flatten)]
    base: Base,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    expires_at: i64,
}

/// An entry of the list of jobs. It leads to no job if a later one with the same id has replaced its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEntry {
    /// The position of the job in the list.
    pub position: JobPosition,
    /// The kind of the job; `None` for a kind of a later version.
    pub kind: Option<JobKind>,
    /// The endpoint that the job is about; `None` for other work.
    pub endpoint: Option<EndpointId>,
}

impl TryFrom<JobEntryItem> for JobEntry {
    type Error = Unreadable;

    fn try_from(item: JobEntryItem) -> Result<Self, Unreadable> {
        Ok(Self {
            position: required("a job entry's key", keys::parse_job_entry(&item.base.key().sk))?,
            kind: JobKind::parse(&item.kind),
            endpoint: item.endpoint.as_deref().map(EndpointId::parse).transpose()?,
        })
    }
}

/// The entry of a job in the list.
pub(super) fn entry_item(job: &Job) -> Result<Item, StoreError> {
    // A job is stored for this time after it ended, which is mostly soon after it was requested.
    let expires_at = job.since.plus(2 * job.work.kind().retention());
    to_item(&JobEntryItem {
        base: Base::new(keys::job_entry(&job.organization, JobPosition::of(job)), "job_entry"),
        kind: job.work.kind().as_str().to_owned(),
        endpoint: job.work.endpoint().map(|endpoint| endpoint.to_string()),
        expires_at: expires_at.unix_seconds(),
    })
}

/// A list of an organization's jobs. A page of it ends after the read units of a list.
#[derive(Debug)]
pub struct JobList<'a>(Merge<'a>);

impl Listing for JobList<'_> {
    type Entry = JobEntry;

    async fn next(&mut self) -> Result<Next<JobEntry>, StoreError> {
        Ok(match self.0.next().await? {
            Next::Entry(item) => Next::Entry(read::<JobEntryItem, _>(item)?),
            Next::End => Next::End,
            Next::Spent => Next::Spent,
        })
    }
}

impl Store {
    /// Lists the entries of the organization's jobs after `after` in this order; all if it is `None`. `limit` is the number of
    /// entries that the caller expects to need.
    pub fn job_entries(
        &self,
        organization: &OrganizationId,
        after: Option<JobPosition>,
        order: Order,
        limit: usize,
    ) -> JobList<'_> {
        let (mut from, mut to) = keys::all_job_entries();
        match (order, after) {
            (Order::NewestFirst, Some(after)) => to = keys::before_job_entry(after),
            (Order::OldestFirst, Some(after)) => from = keys::after_job_entry(after),
            (_, None) => {}
        }
        let source = match order {
            Order::NewestFirst => Source::TableDescending,
            Order::OldestFirst => Source::TableAscending,
        };
        let range = Range { source, from, to, projection: None, most_read_units: Some(LIST_READ_UNITS) };
        JobList(Merge::new(self, [keys::job_partition(organization)].into_iter(), range, limit))
    }

    /// Reads these jobs, in any order. Missing jobs are left out, and each unreadable item is an error in the list. Strongly
    /// consistent.
    ///
    /// # Errors
    /// [`StoreError`] if the items could not be read.
    pub async fn jobs_by_id(
        &self,
        organization: &OrganizationId,
        wanted: impl IntoIterator<Item = JobId>,
    ) -> Result<Vec<Result<Job, StoreError>>, StoreError> {
        let wanted: Vec<Key> = wanted.into_iter().map(|id| keys::job(organization, id)).collect();
        Ok(self.get_all(wanted).await?.into_iter().map(read::<JobItem, _>).collect())
    }
}
