//! Every key of the table and of its `waiting` index, and nothing else spells one.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::domain::api_key::KeyHash;
use crate::domain::delivery::Mark;
use crate::domain::fan_out::FanOutGroup;
use crate::domain::ids::{DeliveryId, EndpointId, EventId, JobId, KeyId, OrganizationId};
use crate::domain::time::Timestamp;
use crate::domain::usage::Day;

/// Partition key attribute of the table.
pub(super) const PK: &str = "pk";
/// Sort key attribute of the table.
pub(super) const SK: &str = "sk";
/// Partition key attribute of the index.
pub(super) const WAITING_PK: &str = "waiting_pk";
/// Sort key attribute of the index.
pub(super) const WAITING_SK: &str = "waiting_sk";
/// Name of the index.
pub(super) const WAITING: &str = "waiting";
/// Attribute that DynamoDB's TTL reads, in Unix seconds.
pub(super) const EXPIRES_AT: &str = "expires_at";

/// Number of partitions that an organization's events are spread over.
pub const EVENT_SHARDS: u8 = 16;
/// Number of partitions that an endpoint's deliveries are spread over.
pub const DELIVERY_SHARDS: u8 = 16;
/// Number of partitions that an organization's idempotency keys are spread over.
const IDEMPOTENCY_SHARDS: u8 = 16;
/// Number of partitions of the index that the deliveries of all tenants that wait until a time are spread over.
const DUE_SHARDS: u8 = 64;
/// Number of partitions of the index that an endpoint's held deliveries are spread over.
pub const HELD_SHARDS: u8 = 8;
/// Number of partitions of the index that an endpoint's failed and exhausted deliveries are spread over.
pub const FAILED_SHARDS: u8 = 8;
/// Number of partitions of the index that the suspended endpoints of all tenants are spread over.
const HALF_OPEN_SHARDS: u8 = 8;
/// Number of partitions of the index that the open jobs of all tenants are spread over.
const JOB_SHARDS: u8 = 8;

/// Number of partitions that an organization's endpoints are spread over.
const ENDPOINT_SHARDS: u8 = 16;
/// Number of copies of an organization's state.
pub(super) const STATE_COPIES: u8 = 4;

/// What the sort keys of endpoints and of their fan-out items start with.
pub(super) const ENDPOINT_PREFIX: &str = "we_";
/// What the sort keys of an organization's API keys start with.
pub(super) const KEY_PREFIX: &str = "key#";
const DELETED_PREFIX: &str = "deleted#";
const JOB_PREFIX: &str = "job#";
const PENDING_SUFFIX: &str = "#pending";

/// The primary key of one item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(super) fn attributes(&self) -> HashMap<String, AttributeValue> {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        HashMap::from([(PK.to_owned(), text(&self.pk)), (SK.to_owned(), text(&self.sk))])
    }

    pub(super) fn of(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok());
        Some(Self::new(text(PK)?, text(SK)?))
    }
}

/// The partition of an organization and its API keys.
pub(super) fn organization_partition(organization: &OrganizationId) -> String {
    format!("org#{organization}")
}

pub(super) fn organization(organization: &OrganizationId) -> Key {
    Key::new(organization_partition(organization), "org")
}

pub(super) fn slug(slug: &str) -> Key {
    Key::new(format!("slug#{slug}"), "slug")
}

pub(super) fn key_by_hash(hash: &KeyHash) -> Key {
    Key::new(format!("key#{hash}"), "key")
}

pub(super) fn key_in_organization(organization: &OrganizationId, key: KeyId) -> Key {
    Key::new(organization_partition(organization), format!("{KEY_PREFIX}{key}"))
}

/// When a key was last seen. It is an item of its own, so that whoever only authenticates need not
/// be able to change keys.
pub(super) fn key_use(key: KeyId) -> Key {
    Key::new(format!("used#{key}"), "used")
}

/// One of the copies of an organization's state.
pub(super) fn state(organization: &OrganizationId, copy: u8) -> Key {
    Key::new(format!("state#{organization}#{copy}"), "state")
}

/// All copies of an organization's state.
pub(super) fn states(organization: &OrganizationId) -> impl Iterator<Item = Key> {
    (0..STATE_COPIES).map(|copy| state(organization, copy))
}

pub(super) fn endpoint(organization: &OrganizationId, endpoint: EndpointId) -> Key {
    let shard = endpoint.shard_byte() % ENDPOINT_SHARDS;
    Key::new(endpoint_partition(organization, shard), endpoint.to_string())
}

fn endpoint_partition(organization: &OrganizationId, shard: u8) -> String {
    format!("endpoint#{organization}#{shard}")
}

pub(super) fn endpoint_partitions(organization: &OrganizationId) -> impl Iterator<Item = String> {
    (0..ENDPOINT_SHARDS).map(|shard| endpoint_partition(organization, shard))
}

