//! The embedded DynamoDB: the `dynoxide` engine on SQLite, with DynamoDB's JSON protocol.

use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use dynoxide::storage_backend::Clock as DynoxideClock;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::answer::Answer;
use super::checkpoints::Checkpoints;
use super::durability::{GroupSync, Log};
use super::{Clock, transactions};

/// The maximum number of concurrent operations. The engine has one lock, so more operations would only block more
/// threads. With a few, one operation parses its request or writes its response while another holds the lock.
const CONCURRENT_OPERATIONS: usize = 4;
/// The maximum number of concurrent operations with large requests: the batches of a large fan-out. The others are for small
/// requests, so that those of other tenants do not wait for all its batches.
const CONCURRENT_LARGE_OPERATIONS: usize = 1;
/// The size of a large request, in bytes.
const LARGE_REQUEST_BYTES: usize = 8 * 1024;

/// The operations that do not write.
const READS: [&str; 8] = [
    "BatchGetItem",
    "DescribeTable",
    "DescribeTimeToLive",
    "GetItem",
    "ListTables",
    "Query",
    "Scan",
    "TransactGetItems",
];

/// The engine. Clones are cheap and share the database.
#[derive(Clone)]
pub(crate) struct DynamoDb {
    database: Database,
    turns: Arc<Semaphore>,
    large_turns: Arc<Semaphore>,
    /// Present if a write's response waits until the write is on disk.
    sync: Option<GroupSync>,
    /// Present if the database is in a file.
    checkpoints: Option<Checkpoints>,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DynamoDb")
    }
}

impl DynamoDb {
    /// Creates an empty database that exists only in this process. Items expire by `clock`.
    pub(crate) fn in_memory(clock: Clock) -> Result<Self, DynoxideError> {
        Ok(Self::new(Database::memory_with_clock(Arc::new(ItemClock(clock)))?, None, None))
    }

    /// Opens the database in `file`, or creates it. Items expire by the system's clock.
    pub(crate) fn open(file: &Path) -> Result<Database, DynoxideError> {
        let database = Database::new(&file.to_string_lossy())?;
        // This sets SQLite's `synchronous = NORMAL`, which the crate offers only under this name. With the write-ahead
        // log, commits then survive a killed process without an fsync. Only a power failure can lose the latest ones.
        database.disable_bulk_loading()?;
        Ok(database)
    }

    /// Wraps an open database. If `log` is present, a write's response waits until the write is on disk.
    pub(crate) fn in_file(database: Database, log: Option<Log>, checkpoints: Checkpoints) -> Self {
        Self::new(database, log.map(GroupSync::new), Some(checkpoints))
    }

    fn new(database: Database, sync: Option<GroupSync>, checkpoints: Option<Checkpoints>) -> Self {
        let turns = Arc::new(Semaphore::new(CONCURRENT_OPERATIONS));
        let large_turns = Arc::new(Semaphore::new(CONCURRENT_LARGE_OPERATIONS));
        Self { database, turns, large_turns, sync, checkpoints }
    }

    /// Performs one operation, named as in `X-Amz-Target` after the dot.
    pub(crate) async fn call(&self, operation: &str, body: &[u8]) -> Answer {
        let (name, body) = (operation.to_owned(), body.to_vec());
        let large_turn = match body.len() {
            ..LARGE_REQUEST_BYTES => None,
            _ => Arc::clone(&self.large_turns).acquire_owned().await.ok(),
        };
        let answer = self.run(move |database| perform(database, &name, &body)).await;
        // Not held while the write is synced, so that a sync serves several large writes.
        drop(large_turn);
        let answer = answer.unwrap_or_else(|panic| internal_error(&panic));
        if READS.contains(&operation) {
            return answer;
        }
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.committed();
        }
        match &self.sync {
            Some(sync) => match sync.wait().await {
                Ok(()) => answer,
                Err(error) => internal_error(&format!("the write may not be on disk: {error}")),
            },
            None => answer,
        }
    }

    /// Deletes the items whose time to live has passed, and returns their number.
    pub(crate) async fn expire_items(&self) -> Result<usize, DynoxideError> {
        self.run(Database::sweep_ttl).await.unwrap_or_else(|panic| Err(DynoxideError::InternalServerError(panic)))
    }

    /// Runs `work` on a thread where blocking is allowed. Returns the text of a panic as `Err`.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Database) -> T + Send + 'static) -> Result<T, String> {
        let database = self.database.clone();
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&database)
        })
        .await
        .map_err(|error| error.to_string())
    }
}

fn perform(database: &Database, operation: &str, body: &[u8]) -> Answer {
    if let Some(answer) = transactions::perform(database, operation, body) {
        return answer;
    }
    macro_rules! operations {
        ($($name:literal => $method:ident,)*) => {
            match operation {
                $($name => answer(body, |request| database.$method(request)),)*
                _ => Answer::unknown_operation(operation),
            }
        };
    }
    operations! {
        "BatchExecuteStatement" => batch_execute_statement,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "CreateTable" => create_table,
        "DeleteItem" => delete_item,
        "DeleteTable" => delete_table,
        "DescribeTable" => describe_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "ExecuteStatement" => execute_statement,
        "GetItem" => get_item,
        "ListTables" => list_tables,
        "PutItem" => put_item,
        "Query" => query,
        "Scan" => scan,
        "TransactGetItems" => transact_get_items,
        "TransactWriteItems" => transact_write_items,
        "UpdateItem" => update_item,
        "UpdateTable" => update_table,
        "UpdateTimeToLive" => update_time_to_live,
    }
}

fn answer<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Answer {
    let request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return refusal(&unreadable(&error.to_string())),
    };
    match operation(request) {
        Ok(response) => match serde_json::to_string(&response) {
            Ok(body) => Answer::ok(body),
            Err(error) => internal_error(&error.to_string()),
        },
        Err(error) => refusal(&error),
    }
}

/// Converts a parser's message. The engine's parsers prefix the message of what DynamoDB calls a validation error.
fn unreadable(message: &str) -> DynoxideError {
    match message.split_once(':') {
        Some((marker, rest)) if marker.starts_with("VALIDATION") => DynoxideError::ValidationException(rest.to_owned()),
        Some((marker, rest)) if marker.starts_with("SERIALIZATION") => {
            DynoxideError::SerializationException(rest.to_owned())
        }
        _ => DynoxideError::SerializationException(message.to_owned()),
    }
}

fn refusal(error: &DynoxideError) -> Answer {
    Answer { status: error.status_code(), body: error.to_json(), query_error: None }
}

fn internal_error(message: &str) -> Answer {
    refusal(&DynoxideError::InternalServerError(message.to_owned()))
}

/// Adapts the injected clock to the engine's trait.
struct ItemClock(Clock);

impl DynoxideClock for ItemClock {
    fn now_unix_secs(&self) -> u64 {
        self.now_unix_secs_f64() as u64
    }

    fn now_unix_secs_f64(&self) -> f64 {
        (self.0)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }
}
