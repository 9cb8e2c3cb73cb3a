//! Coalesced calls: one call of DynamoDB for several concurrent requests of this process.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::{BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementRequest, WriteRequest};
use futures_util::FutureExt;
use tracing::warn;

use super::batch::WRITE_CHUNK;
use crate::coalescer::{Coalescer, Unanswered};
use crate::domain::catalogue::{CatalogueType, TypeVersion};
use crate::domain::endpoint::fan_out::{FanOutGroup, Target};
use crate::domain::event::event_type::EventType;
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::organization::OrganizationState;
use crate::store::event_types::{TypeItem, VersionItem, read_revision};
use crate::store::fan_out::TargetItem;
use crate::store::item::{Item, read};
use crate::store::keys::Key;
use crate::store::organizations::state;
use crate::store::read::get::query_prefix;
use crate::store::{StoreError, keys};

/// The time limit of a coalesced INSERT. The single write that follows a failure may take ten seconds more.
const ONE_TRY: Duration = Duration::from_secs(2);
/// Most requests that share one read.
const READERS: usize = 1_000;

/// `None` if the item was written; the item itself if DynamoDB left it unprocessed.
type Written = Result<Option<WriteRequest>, StoreError>;
type State = Result<Option<OrganizationState>, StoreError>;
type Targets = Result<Arc<[Target]>, StoreError>;
type Revision = Result<u64, StoreError>;
type Type = Result<Option<CatalogueType>, StoreError>;
type Version = Result<Option<TypeVersion>, StoreError>;

#[derive(Debug, Clone)]
pub(in crate::store) struct CoalescedCalls {
    writes: Coalescer<(), WriteRequest, Written>,
    inserts: Coalescer<(), Item, bool>,
    attempts: Coalescer<(), Item, bool>,
    states: Coalescer<OrganizationId, (), State>,
    targets: Coalescer<(OrganizationId, FanOutGroup), (), Targets>,
    /// By whether the read is strongly consistent.
    revisions: Coalescer<bool, (), Revision>,
    types: Coalescer<EventType, (), Type>,
    versions: Coalescer<(EventType, u32), (), Version>,
}

impl CoalescedCalls {
    /// Coalesced calls for this table. They read the copy `state_copy` of an organization's state.
    pub(in crate::store) fn new(client: &Client, table: &str, state_copy: u8) -> Self {
        let table: Arc<str> = table.into();
        let (state_reader, states) = (client.clone(), Arc::clone(&table));
        let (target_reader, targets) = (client.clone(), Arc::clone(&table));
        let (revision_reader, catalogue) = (client.clone(), Arc::clone(&table));
        let (type_reader, types) = (client.clone(), Arc::clone(&table));
        let (version_reader, versions) = (client.clone(), Arc::clone(&table));
        let (writer, inserter, into) = (client.clone(), in_one_try(client), Arc::clone(&table));
        let (attempter, attempts) = (inserter.clone(), Arc::clone(&table));
        Self {
            writes: Coalescer::new(WRITE_CHUNK, move |(), puts| {
                write(writer.clone(), Arc::clone(&table), puts).boxed()
            }),
            inserts: Coalescer::new(WRITE_CHUNK, move |(), items| {
                insert(inserter.clone(), Arc::clone(&into), items).boxed()
            }),
            attempts: Coalescer::new(WRITE_CHUNK, move |(), items| {
                insert(attempter.clone(), Arc::clone(&attempts), items).boxed()
            }),
            states: Coalescer::new(READERS, move |organization, readers| {
                let read = read_state(state_reader.clone(), Arc::clone(&states), organization, state_copy);
                read.map(move |state| vec![state; readers.len()]).boxed()
            }),
            targets: Coalescer::new(READERS, move |(organization, group), readers| {
                let read = read_targets(target_reader.clone(), Arc::clone(&targets), organization, group);
                read.map(move |targets| vec![targets; readers.len()]).boxed()
            }),
            revisions: Coalescer::new(READERS, move |is_consistent, readers| {
                let read = read_catalogue(revision_reader.clone(), Arc::clone(&catalogue), is_consistent);
                read.map(move |revision| vec![revision; readers.len()]).boxed()
            }),
            types: Coalescer::new(READERS, move |name, readers| {
                let read = read_item(type_reader.clone(), Arc::clone(&types), keys::event_type(&name));
                read.map(move |item| vec![item.and_then(|it| it.map(read_type).transpose()); readers.len()]).boxed()
            }),
            versions: Coalescer::new(READERS, move |(name, number), readers| {
                let key = keys::type_version(&name, number);
                let read = read_item(version_reader.clone(), Arc::clone(&versions), key);
                read.map(move |item| vec![item.and_then(|it| it.map(read_version).transpose()); readers.len()]).boxed()
            }),
        }
    }