/// The fan-out item of an endpoint.
pub(super) fn target(organization: &OrganizationId, group: FanOutGroup, endpoint: EndpointId) -> Key {
    Key::new(fan_out_partition(organization, group), endpoint.to_string())
}

/// The partition of the fan-out items of a group of endpoints.
pub(super) fn fan_out_partition(organization: &OrganizationId, group: FanOutGroup) -> String {
    format!("fanout#{organization}#{group}")
}

/// The health counters of an endpoint.
pub(super) fn health(endpoint: EndpointId) -> Key {
    Key::new(format!("health#{endpoint}"), "health")
}

/// What tells of a deleted endpoint.
pub(super) fn deleted_endpoint(organization: &OrganizationId, endpoint: EndpointId) -> Key {
    let Key { pk, sk } = self::endpoint(organization, endpoint);
    Key { pk, sk: format!("{DELETED_PREFIX}{sk}") }
}

/// The partition of an organization's jobs.
pub(super) fn job_partition(organization: &OrganizationId) -> String {
    format!("{JOB_PREFIX}{organization}")
}

pub(super) fn job(organization: &OrganizationId, job: JobId) -> Key {
    Key::new(job_partition(organization), job.to_string())
}

/// The organization and the job of a job's key.
pub(super) fn parse_job(key: &Key) -> Option<(OrganizationId, JobId)> {
    let organization = OrganizationId::parse(key.pk.strip_prefix(JOB_PREFIX)?).ok()?;
    Some((organization, JobId::parse(&key.sk).ok()?))
}

/// The claim of an idempotency key, of which this is the SHA-256.
pub(super) fn idempotency(organization: &OrganizationId, key_hash: [u8; 32]) -> Key {
    let shard = key_hash[0] % IDEMPOTENCY_SHARDS;
    Key::new(format!("idem#{organization}#{shard}"), hex::encode(key_hash))
}

/// What is left of the rate that an organization may publish at.
pub(super) fn rate(organization: &OrganizationId) -> Key {
    Key::new(format!("limit#{organization}"), "rate")
}

/// What was done for an organization on a day.
pub(super) fn usage(organization: &OrganizationId, day: Day) -> Key {
    Key::new(format!("usage#{organization}"), day.to_string())
}

pub(super) fn event(organization: &OrganizationId, event: EventId) -> Key {
    Key::new(event_partition(organization, event.shard_byte() % EVENT_SHARDS), event.to_string())
}

fn event_partition(organization: &OrganizationId, shard: u8) -> String {
    format!("event#{organization}#{shard}")
}

pub(super) fn event_partitions(organization: &OrganizationId) -> impl Iterator<Item = String> {
    (0..EVENT_SHARDS).map(|shard| event_partition(organization, shard))
}

pub(super) fn delivery(endpoint: EndpointId, delivery: DeliveryId) -> Key {
    Key::new(partition_of(endpoint, delivery), delivery.to_string())
}

/// The list of pending deliveries that ends with this one. It comes right after that delivery's record.
pub(super) fn pending(endpoint: EndpointId, last: DeliveryId) -> Key {
    Key::new(partition_of(endpoint, last), format!("{last}{PENDING_SUFFIX}"))
}

/// Whether a sort key among an endpoint's deliveries is that of a list of pending ones.
pub(super) fn is_pending(sk: &str) -> bool {
    sk.ends_with(PENDING_SUFFIX)
}

/// The delivery of a sort key among an endpoint's deliveries: of a list, its last.
pub(super) fn delivery_of(sk: &str) -> Option<DeliveryId> {
    DeliveryId::parse(sk.strip_suffix(PENDING_SUFFIX).unwrap_or(sk)).ok()
}

fn partition_of(endpoint: EndpointId, delivery: DeliveryId) -> String {
    delivery_partition(endpoint, delivery.shard_byte() % DELIVERY_SHARDS)
}

fn delivery_partition(endpoint: EndpointId, shard: u8) -> String {
    format!("delivery#{endpoint}#{shard}")
}

pub(super) fn delivery_partitions(endpoint: EndpointId) -> impl Iterator<Item = String> {
    (0..DELIVERY_SHARDS).map(move |shard| delivery_partition(endpoint, shard))
}

/// The endpoint and the delivery of a delivery's key.
pub(super) fn parse_delivery(key: &Key) -> Option<(EndpointId, DeliveryId)> {
    Some((parse_delivery_partition(&key.pk)?, DeliveryId::parse(&key.sk).ok()?))
}

/// The endpoint whose deliveries a partition holds.
pub(super) fn parse_delivery_partition(pk: &str) -> Option<EndpointId> {
    EndpointId::parse(pk.strip_prefix("delivery#")?.split('#').next()?).ok()
}

