//! Calls that serve several requests of this process at once.

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

use super::batch::{WRITE_CHUNK, query_prefix};
use super::fan_out::TargetItem;
use super::items::{Item, read};
use super::keys::{self, Key};
use super::{StoreError, state};
use crate::domain::fan_out::{FanOutGroup, Target};
use crate::domain::ids::OrganizationId;
use crate::domain::organization::OrganizationState;
use crate::gather::{Gather, Lost};

/// How long records are waited for that are made together. Alone they may take ten seconds more.
const ONE_TRY: Duration = Duration::from_secs(2);
/// How many requests a read serves at most.
const READERS: usize = 1_000;

/// A write, or itself if DynamoDB left it unprocessed.
type Written = Result<Option<WriteRequest>, StoreError>;
type State = Result<Option<OrganizationState>, StoreError>;
type Targets = Result<Arc<[Target]>, StoreError>;

#[derive(Debug, Clone)]
pub(super) struct Gathered {
    writes: Gather<(), WriteRequest, Written>,
    inserts: Gather<(), Item, bool>,
    states: Gather<OrganizationId, (), State>,
    targets: Gather<(OrganizationId, FanOutGroup), (), Targets>,
}

impl Gathered {
    /// Calls for this table. Of the copies of an organization's state, one is read.
    pub(super) fn new(client: &Client, table: &str, state_copy: u8) -> Self {
        let table: Arc<str> = table.into();
        let (state_reader, states) = (client.clone(), Arc::clone(&table));
        let (target_reader, targets) = (client.clone(), Arc::clone(&table));
        let (writer, inserter, into) = (client.clone(), in_one_try(client), Arc::clone(&table));
        Self {
            writes: Gather::new(WRITE_CHUNK, move |(), puts| write(writer.clone(), Arc::clone(&table), puts).boxed()),
            inserts: Gather::new(WRITE_CHUNK, move |(), items| {
                insert(inserter.clone(), Arc::clone(&into), items).boxed()
            }),
            states: Gather::new(READERS, move |organization, readers| {
                let read = read_state(state_reader.clone(), Arc::clone(&states), organization, state_copy);
                read.map(move |state| vec![state; readers.len()]).boxed()
            }),
            targets: Gather::new(READERS, move |(organization, group), readers| {
                let read = read_targets(target_reader.clone(), Arc::clone(&targets), organization, group);
                read.map(move |targets| vec![targets; readers.len()]).boxed()
            }),
        }
    }

    /// Writes at most [`WRITE_CHUNK`] items and returns those that were left unprocessed.
    pub(super) async fn write(&self, puts: Vec<WriteRequest>) -> Result<Vec<WriteRequest>, StoreError> {
        let is_full = puts.len() == WRITE_CHUNK;
        let written = if is_full { self.writes.alone((), puts).await } else { self.writes.all((), puts).await? };
        written.into_iter().filter_map(Result::transpose).collect()
    }

    /// Writes an item if there is none with its key, and says whether it is known to be written. If it is not, whoever
    /// asked has to look.
    pub(super) async fn insert(&self, item: Item) -> bool {
        self.inserts.one((), item).await.unwrap_or(false)
    }

    /// The state of an organization. The read begins after this call.
    pub(super) async fn state(&self, organization: &OrganizationId) -> State {
        self.states.one(organization.clone(), ()).await?
    }

    /// The targets of a group, in the order of their ids. The read begins after this call.
    pub(super) async fn targets(&self, organization: &OrganizationId, group: FanOutGroup) -> Targets {
        self.targets.one((organization.clone(), group), ()).await?
    }
}

/// Whatever a call for several did not do is done alone, and that is its second try.
fn in_one_try(client: &Client) -> Client {
    let once = TimeoutConfig::builder().operation_timeout(ONE_TRY).build();
    let config = client.config().to_builder().retry_config(RetryConfig::disabled()).timeout_config(once);
    Client::from_conf(config.build())
}

impl From<Lost> for StoreError {
    fn from(Lost: Lost) -> Self {
        Self::Unavailable("a call ended without an answer".to_owned())
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
    // What is nobody's may be anybody's.
    if left.is_empty() {
        written
    } else {
        vec![Err(StoreError::corrupt("an unprocessed item without a key")); keys.len()]
    }
}

/// What BatchWriteItem does not have: a condition for each item. The units are the same.
///
/// An error says nothing about any of them: the call may have been refused for one alone (two with the same key, say),
/// or performed and not answered.
async fn insert(client: Client, table: Arc<str>, items: Vec<Item>) -> Vec<bool> {
    let count = items.len();
    let statements: Result<Vec<_>, _> = items.into_iter().map(|item| insertion(&table, item)).collect();
    let Ok(statements) = statements else { return vec![false; count] };
    match client.batch_execute_statement().set_statements(Some(statements)).send().await {
        Ok(output) => output.responses().iter().map(|response| is_inserted(response.error())).collect(),
        Err(error) => {
            warn!(error = error.code(), "records could not be made together, and are made one by one");
            vec![false; count]
        }
    }
}

fn is_inserted(error: Option<&BatchStatementError>) -> bool {
    let code = error.and_then(BatchStatementError::code);
    if let Some(code) = code.filter(|code| **code != BatchStatementErrorCodeEnum::DuplicateItem) {
        warn!(error = code.as_str(), "a record could not be made together with others, and is made alone");
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
    let key = keys::state(&organization, copy).attributes();
    let output = client.get_item().table_name(&*table).set_key(Some(key)).consistent_read(true).send().await?;
    output.item.as_ref().map(state::read_state).transpose()
}

async fn read_targets(client: Client, table: Arc<str>, organization: OrganizationId, group: FanOutGroup) -> Targets {
    let partition = keys::fan_out_partition(&organization, group);
    let items = query_prefix(&client, &table, partition, keys::ENDPOINT_PREFIX).await?;
    items.into_iter().map(read::<TargetItem, _>).collect()
}
