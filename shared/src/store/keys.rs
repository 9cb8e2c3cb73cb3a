//! The keys of the table and of its `waiting` index. No other module constructs a key.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::delivery::{Delivery, Mark};
use crate::domain::endpoint::fan_out::FanOutGroup;
use crate::domain::event::event_type::EventType;
use crate::domain::external_id::ExternalId;
use crate::domain::ids::{AttemptId, DeliveryId, EndpointId, EventId, JobId, KeyId, OrganizationId, PortalSessionId};
use crate::domain::job::JobPosition;
use crate::domain::portal::form_id::FormId;
use crate::domain::portal::session::PortalTenant;
use crate::domain::signing::key::SigningKeyId;
use crate::domain::statistics::Hour;
use crate::domain::tenancy::api_key::KeyHash;
use crate::domain::tenancy::limits::Quota;
use crate::domain::tenancy::organization_list::OrganizationPosition;
use crate::domain::tenancy::usage::Day;
use crate::domain::time::Timestamp;

/// The table's partition key attribute.
pub(super) const PK: &str = "pk";
/// The table's sort key attribute.
pub(super) const SK: &str = "sk";
/// The index's partition key attribute.
pub(super) const WAITING_PK: &str = "waiting_pk";
/// The index's sort key attribute.
pub(super) const WAITING_SK: &str = "waiting_sk";
/// The name of the index.
pub(super) const WAITING: &str = "waiting";
/// The attribute of DynamoDB's time to live, in Unix seconds.
pub(super) const EXPIRES_AT: &str = "expires_at";

/// Number of partitions of an organization's events.
pub const EVENT_SHARDS: u8 = 16;
/// Number of partitions of an endpoint's deliveries, and of their attempts.
pub const DELIVERY_SHARDS: u8 = 16;
/// Number of partitions of the external ids of an organization's events.
const EXTERNAL_EVENT_SHARDS: u8 = 16;
/// Number of partitions of an organization's idempotency keys.
const IDEMPOTENCY_SHARDS: u8 = 16;
/// Number of index partitions of the parked and leased deliveries of all tenants, by time.
const DUE_SHARDS: u8 = 64;
/// Number of index partitions of an endpoint's held deliveries.
pub const HELD_SHARDS: u8 = 8;
/// Number of index partitions of an endpoint's failed and exhausted deliveries.
pub const FAILED_SHARDS: u8 = 8;
/// Number of index partitions of the suspended endpoints of all tenants.
const HALF_OPEN_SHARDS: u8 = 8;
/// Number of index partitions of all organizations.
const ORGANIZATION_SHARDS: u8 = 8;
/// Number of index partitions of the open jobs of all tenants.
const JOB_SHARDS: u8 = 8;

/// Number of partitions of an organization's endpoints.
const ENDPOINT_SHARDS: u8 = 16;
/// Number of copies of an organization's state.
pub(super) const STATE_COPIES: u8 = 4;

/// The prefix of the sort keys of endpoints and of their fan-out items.
pub(super) const ENDPOINT_PREFIX: &str = "we_";
/// The prefix of the sort keys of an organization's API keys.
pub(super) const KEY_PREFIX: &str = "key#";
/// What the partitions of items begin with whose keys contain a slug or an external id.
const SLUG: &str = "slug#";
const EXTERNAL_ORGANIZATION: &str = "extorg#";
const EXTERNAL_ENDPOINT: &str = "extend#";
const EXTERNAL_EVENT: &str = "extevt#";
const DELETED_PREFIX: &str = "deleted#";
const JOB_PREFIX: &str = "job#";
const ATTEMPT_PREFIX: &str = "attempt#";
const JOB_ENTRY_PREFIX: &str = "at#";
const RESENDS_PREFIX: &str = "of#";
const PENDING_SUFFIX: &str = "#pending";
const APPENDED_INFIX: &str = "#more#";
const TYPE_VERSION_PREFIX: &str = "schema#";
/// The partition of the list of event types.
pub(super) const TYPES: &str = "types";