/// An endpoint that the index names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRef {
    /// The organization it belongs to.
    pub organization: OrganizationId,
    /// The endpoint.
    pub endpoint: EndpointId,
}

pub(super) fn parse_endpoint(key: &Key) -> Option<EndpointRef> {
    let (organization, _) = key.pk.strip_prefix("endpoint#")?.split_once('#')?;
    let organization = OrganizationId::parse(organization).ok()?;
    Some(EndpointRef { organization, endpoint: EndpointId::parse(&key.sk).ok()? })
}

/// A partition of the `waiting` index. Those that are numbered are shards: together they hold what the variant says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Deliveries of all tenants parked until a time.
    Due(u8),
    /// Deliveries parked until their endpoint can take them.
    Held(EndpointId, u8),
    /// Failed and exhausted deliveries of an endpoint.
    Failed(EndpointId, u8),
    /// Suspended endpoints of all tenants, and when their next probe is due.
    HalfOpen(u8),
    /// Open jobs of all tenants, and when the next page of each is due.
    Jobs(u8),
}

impl Waiting {
    /// Every shard of [`Waiting::Due`].
    pub fn due_shards() -> impl Iterator<Item = Self> {
        (0..DUE_SHARDS).map(Self::Due)
    }

    /// Every shard of [`Waiting::Held`] of an endpoint.
    pub fn held_shards(endpoint: EndpointId) -> impl Iterator<Item = Self> {
        (0..HELD_SHARDS).map(move |shard| Self::Held(endpoint, shard))
    }

    /// Every shard of [`Waiting::Failed`] of an endpoint.
    pub(super) fn failed_shards(endpoint: EndpointId) -> impl Iterator<Item = Self> {
        (0..FAILED_SHARDS).map(move |shard| Self::Failed(endpoint, shard))
    }

    /// Every shard of [`Waiting::HalfOpen`].
    pub(super) fn half_open_shards() -> impl Iterator<Item = Self> {
        (0..HALF_OPEN_SHARDS).map(Self::HalfOpen)
    }

    /// Every shard of [`Waiting::Jobs`].
    pub(super) fn job_shards() -> impl Iterator<Item = Self> {
        (0..JOB_SHARDS).map(Self::Jobs)
    }

    pub(super) fn partition(self) -> String {
        match self {
            Self::Due(shard) => format!("due#{shard}"),
            Self::Held(endpoint, shard) => format!("held#{endpoint}#{shard}"),
            Self::Failed(endpoint, shard) => format!("failed#{endpoint}#{shard}"),
            Self::HalfOpen(shard) => format!("half_open#{shard}"),
            Self::Jobs(shard) => format!("jobs#{shard}"),
        }
    }
}

/// The index key of a delivery's mark.
pub(super) fn mark(mark: Mark, endpoint: EndpointId, delivery: DeliveryId) -> (String, String) {
    let byte = delivery.shard_byte();
    match mark {
        Mark::Due(at) => (Waiting::Due(byte % DUE_SHARDS).partition(), timed(at, delivery)),
        Mark::Held => (Waiting::Held(endpoint, byte % HELD_SHARDS).partition(), delivery.to_string()),
        Mark::Failed => (Waiting::Failed(endpoint, byte % FAILED_SHARDS).partition(), delivery.to_string()),
    }
}

/// The mark of an index key.
pub(super) fn parse_mark(waiting_pk: &str, waiting_sk: &str) -> Option<Mark> {
    match waiting_pk.split('#').next()? {
        "due" => Some(Mark::Due(Timestamp::parse(waiting_sk.split('#').next()?).ok()?)),
        "held" => Some(Mark::Held),
        "failed" => Some(Mark::Failed),
        _ => None,
    }
}

/// The index key of a suspended endpoint whose next probe is due then.
pub(super) fn half_open(at: Timestamp, endpoint: EndpointId) -> (String, String) {
    (Waiting::HalfOpen(endpoint.shard_byte() % HALF_OPEN_SHARDS).partition(), timed(at, endpoint))
}

/// Whether an index key is that of a suspended endpoint.
pub(super) fn is_half_open(waiting_pk: &str) -> bool {
    Waiting::half_open_shards().any(|shard| shard.partition() == waiting_pk)
}

/// The index key of a job whose next page is due then.
pub(super) fn open_job(due_at: Timestamp, job: JobId) -> (String, String) {
    (Waiting::Jobs(job.shard_byte() % JOB_SHARDS).partition(), timed(due_at, job))
}

fn timed(at: Timestamp, id: impl std::fmt::Display) -> String {
    format!("{}#{id}", at.rfc3339())
}

/// The sort key that every key of a time up to `at` lies below.
pub(super) fn until(at: Timestamp) -> String {
    format!("{}#~", at.rfc3339())
}