    /// Writes at most [`WRITE_CHUNK`] items. Returns the items that DynamoDB left unprocessed.
    pub(in crate::store) async fn write(&self, puts: Vec<WriteRequest>) -> Result<Vec<WriteRequest>, StoreError> {
        let is_full = puts.len() == WRITE_CHUNK;
        let written =
            if is_full { self.writes.uncoalesced((), puts).await } else { self.writes.call_all((), puts).await? };
        written.into_iter().filter_map(Result::transpose).collect()
    }

    /// Inserts an item if no item has its key. Returns whether the item was certainly written; after `false` the
    /// caller must check.
    pub(in crate::store) async fn insert(&self, item: Item) -> bool {
        self.inserts.call((), item).await.unwrap_or(false)
    }

    /// As [`insert`](Self::insert), for items of attempts. They do not share calls with records, whose writes are more
    /// important.
    pub(in crate::store) async fn insert_attempt(&self, item: Item) -> bool {
        self.attempts.call((), item).await.unwrap_or(false)
    }

    /// Reads the state of an organization. The read begins after this call.
    pub(in crate::store) async fn state(&self, organization: &OrganizationId) -> State {
        self.states.call(organization.clone(), ()).await?
    }

    /// Reads the targets of a fan-out group, sorted by id. The read begins after this call.
    pub(in crate::store) async fn targets(&self, organization: &OrganizationId, group: FanOutGroup) -> Targets {
        self.targets.call((organization.clone(), group), ()).await?
    }

    /// Reads the revision of the catalogue. The read begins after this call.
    pub(in crate::store) async fn catalogue_revision(&self, is_consistent: bool) -> Revision {
        self.revisions.call(is_consistent, ()).await?
    }

    /// Reads an event type. The read begins after this call.
    pub(in crate::store) async fn event_type(&self, name: &EventType) -> Type {
        self.types.call(name.clone(), ()).await?
    }

    /// Reads a version of an event type. The read begins after this call.
    pub(in crate::store) async fn type_version(&self, name: &EventType, number: u32) -> Version {
        self.versions.call((name.clone(), number), ()).await?
    }
}

/// A client without retries and with a short time limit: items that a coalesced call did not write are written
/// again by single calls.
fn in_one_try(client: &Client) -> Client {
    let once = TimeoutConfig::builder().operation_timeout(ONE_TRY).build();
    let config = client.config().to_builder().retry_config(RetryConfig::disabled()).timeout_config(once);
    Client::from_conf(config.build())
}

impl From<Unanswered> for StoreError {
    fn from(Unanswered: Unanswered) -> Self {
        Self::Unavailable("a coalesced call ended without a response".to_owned())
    }
}

