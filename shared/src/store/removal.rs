//! Removing an organization, page by page. Every page finds what is left by queries and may be repeated.

use aws_sdk_dynamodb::types::builders::DeleteBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, ReturnConsumedCapacity, TransactWriteItem};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::endpoints::DeletedEndpointItem;
use super::error::of_transaction;
use super::item::{Item, to_item};
use super::jobs::{UNCHANGED, unchanged_values};
use super::keys::{Key, SK};
use super::organizations::status_name;
use super::read::merge::{Range, Source};
use super::write::transaction::failed_conditions;
use super::{Store, StoreError, keys};
use crate::domain::endpoint::fan_out::FanOutGroup;
use crate::domain::ids::{EndpointId, OrganizationId};
use crate::domain::job::{Job, Removal, Removed};
use crate::domain::portal::session::PortalTenant;
use crate::domain::tenancy::api_key::KeyHash;
use crate::domain::tenancy::organization::OrganizationStatus;
use crate::domain::time::Timestamp;

/// Most items of a partition that a page removes. A page takes at least 20 ms, so that this is a small part of the 1,000
/// write units that a partition accepts in a second.
const OF_EACH: i32 = 8;
/// How many deleted endpoints a page goes through.
const ENDPOINTS: usize = 8;
/// How many calls of a page are under way at the same time.
const MAX_CONCURRENT_CALLS: usize = 16;
/// The read units of a query that returns as many bytes as a write unit is for, times four.
const WRITE_UNITS_OF_READ_UNIT: f64 = 4.0;

/// What was removed of one or more partitions.
#[derive(Debug, Clone, Copy)]
struct Purged {
    items: usize,
    write_units: usize,
    is_empty: bool,
}

impl Purged {
    const NOTHING: Self = Self { items: 0, write_units: 0, is_empty: true };

    const fn and(self, other: Self) -> Self {
        Self {
            items: self.items + other.items,
            write_units: self.write_units + other.write_units,
            is_empty: self.is_empty && other.is_empty,
        }
    }
}

impl Store {
    /// Removes a page of `removal` for the deletion `job`, which must not be at [`Removal::Organization`].
    ///
    /// # Errors
    /// [`StoreError`] if something may not have been removed: repeat the page.
    pub async fn remove_page(&self, job: &Job, removal: Removal, now: Timestamp) -> Result<Removed, StoreError> {
        let organization = &job.organization;
        let purged = match removal {
            Removal::Jobs => self.purge_jobs(job).await?,
            Removal::FanOut => {
                let partitions = FanOutGroup::all().map(|group| keys::fan_out_partition(organization, group));
                self.purge_all(partitions.collect()).await?
            }
            Removal::Endpoints => self.replace_endpoints(organization, now).await?,
            Removal::Deliveries(after) => return self.remove_deliveries(job, after).await,
            Removal::Events => self.purge_all(keys::event_partitions(organization).collect()).await?,
            Removal::IdempotencyKeys => self.purge_all(keys::idempotency_partitions(organization).collect()).await?,
            Removal::ExternalIds => self.purge_all(keys::external_id_partitions(organization).collect()).await?,
            Removal::PublicKeys => self.purge(keys::public_key_partition(organization)).await?,
            Removal::ApiKeys => self.remove_api_keys(organization).await?,
            Removal::KeyUses => self.purge(keys::key_use_partition(organization)).await?,
            Removal::PortalSessions => {
                let tenant = PortalTenant::Organization(organization.clone());
                self.purge(keys::portal_session_partition(&tenant)).await?
            }
            Removal::Usage => self.purge(keys::usage_partition(organization)).await?,
            Removal::Rate => self.purge(keys::rate(organization).pk).await?,
            Removal::Organization => Purged::NOTHING,
        };
        let next = if purged.is_empty { removal.following() } else { Some(removal) };
        Ok(Removed { next, items: purged.items, write_units: purged.write_units })
    }