/// The byte of an id that chooses its shard. Its bits are random, the same in an event and its deliveries, and
/// consecutive within a batch.
pub const fn shard_byte(id: Uuid) -> u8 {
    id.as_bytes()[13]
}

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

    /// The key for logs, without the external id or slug in it: these are names that a tenant or the platform chose.
    pub(super) fn without_names(&self) -> String {
        let Self { pk, sk } = self;
        match pk.split_inclusive('#').next() {
            Some(kind @ (SLUG | EXTERNAL_ORGANIZATION)) => format!("{kind}… {sk}"),
            Some(EXTERNAL_ENDPOINT | EXTERNAL_EVENT) => format!("{pk} …"),
            _ => format!("{pk} {sk}"),
        }
    }

    pub(super) fn of(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok());
        Some(Self::new(text(PK)?, text(SK)?))
    }
}

/// The partition of an organization's item and its API keys.
pub(super) fn organization_partition(organization: &OrganizationId) -> String {
    format!("org#{organization}")
}

pub(super) fn organization(organization: &OrganizationId) -> Key {
    Key::new(organization_partition(organization), "org")
}

pub(super) fn slug(slug: &str) -> Key {
    Key::new(format!("{SLUG}{slug}"), "slug")
}

/// The item of an organization's external id.
pub(super) fn external_organization(external_id: &ExternalId) -> Key {
    Key::new(format!("{EXTERNAL_ORGANIZATION}{external_id}"), "ext")
}

/// The item of an endpoint's external id.
pub(super) fn external_endpoint(organization: &OrganizationId, external_id: &ExternalId) -> Key {
    Key::new(external_endpoint_partition(organization), external_id.as_str())
}

fn external_endpoint_partition(organization: &OrganizationId) -> String {
    format!("{EXTERNAL_ENDPOINT}{organization}")
}

/// The item of an event's external id.
pub(super) fn external_event(organization: &OrganizationId, external_id: &ExternalId) -> Key {
    let shard = Sha256::digest(external_id.as_str())[0] % EXTERNAL_EVENT_SHARDS;
    Key::new(external_event_partition(organization, shard), external_id.as_str())
}

fn external_event_partition(organization: &OrganizationId, shard: u8) -> String {
    format!("{EXTERNAL_EVENT}{organization}#{shard}")
}

/// The partitions of the external ids of an organization's endpoints and events.
pub(super) fn external_id_partitions(organization: &OrganizationId) -> impl Iterator<Item = String> {
    let events = (0..EXTERNAL_EVENT_SHARDS).map(move |shard| external_event_partition(organization, shard));
    events.chain([external_endpoint_partition(organization)])
}

pub(super) fn key_by_hash(hash: &KeyHash) -> Key {
    Key::new(format!("key#{hash}"), "key")
}

pub(super) fn key_in_organization(organization: &OrganizationId, key: KeyId) -> Key {
    Key::new(organization_partition(organization), format!("{KEY_PREFIX}{key}"))
}

/// The last use of an API key. It is a separate item, so that functions that only authenticate need no permission
/// to change API keys.
pub(super) fn key_use(organization: &OrganizationId, key: KeyId) -> Key {
    Key::new(key_use_partition(organization), key.to_string())
}

/// The partition of the last uses of an organization's API keys.
pub(super) fn key_use_partition(organization: &OrganizationId) -> String {
    format!("used#{organization}")
}

/// A portal session.
pub(super) fn portal_session(tenant: &PortalTenant, session: PortalSessionId) -> Key {
    Key::new(portal_session_partition(tenant), session.to_string())
}

/// A form of the portal that was sent. It sorts after the sessions.
pub(super) fn portal_form(tenant: &PortalTenant, form: FormId) -> Key {
    Key::new(portal_session_partition(tenant), format!("wpsform#{form}"))
}

/// The partition of the portal sessions of an organization, or of operators, and of their forms.
pub(super) fn portal_session_partition(tenant: &PortalTenant) -> String {
    format!("portal#{tenant}")
}

/// The tenant and the id in the key of a portal session.
pub(super) fn parse_portal_session(key: &Key) -> Option<(PortalTenant, PortalSessionId)> {
    Some((PortalTenant::parse(key.pk.strip_prefix("portal#")?)?, PortalSessionId::parse(&key.sk).ok()?))
}

/// A copy of an organization's state.
pub(super) fn state(organization: &OrganizationId, copy: u8) -> Key {
    Key::new(format!("state#{organization}#{copy}"), "state")
}

/// All copies of an organization's state.
pub(super) fn states(organization: &OrganizationId) -> impl Iterator<Item = Key> {
    (0..STATE_COPIES).map(|copy| state(organization, copy))
}

