//! Jobs. An open job is in the index `waiting`, so that the sweep continues it if a process dies. A job that ended is
//! stored for its [retention](crate::domain::job::JobKind::retention), so that its owner can read it.

mod item;
pub(super) mod listing;
mod open;

use std::collections::HashSet;

use aws_sdk_dynamodb::types::{AttributeValue, Put as PutRequest, TransactWriteItem};

use super::item::{Unreadable, read, to_item, unknown};
use super::keys::{Key, Waiting};
use super::read::waiting::LOWEST;
use super::write::put::{Put, new_write_token, with_write_token};
use super::{Store, StoreError, keys};
use crate::domain::ids::{JobId, OrganizationId};
use crate::domain::job::{Job, JobRun, JobState, Listing};
use crate::domain::time::Timestamp;
use item::JobItem;
use listing::entry_item;

/// How many entries of the index one read of the due jobs has at most.
const DUE_ENTRIES_PER_READ: usize = 1_000;
/// How often the due jobs of a listing are read from the index. Entries beyond are not seen until earlier jobs are done.
const MAX_DUE_READS: usize = 100;
/// The condition to write a requested job: no open job with its id is in its first pass.
const NOT_IN_FIRST_PASS: &str = "attribute_not_exists(pk) OR #status <> :open OR passes > :zero";
/// The condition to replace a job that has ended: it is the one that was read.
const ENDED: &str = "since = :since AND #status = :status";
/// The condition to change a job: it is open and has the creation time and the position that were read.
pub(in crate::store) const UNCHANGED: &str =
    "since = :since AND #status = :open AND passes = :passes AND from_id = :from";

/// Jobs that are due.
#[derive(Debug, Default)]
pub struct DueJobs {
    /// The jobs, the longest due first. Each unreadable item is an error.
    pub jobs: Vec<Result<Job, StoreError>>,
    /// Why some of the jobs could not be read. They are due in the next listing.
    pub failure: Option<StoreError>,
}

/// The result of a conditional write of a job.
#[derive(Debug)]
pub enum JobPut {
    /// The job was written.
    Written,
    /// The condition failed. This is the stored job.
    Found(Box<Job>),
    /// The condition failed, because no job with this id is stored.
    Gone,
}

impl Store {
    /// Writes a requested job, unless an open job with the same work is in its first pass, and lists it.
    ///
    /// # Errors
    /// [`StoreError`] if the job could not be written.
    pub async fn request_job(&self, job: &Job) -> Result<JobPut, StoreError> {
        let values = [(":open", open()), (":zero", AttributeValue::N("0".to_owned()))];
        let put = self.put_job_if(job, NOT_IN_FIRST_PASS, values.into()).await?;
        self.list_requested(job, put).await
    }

    /// Writes a requested replay by events if none of its endpoint is stored, or in place of this one, which has ended, and
    /// lists it.
    ///
    /// # Errors
    /// [`StoreError`] if the job could not be written.
    pub async fn request_replay(&self, job: &Job, ended: Option<&Job>) -> Result<JobPut, StoreError> {
        let put = match ended {
            None => self.put_job_if(job, "attribute_not_exists(pk)", Vec::new()).await?,
            Some(ended) => {
                let values = [
                    (":since", AttributeValue::S(ended.since.rfc3339())),
                    (":status", AttributeValue::S(ended.state.as_str().to_owned())),
                ];
                self.put_job_if(job, ENDED, values.into()).await?
            }
        };
        self.list_requested(job, put).await
    }

    /// Writes the new state of an open job. `seen` is the state that was read. The condition fails if another process
    /// has changed, ended or replaced the job since.
    ///
    /// # Errors
    /// [`StoreError`] if the job could not be written.
    pub async fn change_job(&self, seen: &Job, job: &Job) -> Result<JobPut, StoreError> {
        self.put_job_if(job, UNCHANGED, unchanged_values(seen).into()).await
    }