async fn write(client: Client, table: Arc<str>, puts: Vec<WriteRequest>) -> Vec<Written> {
    let keys: Vec<_> = puts.iter().map(key).collect();
    let output = match client.batch_write_item().request_items(&*table, puts).send().await {
        Ok(output) => output,
        Err(error) => return vec![Err(error.into()); keys.len()],
    };
    let mut left = output.unprocessed_items.and_then(|mut tables| tables.remove(&*table)).unwrap_or_default();
    let mut take =
        |wanted: &Option<Key>| left.iter().position(|put| key(put) == *wanted).map(|at| left.swap_remove(at));
    let written = keys.iter().map(|wanted| Ok(take(wanted))).collect();
    // An unprocessed item that matches no item of the call could belong to any request, so all of them fail.
    if left.is_empty() {
        written
    } else {
        vec![Err(StoreError::corrupt("an unprocessed item without a key")); keys.len()]
    }
}

/// Inserts items with BatchExecuteStatement, because BatchWriteItem supports no conditions. Both consume the same
/// write units.
///
/// After an error no item counts as written: DynamoDB may have rejected the call because of one item (two with the
/// same key, for example), or may have performed it without a response.
async fn insert(client: Client, table: Arc<str>, items: Vec<Item>) -> Vec<bool> {
    let count = items.len();
    let statements: Result<Vec<_>, _> = items.into_iter().map(|item| insertion(&table, item)).collect();
    let Ok(statements) = statements else { return vec![false; count] };
    match client.batch_execute_statement().set_statements(Some(statements)).send().await {
        Ok(output) => output.responses().iter().map(|response| is_inserted(response.error())).collect(),
        Err(error) => {
            warn!(error = error.code(), "a coalesced insert failed");
            vec![false; count]
        }
    }
}

fn is_inserted(error: Option<&BatchStatementError>) -> bool {
    let code = error.and_then(BatchStatementError::code);
    if let Some(code) = code.filter(|code| **code != BatchStatementErrorCodeEnum::DuplicateItem) {
        warn!(error = code.as_str(), "an item of a coalesced insert failed");
    }
    error.is_none()
}

fn insertion(table: &str, item: Item) -> Result<BatchStatementRequest, BuildError> {
    let (names, values): (Vec<_>, Vec<_>) = item.into_iter().unzip();
    let mut statement = format!("INSERT INTO \"{table}\" VALUE {{");
    for (at, name) in names.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let _ = write!(statement, "{comma}'{name}': ?");
    }
    statement.push('}');
    BatchStatementRequest::builder().statement(statement).set_parameters(Some(values)).build()
}

fn key(put: &WriteRequest) -> Option<Key> {
    Key::of(put.put_request()?.item())
}

async fn read_state(client: Client, table: Arc<str>, organization: OrganizationId, copy: u8) -> State {
    let item = read_item(client, table, keys::state(&organization, copy)).await?;
    item.as_ref().map(state::read_state).transpose()
}

async fn read_catalogue(client: Client, table: Arc<str>, is_consistent: bool) -> Revision {
    let key = keys::catalogue().attributes();
    let read =
        client.get_item().table_name(&*table).set_key(Some(key)).set_consistent_read(is_consistent.then_some(true));
    let output = read.send().await?;
    read_revision(output.item.as_ref())
}

/// Reads an item. Strongly consistent.
async fn read_item(client: Client, table: Arc<str>, key: Key) -> Result<Option<Item>, StoreError> {
    let key = Some(key.attributes());
    let output = client.get_item().table_name(&*table).set_key(key).consistent_read(true).send().await?;
    Ok(output.item)
}

fn read_type(item: Item) -> Result<CatalogueType, StoreError> {
    read::<TypeItem, _>(item)
}

fn read_version(item: Item) -> Result<TypeVersion, StoreError> {
    read::<VersionItem, _>(item)
}

async fn read_targets(client: Client, table: Arc<str>, organization: OrganizationId, group: FanOutGroup) -> Targets {
    let partition = keys::fan_out_partition(&organization, group);
    let items = query_prefix(&client, &table, partition, keys::ENDPOINT_PREFIX).await?;
    items.into_iter().map(read::<TargetItem, _>).collect()
}