pub(super) fn endpoint(organization: &OrganizationId, endpoint: EndpointId) -> Key {
    let shard = shard_byte(endpoint.uuid()) % ENDPOINT_SHARDS;
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

/// The endpoint in the key of health counters.
pub(super) fn parse_health(key: &Key) -> Option<EndpointId> {
    EndpointId::parse(key.pk.strip_prefix("health#")?).ok()
}

/// The statistics of an endpoint in an hour.
pub(super) fn statistics(endpoint: EndpointId, hour: Hour) -> Key {
    Key::new(statistics_partition(endpoint), hour.to_string())
}

/// The partition of an endpoint's statistics.
pub(super) fn statistics_partition(endpoint: EndpointId) -> String {
    format!("stats#{endpoint}")
}

/// The endpoint whose deletion an item with this sort key records.
pub(super) fn parse_deleted_endpoint(sk: &str) -> Option<EndpointId> {
    EndpointId::parse(sk.strip_prefix(DELETED_PREFIX)?).ok()
}

/// The sort key of the item that records the deletion of an endpoint.
pub(super) fn deleted_sort_key(endpoint: impl std::fmt::Display) -> String {
    format!("{DELETED_PREFIX}{endpoint}")
}

/// The item that records the deletion of an endpoint.
pub(super) fn deleted_endpoint(organization: &OrganizationId, endpoint: EndpointId) -> Key {
    let Key { pk, sk } = self::endpoint(organization, endpoint);
    Key { pk, sk: deleted_sort_key(sk) }
}

/// The partition of an organization's jobs.
pub(super) fn job_partition(organization: &OrganizationId) -> String {
    format!("{JOB_PREFIX}{organization}")
}

pub(super) fn job(organization: &OrganizationId, job: JobId) -> Key {
    Key::new(job_partition(organization), job.to_string())
}

/// The entry of a job in the list of its organization's jobs.
pub(super) fn job_entry(organization: &OrganizationId, position: JobPosition) -> Key {
    Key::new(job_partition(organization), job_entry_sort_key(position))
}

fn job_entry_sort_key(position: JobPosition) -> String {
    format!("{JOB_ENTRY_PREFIX}{:013}#{}", position.since().unix_millis(), position.id())
}

/// The first and the last sort key that an entry in a list of jobs can have.
pub(super) fn all_job_entries() -> (String, String) {
    (JOB_ENTRY_PREFIX.to_owned(), format!("{JOB_ENTRY_PREFIX}~"))
}

/// The first sort key after this entry of a list of jobs.
pub(super) fn after_job_entry(position: JobPosition) -> String {
    job_entry_sort_key(JobPosition::new(position.since(), position.id().next()))
}

/// The last sort key before this entry of a list of jobs.
pub(super) fn before_job_entry(position: JobPosition) -> String {
    job_entry_sort_key(JobPosition::new(position.since(), position.id().former()))
}

/// The position in the sort key of an entry in a list of jobs.
pub(super) fn parse_job_entry(sk: &str) -> Option<JobPosition> {
    let (since, id) = sk.strip_prefix(JOB_ENTRY_PREFIX)?.split_once('#')?;
    let since = Timestamp::from_unix_millis(since.parse().ok()?);
    Some(JobPosition::new(since, JobId::parse(id).ok()?))
}

/// The set of an organization's open recoveries and replays.
pub(super) fn open_restarts(organization: &OrganizationId) -> Key {
    Key::new(job_partition(organization), "open")
}

/// The organization and the id in a job's key.
pub(super) fn parse_job(key: &Key) -> Option<(OrganizationId, JobId)> {
    let organization = OrganizationId::parse(key.pk.strip_prefix(JOB_PREFIX)?).ok()?;
    Some((organization, JobId::parse(&key.sk).ok()?))
}

/// The partition of the public keys of an organization's endpoints.
pub(super) fn public_key_partition(organization: &OrganizationId) -> String {
    format!("jwks#{organization}")
}

/// The beginning of the sort keys of an endpoint's public keys.
pub(super) fn public_key_prefix(endpoint: EndpointId) -> String {
    format!("{endpoint}#")
}

/// A public key of an endpoint.
pub(super) fn public_key(organization: &OrganizationId, endpoint: EndpointId, key: SigningKeyId) -> Key {
    Key::new(public_key_partition(organization), format!("{}{key}", public_key_prefix(endpoint)))
}

/// The identifier in the sort key of a public key.
pub(super) fn parse_public_key(sk: &str) -> Option<SigningKeyId> {
    SigningKeyId::parse(sk.split_once('#')?.1)
}

/// The claim of the idempotency key with this SHA-256.
pub(super) fn idempotency(organization: &OrganizationId, key_hash: [u8; 32]) -> Key {
    let shard = key_hash[0] % IDEMPOTENCY_SHARDS;
    Key::new(idempotency_partition(organization, shard), hex::encode(key_hash))
}

/// The answer to a request with this digest. That of a request for an organization is beside its idempotency keys.
pub(super) fn answer(organization: Option<&OrganizationId>, digest: [u8; 32]) -> Key {
    let shard = digest[0] % IDEMPOTENCY_SHARDS;
    let partition = match organization {
        Some(organization) => idempotency_partition(organization, shard),
        None => format!("answer#{shard}"),
    };
    Key::new(partition, format!("answer#{}", hex::encode(digest)))
}

fn idempotency_partition(organization: &OrganizationId, shard: u8) -> String {
    format!("idem#{organization}#{shard}")
}

pub(super) fn idempotency_partitions(organization: &OrganizationId) -> impl Iterator<Item = String> {
    (0..IDEMPOTENCY_SHARDS).map(|shard| idempotency_partition(organization, shard))
}

/// The state of an organization's rate limit.
pub(super) fn rate(organization: &OrganizationId) -> Key {
    Key::new(format!("limit#{organization}"), "rate")
}

/// The state of a fixed limit of an organization.
pub(super) fn quota(organization: &OrganizationId, quota: Quota) -> Key {
    let sk = match quota {
        Quota::Resends(endpoint) => format!("resends#{endpoint}"),
        Quota::Restarts(endpoint) => format!("restarts#{endpoint}"),
        Quota::DryRuns => "dry_runs".to_owned(),
    };
    Key::new(rate(organization).pk, sk)
}

/// An organization's usage on a day.
pub(super) fn usage(organization: &OrganizationId, day: Day) -> Key {
    Key::new(usage_partition(organization), day.to_string())
}

/// The partition of an organization's usage.
pub(super) fn usage_partition(organization: &OrganizationId) -> String {
    format!("usage#{organization}")
}

/// The item of an event type.
pub(super) fn event_type(name: &EventType) -> Key {
    Key::new(format!("type#{name}"), "type")
}

/// A version of an event type.
pub(super) fn type_version(name: &EventType, number: u32) -> Key {
    Key::new(format!("type#{name}"), format!("{TYPE_VERSION_PREFIX}{number:06}"))
}

/// The number of the version with this key.
pub(super) fn parse_type_version(key: &Key) -> Option<u32> {
    key.sk.strip_prefix(TYPE_VERSION_PREFIX)?.parse().ok()
}

/// The entry of an event type in the list of types.
pub(super) fn type_entry(name: &EventType) -> Key {
    Key::new(TYPES, name.to_string())
}

/// The item of the walk that encrypts again under a new key.
pub(super) fn reencryption() -> Key {
    Key::new("reencryption", "reencryption")
}

/// The item of the catalogue's revision.
pub(super) fn catalogue() -> Key {
    Key::new("catalogue", "catalogue")
}

pub(super) fn event(organization: &OrganizationId, event: EventId) -> Key {
    Key::new(event_partition(organization, shard_byte(event.uuid()) % EVENT_SHARDS), event.to_string())
}

/// A list of endpoints that replays added to an event's fan-out. It sorts after the event and before any other event.
pub(super) fn appended(organization: &OrganizationId, event: EventId, number: usize) -> Key {
    let Key { pk, sk } = self::event(organization, event);
    Key { pk, sk: format!("{sk}{APPENDED_INFIX}{number:04}") }
}

/// The prefix of the sort keys of all lists of endpoints that replays added to an event's fan-out.
pub(super) fn appended_prefix(event: EventId) -> String {
    format!("{event}{APPENDED_INFIX}")
}

/// The event and the number in the sort key of a list of added endpoints; `None` for any other sort key.
pub(super) fn parse_appended(sk: &str) -> Option<(EventId, usize)> {
    let (event, number) = sk.split_once(APPENDED_INFIX)?;
    Some((EventId::parse(event).ok()?, number.parse().ok()?))
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

/// The list of pending deliveries whose last delivery is `last`. It sorts directly after that delivery's record.
pub(super) fn pending(endpoint: EndpointId, last: DeliveryId) -> Key {
    Key::new(partition_of(endpoint, last), format!("{last}{PENDING_SUFFIX}"))
}

/// Whether a sort key in a deliveries partition is that of a list of pending deliveries.
pub(super) fn is_pending(sk: &str) -> bool {
    sk.ends_with(PENDING_SUFFIX)
}

/// The delivery that a sort key in a deliveries partition names. For a list it is the last delivery.
pub(super) fn delivery_of(sk: &str) -> Option<DeliveryId> {
    DeliveryId::parse(sk.strip_suffix(PENDING_SUFFIX).unwrap_or(sk)).ok()
}

fn partition_of(endpoint: EndpointId, delivery: DeliveryId) -> String {
    delivery_partition(endpoint, shard_byte(delivery.uuid()) % DELIVERY_SHARDS)
}

fn delivery_partition(endpoint: EndpointId, shard: u8) -> String {
    format!("delivery#{endpoint}#{shard}")
}

pub(super) fn delivery_partitions(endpoint: EndpointId) -> impl Iterator<Item = String> {
    (0..DELIVERY_SHARDS).map(move |shard| delivery_partition(endpoint, shard))
}

/// The endpoint and the delivery in the key of a delivery's record.
pub(super) fn parse_delivery(key: &Key) -> Option<(EndpointId, DeliveryId)> {
    Some((parse_delivery_partition(&key.pk)?, DeliveryId::parse(&key.sk).ok()?))
}

/// The endpoint in the partition key of deliveries.
pub(super) fn parse_delivery_partition(pk: &str) -> Option<EndpointId> {
    EndpointId::parse(pk.strip_prefix("delivery#")?.split('#').next()?).ok()
}

/// The item of an attempt. It is in the shard of its delivery.
pub(super) fn attempt(endpoint: EndpointId, attempt: AttemptId) -> Key {
    Key::new(attempt_partition(endpoint, shard_byte(attempt.uuid()) % DELIVERY_SHARDS), attempt.to_string())
}

/// The times of a delivery's resends.
pub(super) fn resends(endpoint: EndpointId, delivery: DeliveryId) -> Key {
    let shard = shard_byte(delivery.uuid()) % DELIVERY_SHARDS;
    Key::new(attempt_partition(endpoint, shard), format!("{RESENDS_PREFIX}{delivery}"))
}

fn attempt_partition(endpoint: EndpointId, shard: u8) -> String {
    format!("{ATTEMPT_PREFIX}{endpoint}#{shard}")
}

/// The partitions of an endpoint's attempts and resends.
pub(super) fn attempt_partitions(endpoint: EndpointId) -> impl Iterator<Item = String> {
    (0..DELIVERY_SHARDS).map(move |shard| attempt_partition(endpoint, shard))
}

/// The endpoint and the attempt in the key of an attempt's item.
pub(super) fn parse_attempt(key: &Key) -> Option<(EndpointId, AttemptId)> {
    let (endpoint, _) = key.pk.strip_prefix(ATTEMPT_PREFIX)?.split_once('#')?;
    Some((EndpointId::parse(endpoint).ok()?, AttemptId::parse(&key.sk).ok()?))
}

/// The delivery in the sort key of a list of resends.
pub(super) fn parse_resends(sk: &str) -> Option<DeliveryId> {
    DeliveryId::parse(sk.strip_prefix(RESENDS_PREFIX)?).ok()
}

/// An endpoint that an entry of the index refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRef {
    /// The organization that the endpoint belongs to.
    pub organization: OrganizationId,
    /// The endpoint.
    pub endpoint: EndpointId,
}

pub(super) fn parse_endpoint(key: &Key) -> Option<EndpointRef> {
    let (organization, _) = key.pk.strip_prefix("endpoint#")?.split_once('#')?;
    let organization = OrganizationId::parse(organization).ok()?;
    Some(EndpointRef { organization, endpoint: EndpointId::parse(&key.sk).ok()? })
}

/// A partition of the `waiting` index. The number is the shard; all shards of a variant form one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Deliveries of all tenants that are parked or leased until a time.
    Due(u8),
    /// Deliveries that are parked until their endpoint accepts deliveries.
    Held(EndpointId, u8),
    /// Failed and exhausted deliveries of an endpoint.
    Failed(EndpointId, u8),
    /// Suspended endpoints of all tenants, by the time of their next probe.
    HalfOpen(u8),
    /// Open jobs of all tenants, by the time of their next page.
    Jobs(u8),
    /// All organizations, by creation time.
    Organizations(u8),
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

    /// Every shard of [`Waiting::Organizations`].
    pub(super) fn organization_shards() -> impl Iterator<Item = Self> {
        (0..ORGANIZATION_SHARDS).map(Self::Organizations)
    }

    pub(super) fn partition(self) -> String {
        match self {
            Self::Due(shard) => format!("due#{shard}"),
            Self::Held(endpoint, shard) => format!("held#{endpoint}#{shard}"),
            Self::Failed(endpoint, shard) => format!("failed#{endpoint}#{shard}"),
            Self::HalfOpen(shard) => format!("half_open#{shard}"),
            Self::Jobs(shard) => format!("jobs#{shard}"),
            Self::Organizations(shard) => format!("orgs#{shard}"),
        }
    }
}

