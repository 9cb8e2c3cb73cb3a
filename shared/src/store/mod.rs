//! The DynamoDB table. `keys` constructs all keys, and each resource has a file. docs/storage.md describes the
//! items and the access patterns.

mod answers;
mod api_keys;
mod attempts;
mod chunks;
mod counts;
mod deliveries;
mod endpoints;
mod error;
mod event_types;
mod events;
mod external_ids;
mod fan_out;
mod health;
mod idempotency;
mod item;
mod jobs;
mod keys;
mod limits;
#[cfg(feature = "operator")]
mod operator;
mod organizations;
mod portal_sessions;
mod public_keys;
mod read;
mod reencryption;
mod removal;
mod response;
pub mod schema;
mod size;
mod statistics;
mod usage;
mod write;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;

use crate::clock;
use keys::STATE_COPIES;
use write::coalesced::CoalescedCalls;

pub use answers::{EarlierRequest, RequestDigest, StoredAnswer};
pub use attempts::listing::{AttemptList, Examined};
pub use counts::NotAdded;
pub use deliveries::Replaced;
use deliveries::listing::LIST_READ_UNITS;
pub use deliveries::listing::{DeliveryIds, DeliveryList, Listing, Order};
pub use deliveries::pending::PendingList;
pub use deliveries::stored::StoredPage;
pub use error::StoreError;
pub use event_types::TYPES_PER_TRANSACTION;
pub use events::appended::Append;
pub use events::{EventList, EventWalk, ListedEvent};
pub use external_ids::OtherClaim;
pub use idempotency::{Claim, Claimed, EarlierClaim};
pub use jobs::listing::{JobEntry, JobList};
pub use jobs::{DueJobs, JobPut};
pub use keys::{DELIVERY_SHARDS, EVENT_SHARDS, EndpointRef, FAILED_SHARDS, HELD_SHARDS, Waiting, shard_byte};
pub use limits::{TokenWrite, Tokens};
#[cfg(feature = "operator")]
pub use operator::Backlog;
pub use organizations::{Duplicate, OrganizationPage};
pub use public_keys::MAX_PUBLISHED;
pub use read::due::{DueRef, DueSpan};
pub use read::load::{Loaded, Wanted};
pub use read::merge::Next;
pub use read::waiting::WaitingRef;
pub use write::batch::WRITE_CHUNK;

/// Access to the table.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: String,
    retention: Duration,
    /// The copy of organizations' states that this process reads.
    state_copy: u8,
    coalesced: CoalescedCalls,
}

impl Store {
    /// Access to this table. Events and deliveries expire `retention` after they were published.
    pub fn new(sdk: &SdkConfig, table: impl Into<String>, retention: Duration) -> Self {
        let (client, table) = (Client::new(sdk), table.into());
        let [byte, ..] = clock::id_bytes();
        let state_copy = byte % STATE_COPIES;
        Self { coalesced: CoalescedCalls::new(&client, &table, state_copy), client, table, retention, state_copy }
    }
}