    /// Removes the organization that a deletion is about, the copies of its state, its slug and external id, the answer to the
    /// request that created it, and the job itself, in one transaction. Does nothing if another process has already removed them, or has changed the job.
    ///
    /// # Errors
    /// [`StoreError`] if the transaction may not have been performed.
    pub async fn remove_organization(&self, job: &Job) -> Result<(), StoreError> {
        let id = &job.organization;
        let Some(organization) = self.organization(id).await? else { return Ok(()) };
        let deleting = AttributeValue::S(status_name(OrganizationStatus::Deleting).to_owned());
        let of_organization = self
            .deletion_of(&keys::organization(id))
            .condition_expression("#status = :deleting")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":deleting", deleting);
        let of_job = unchanged_values(job).into_iter().fold(
            self.deletion_of(&keys::job(id, job.id))
                .condition_expression(UNCHANGED)
                .expression_attribute_names("#status", "status"),
            |delete, (name, value)| delete.expression_attribute_values(name, value),
        );
        let states = keys::states(id).map(|key| self.deletion_of(&key));
        let slug = organization.slug.iter().map(|slug| self.deletion_of(&keys::slug(slug.as_str())));
        let mut items = Vec::new();
        let external = organization.external_id.iter().map(|id| self.deletion_of(&keys::external_organization(id)));
        let answer = organization.created_by.iter().map(|digest| self.deletion_of(&keys::answer(None, *digest)));
        for delete in [of_organization, of_job].into_iter().chain(states).chain(slug).chain(external).chain(answer) {
            let delete = delete.build().map_err(StoreError::corrupt)?;
            items.push(TransactWriteItem::builder().delete(delete).build());
        }
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        match sent {
            Err(error) if !failed_conditions(&error).contains(&true) => Err(of_transaction(error)),
            _ => Ok(()),
        }
    }

    fn deletion_of(&self, key: &Key) -> DeleteBuilder {
        Delete::builder().table_name(&self.table).set_key(Some(key.attributes()))
    }

    async fn purge_jobs(&self, job: &Job) -> Result<Purged, StoreError> {
        let own = job.id.to_string();
        let mut found = self.found_in(keys::job_partition(&job.organization), "").await?;
        found.keys.retain(|key| key.sk != own);
        self.remove_found(found).await
    }

    /// Replaces a page of endpoints by the items that record their deletions. That item is written first, so the
    /// endpoint's id is never lost.
    async fn replace_endpoints(&self, organization: &OrganizationId, now: Timestamp) -> Result<Purged, StoreError> {
        let partitions: Vec<_> = keys::endpoint_partitions(organization).collect();
        let pages = partitions.into_iter().map(|it| self.found_in(it, keys::ENDPOINT_PREFIX));
        let pages: Vec<_> = stream::iter(pages).buffer_unordered(MAX_CONCURRENT_CALLS).try_collect().await?;
        let mut purged = Purged::NOTHING;
        for found in pages {
            for key in &found.keys {
                let Ok(endpoint) = EndpointId::parse(&key.sk) else { continue };
                let item = to_item(&DeletedEndpointItem::new(organization, endpoint, now, self.retention))?;
                self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
            }
            purged = purged.and(self.remove_found(found).await?);
        }
        Ok(purged)
    }

    /// Removes a page of the deliveries, attempts, statistics and health counters of deleted endpoints.
    async fn remove_deliveries(&self, job: &Job, after: Option<EndpointId>) -> Result<Removed, StoreError> {
        let organization = &job.organization;
        let range = Range {
            source: Source::TableAscending,
            from: after.map_or_else(|| keys::deleted_sort_key(""), |after| keys::deleted_sort_key(after) + "~"),
            to: keys::deleted_sort_key("~"),
            projection: None,
            most_read_units: None,
        };
        let deleted = self.merged(keys::endpoint_partitions(organization), range, ENDPOINTS).await?;
        let (mut purged, mut passed) = (Purged::NOTHING, after);
        for item in &deleted {
            let Some(endpoint) = sort_key(item).and_then(keys::parse_deleted_endpoint) else { continue };
            let partitions = keys::delivery_partitions(endpoint).chain(keys::attempt_partitions(endpoint));
            let deliveries = self.purge_all(partitions.collect()).await?;
            let own = deliveries.and(self.purge(keys::statistics_partition(endpoint)).await?);
            purged = purged.and(own);
            if !own.is_empty {
                break;
            }
            purged = purged.and(self.purge(keys::health(endpoint).pk).await?);
            if job.has_passed() {
                let tombstone = keys::deleted_endpoint(organization, endpoint);
                purged = purged.and(self.remove_each(vec![tombstone]).await?);
            }
            passed = Some(endpoint);
        }
        let next = if purged.is_empty && deleted.len() < ENDPOINTS {
            Removal::Deliveries(passed).following()
        } else {
            Some(Removal::Deliveries(passed))
        };
        Ok(Removed { next, items: purged.items, write_units: purged.write_units })
    }

    /// Removes a page of API keys: first by the hash, since the item in the organization leads to it.
    async fn remove_api_keys(&self, organization: &OrganizationId) -> Result<Purged, StoreError> {
        let found = self.found_in(keys::organization_partition(organization), keys::KEY_PREFIX).await?;
        let by_hash = self.remove_each(found.hashes.iter().map(keys::key_by_hash).collect()).await?;
        Ok(by_hash.and(self.remove_found(found).await?))
    }

    async fn purge_all(&self, partitions: Vec<String>) -> Result<Purged, StoreError> {
        let purges = partitions.into_iter().map(|partition| self.purge(partition));
        let all = stream::iter(purges).buffer_unordered(MAX_CONCURRENT_CALLS);
        all.try_fold(Purged::NOTHING, async |sum, purged| Ok(sum.and(purged))).await
    }

    /// Removes a page of a partition.
    async fn purge(&self, partition: String) -> Result<Purged, StoreError> {
        let found = self.found_in(partition, "").await?;
        self.remove_found(found).await
    }

    async fn remove_found(&self, found: Found) -> Result<Purged, StoreError> {
        let removed = self.remove_each(found.keys).await?;
        Ok(Purged { write_units: removed.write_units.max(found.write_units), is_empty: found.is_all, ..removed })
    }

    async fn remove_each(&self, keys: Vec<Key>) -> Result<Purged, StoreError> {
        let count = keys.len();
        let delete = async |key: Key| {
            let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key.attributes()));
            delete.send().await.map(drop).map_err(StoreError::from)
        };
        let deletes: Vec<_> = keys.into_iter().map(delete).collect();
        stream::iter(deletes).buffer_unordered(MAX_CONCURRENT_CALLS).try_collect::<()>().await?;
        Ok(Purged { items: count, write_units: count, is_empty: true })
    }

    /// The keys of a page of a partition: items whose sort keys begin with `prefix`. Strongly consistent. A page has at most
    /// 1 MB of items, so removing it takes at most about 1,000 write units.
    async fn found_in(&self, partition: String, prefix: &str) -> Result<Found, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_values(":pk", AttributeValue::S(partition))
            .projection_expression("pk, sk, #hash")
            .expression_attribute_names("#hash", "hash")
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .limit(OF_EACH);
        query = if prefix.is_empty() {
            query.key_condition_expression("pk = :pk")
        } else {
            query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
        };
        let output = query.send().await?;
        let read_units = output.consumed_capacity.and_then(|capacity| capacity.capacity_units).unwrap_or_default();
        let items = output.items.unwrap_or_default();
        let hash = |item: &Item| KeyHash::parse(item.get("hash")?.as_s().ok()?);
        Ok(Found {
            hashes: items.iter().filter_map(hash).collect(),
            keys: items.iter().filter_map(Key::of).collect(),
            write_units: write_units(read_units),
            is_all: output.last_evaluated_key.is_none(),
        })
    }
}

/// What a query found.
struct Found {
    keys: Vec<Key>,
    /// The hashes of API keys.
    hashes: Vec<KeyHash>,
    write_units: usize,
    /// Whether the partition has no more.
    is_all: bool,
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a query uses at most 128 read units")]
fn write_units(read_units: f64) -> usize {
    (read_units * WRITE_UNITS_OF_READ_UNIT) as usize
}

fn sort_key(item: &Item) -> Option<&str> {
    item.get(SK).and_then(|key| key.as_s().ok()).map(String::as_str)
}