/// The index key of a delivery; `None` if it has no mark.
pub(super) fn mark(delivery: &Delivery) -> Option<(String, String)> {
    let Delivery { id, endpoint, organization, mark, .. } = delivery;
    let byte = shard_byte(id.uuid());
    Some(match (*mark)? {
        // The organization is there for the sweep, which reads nothing else before it decides whose turn it is.
        Mark::Due(at) => (Waiting::Due(byte % DUE_SHARDS).partition(), timed(at, format_args!("{id}#{organization}"))),
        Mark::Held => (Waiting::Held(*endpoint, byte % HELD_SHARDS).partition(), id.to_string()),
        Mark::Failed => (Waiting::Failed(*endpoint, byte % FAILED_SHARDS).partition(), id.to_string()),
    })
}

/// The organization of a sort key of [`Waiting::Due`].
pub(super) fn parse_due_organization(waiting_sk: &str) -> Option<OrganizationId> {
    OrganizationId::parse(waiting_sk.split('#').nth(2)?).ok()
}

/// The mark of an index key; `None` if the key is not that of a delivery.
pub(super) fn parse_mark(waiting_pk: &str, waiting_sk: &str) -> Option<Mark> {
    match waiting_pk.split('#').next()? {
        "due" => Some(Mark::Due(Timestamp::parse(waiting_sk.split('#').next()?).ok()?)),
        "held" => Some(Mark::Held),
        "failed" => Some(Mark::Failed),
        _ => None,
    }
}