    async fn put_job_if(
        &self,
        job: &Job,
        condition: &str,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<JobPut, StoreError> {
        let write_token = new_write_token();
        let item = with_write_token(to_item(&JobItem::from(job))?, &write_token);
        Ok(match self.put_with_token_if(item, &write_token, condition, values).await? {
            Put::Written => JobPut::Written,
            Put::Found(Some(found)) => JobPut::Found(Box::new(read::<JobItem, _>(found)?)),
            Put::Found(None) => JobPut::Gone,
        })
    }

    /// Adds a requested job, or the one that was found instead, to the list of its organization's jobs. Adding it again changes
    /// nothing. So a request that is repeated lists the job of a process that died before it did.
    async fn list_requested(&self, requested: &Job, put: JobPut) -> Result<JobPut, StoreError> {
        let listed = if let JobPut::Found(found) = &put { found } else { requested };
        self.client.put_item().table_name(&self.table).set_item(Some(entry_item(listed)?)).send().await?;
        Ok(put)
    }

    /// The parts of a transaction that write the job that a change requires, and its entry in the list of jobs. It replaces an
    /// earlier job with the same id.
    pub(in crate::store) fn put_required_job(&self, job: &Job) -> Result<[TransactWriteItem; 2], StoreError> {
        let put = |item| {
            let put = PutRequest::builder().table_name(&self.table).set_item(Some(item)).build();
            Ok::<_, StoreError>(TransactWriteItem::builder().put(put.map_err(StoreError::corrupt)?).build())
        };
        Ok([put(to_item(&JobItem::from(job))?)?, put(entry_item(job)?)?])
    }

    /// Jobs whose next page is due by `now`, the longest due first, without these. A [`Listing`] limits their number. The
    /// jobs of a partition that DynamoDB throttles do not keep the others from being read.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be read.
    pub async fn due_jobs(&self, now: Timestamp, without: &HashSet<JobId>) -> Result<DueJobs, StoreError> {
        let found = self.due_job_keys(now, Listing::without(without)).await?;
        let (items, failure) = self.get_available(&found).await;
        let mut jobs: Vec<Result<Job, _>> = items.into_iter().map(read::<JobItem, _>).collect();
        jobs.retain(|job| job.as_ref().map_or(true, |job| job.is_due(now)));
        jobs.sort_by_key(|job| job.as_ref().ok().map(|job| (job.due_at(), job.since, job.id)));
        Ok(DueJobs { jobs, failure })
    }

    /// The keys of the jobs that the listing chooses.
    async fn due_job_keys(&self, now: Timestamp, mut listing: Listing) -> Result<Vec<Key>, StoreError> {
        let (mut chosen, mut lowest) = (Vec::new(), LOWEST.to_owned());
        for _ in 0..MAX_DUE_READS {
            let shards = Waiting::job_shards();
            let found = self.waiting_keys(shards, &lowest, &keys::until(now), DUE_ENTRIES_PER_READ).await?;
            let last = found.last().filter(|_| found.len() == DUE_ENTRIES_PER_READ);
            let next = last.map(|last| format!("{}{LOWEST}", last.sort_key));
            let is_chosen = |key: &Key| keys::parse_job(key).is_some_and(|(of, job)| listing.chooses(&of, job));
            chosen.extend(found.into_iter().map(|waiting| waiting.key).filter(is_chosen));
            match next {
                Some(next) if !listing.is_full() => lowest = next,
                _ => break,
            }
        }
        Ok(chosen)
    }

    /// The job with this id; `None` if it is not stored.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn job(&self, organization: &OrganizationId, id: JobId) -> Result<Option<Job>, StoreError> {
        self.get::<JobItem, _>(&keys::job(organization, id)).await
    }
}

/// The values of [`UNCHANGED`].
pub(in crate::store) fn unchanged_values(seen: &Job) -> [(&'static str, AttributeValue); 4] {
    [
        (":since", AttributeValue::S(seen.since.rfc3339())),
        (":open", open()),
        (":passes", AttributeValue::N(seen.pass.number.to_string())),
        (":from", AttributeValue::S(seen.pass.from.to_string())),
    ]
}

fn open() -> AttributeValue {
    AttributeValue::S(JobState::NAMES[0].to_owned())
}

/// The stored form of a [`JobRun`] in the deliveries that the job retried or sent again.
pub(in crate::store) fn run_text(run: JobRun) -> String {
    format!("{}#{}", run.job, run.since.rfc3339())
}

pub(in crate::store) fn read_run(text: &str) -> Result<JobRun, Unreadable> {
    let (job, since) = text.split_once('#').ok_or_else(|| unknown("recovery", text))?;
    Ok(JobRun { job: JobId::parse(job)?, since: Timestamp::parse(since)? })
}
