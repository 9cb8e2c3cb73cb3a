//! The DynamoDB table. `keys` constructs all keys, and each resource has a file. docs/storage.md describes the
//! items and the access patterns.

mod api_keys;
mod backlog;
mod batch;
mod deliveries;
mod endpoints;
mod error;
mod events;
mod fan_out;
mod gathered;
mod health;
mod idempotency;
mod items;
mod jobs;
mod keys;
mod limits;
mod listing;
mod load;
mod merge;
mod organizations;
mod packed;
mod pending;
pub mod schema;
mod state;
mod stored;
mod usage;
mod waiting;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;

use crate::clock;
use gathered::Gathered;
use keys::STATE_COPIES;

pub use backlog::Backlog;
pub use batch::WRITE_CHUNK;
pub use deliveries::Replaced;
pub use error::StoreError;
pub use events::{EventList, ListedEvent};
pub use idempotency::{Claim, Claimed, EarlierClaim};
pub use jobs::JobPut;
pub use keys::{DELIVERY_SHARDS, EVENT_SHARDS, EndpointRef, FAILED_SHARDS, HELD_SHARDS, Waiting};
pub use limits::{Tokens, Tried};
use listing::LIST_READ_UNITS;
pub use listing::{DeliveryIds, DeliveryList, Listing, Order};
pub use load::{Loaded, Wanted};
pub use merge::Next;
pub use organizations::Taken;
pub use stored::StoredPage;
pub use usage::NotAdded;
pub use waiting::WaitingRef;

/// Access to the table.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: String,
    retention: Duration,
    /// The copy of organizations' states that this process reads.
    state_copy: u8,
    gathered: Gathered,
}

impl Store {
    /// Access to this table. Events and deliveries expire `retention` after they were published.
    pub fn new(sdk: &SdkConfig, table: impl Into<String>, retention: Duration) -> Self {
        let (client, table) = (Client::new(sdk), table.into());
        let [byte, ..] = clock::id_bytes();
        let state_copy = byte % STATE_COPIES;
        Self { gathered: Gathered::new(&client, &table, state_copy), client, table, retention, state_copy }
    }
}