/// The index key of a suspended endpoint whose next probe is due at `at`.
pub(super) fn half_open(at: Timestamp, endpoint: EndpointId) -> (String, String) {
    (Waiting::HalfOpen(shard_byte(endpoint.uuid()) % HALF_OPEN_SHARDS).partition(), timed(at, endpoint))
}

/// Whether an index partition holds suspended endpoints.
#[cfg(feature = "operator")]
pub(super) fn is_half_open(waiting_pk: &str) -> bool {
    Waiting::half_open_shards().any(|shard| shard.partition() == waiting_pk)
}

/// The index key of a job whose next page is due at `due_at`.
pub(super) fn open_job(due_at: Timestamp, job: JobId) -> (String, String) {
    (Waiting::Jobs(shard_byte(job.uuid()) % JOB_SHARDS).partition(), timed(due_at, job))
}

/// The index key of an organization at this position of the list.
pub(super) fn listed_organization(position: &OrganizationPosition) -> (String, String) {
    let shard = Sha256::digest(position.id.as_str())[0] % ORGANIZATION_SHARDS;
    (Waiting::Organizations(shard).partition(), timed(position.created_at, &position.id))
}

fn timed(at: Timestamp, id: impl std::fmt::Display) -> String {
    format!("{}#{id}", at.rfc3339())
}

/// The upper bound of all sort keys with times up to `at`.
pub(super) fn until(at: Timestamp) -> String {
    format!("{}#~", at.rfc3339())
}
