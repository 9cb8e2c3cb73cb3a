//! DynamoDB, SQS and a minimal EventBridge in this process, for the local host and the tests.
//!
//! Only the AWS SDK's clients call them, so the code above them is the same as on AWS. The clients of this process call
//! the engines directly ([`EmbeddedAws::sdk_config`]). Other processes connect to a port ([`EmbeddedAws::serve`]).
//! DynamoDB is the `dynoxide` crate on SQLite. SQS is the module `sqs`: it keeps messages in memory and writes them to
//! a journal in SQLite.

mod answer;
mod checkpoints;
mod connector;
mod durability;
mod dynamodb;
mod engines;
mod event_bridge;
mod http;
mod sqs;
#[cfg(test)]
mod tests;
mod transactions;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::net::TcpListener;

use checkpoints::Checkpoints;
use connector::InProcess;
use durability::Log;
use dynamodb::DynamoDb;
use engines::Engines;
use event_bridge::EventBridge;
pub(crate) use sqs::{Flow, arn_of};
use sqs::{Journal, Sqs};

/// Returns the current time. Visibility timeouts, delays, retention and, in memory, the items' time to live depend on
/// it. Tests inject a clock that they control.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The region in the resources' names.
pub const REGION: &str = "us-east-1";

/// The location of items and messages.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In memory. The data is lost when the process ends.
    Memory,
    /// In a directory.
    Directory {
        /// The directory, which is created if it does not exist.
        path: PathBuf,
        /// Whether a response waits until its commit is on disk. Otherwise a power failure can lose the latest commits.
        /// The end of the process never does, even if it is killed.
        durable: bool,
    },
}

impl Storage {
    const SQS: &str = "sqs.sqlite";
    const DYNAMODB: &str = "dynamodb.sqlite";
    /// The database files in the directory, in the order in which they are created.
    pub const FILES: [&str; 2] = [Self::SQS, Self::DYNAMODB];
}

/// An error of opening the embedded services.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be created.
    #[error("cannot make the data directory {0}")]
    Directory(PathBuf, #[source] std::io::Error),
    /// The database cannot be opened: it is damaged, a newer version wrote it, or the process has no permission to
    /// write it.
    #[error("cannot open {file}", file = Storage::DYNAMODB)]
    DynamoDb(#[from] dynoxide::DynoxideError),
    /// A database cannot be opened, or is damaged.
    #[error("cannot open {0}")]
    Database(&'static str, #[source] rusqlite::Error),
    /// Written data cannot be synced to disk.
    #[error("cannot sync the data directory {0}")]
    Sync(PathBuf, #[source] std::io::Error),
}

/// An embedded DynamoDB and an embedded SQS. Clones are cheap and share all state.
#[derive(Clone, Debug)]
pub struct EmbeddedAws {
    engines: Engines,
    authority: String,
}

impl EmbeddedAws {
    /// Opens the services. `authority` is host and port of the queue URLs, such as `127.0.0.1:8001`.
    pub fn open(storage: &Storage, authority: &str, clock: Clock) -> Result<Self, OpenError> {
        Self::open_with(storage, authority, clock, durability::system_sync())
    }

    /// Opens the services with a replacement for the function that syncs a file.
    pub(crate) fn open_with(
        storage: &Storage,
        authority: &str,
        clock: Clock,
        sync: durability::SyncFile,
    ) -> Result<Self, OpenError> {
        let (dynamodb, journal, stored) = match storage {
            Storage::Memory => (DynamoDb::in_memory(Arc::clone(&clock))?, Journal::default(), Vec::new()),
            Storage::Directory { path, durable } => {
                std::fs::create_dir_all(path).map_err(|error| OpenError::Directory(path.clone(), error))?;
                let log = |file: &Path| durable.then(|| Log::of(file, Arc::clone(&sync))).transpose();
                let (sqs, dynamodb) = (path.join(Storage::SQS), path.join(Storage::DYNAMODB));
                let (journal, stored) =
                    Journal::open(&sqs, || log(&sqs)).map_err(|error| OpenError::Database(Storage::SQS, error))?;
                let database = DynamoDb::open(&dynamodb)?;
                let log = log(&dynamodb).map_err(|error| OpenError::Sync(path.clone(), error))?;
                let checkpoints = Checkpoints::begin(&dynamodb);
                let checkpoints = checkpoints.map_err(|error| OpenError::Database(Storage::DYNAMODB, error))?;
                (DynamoDb::in_file(database, log, checkpoints), journal, stored)
            }
        };
        let sqs = Sqs::new(authority, journal, stored, Arc::clone(&clock));
        let event_bridge = EventBridge { sqs: sqs.clone(), clock };
        Ok(Self { engines: Engines { dynamodb, sqs, event_bridge }, authority: authority.to_owned() })
    }

    /// The configuration for the SDK's clients: the region, dummy credentials, and an HTTP client that calls the
    /// engines in this process. Its endpoint URL is that of [`serve`](Self::serve), for a client with another HTTP
    /// client.
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::new("local", "local", None, None, "embedded");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(format!("http://{}", self.authority))
            .http_client(SharedHttpClient::new(InProcess(self.engines.clone())))
            // The stalled-stream protection would end long polls, and there are no streams to protect.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// Serves both services on `listener` until `shutdown` resolves. Then it completes the requests in progress and
    /// ends long polls. Requests may have these names in `Host`, besides the usual ones of the machine.
    pub async fn serve(
        self,
        listener: TcpListener,
        names: Vec<String>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        http::serve(self.engines, listener, names, shutdown).await
    }

    /// The bodies of all messages in a queue, including hidden ones, in no particular order. It is for tests, since SQS
    /// has no such operation.
    pub fn messages(&self, queue_url: &str) -> Vec<String> {
        self.engines.sqs.bodies(queue_url)
    }

    /// Makes every message in flight visible before its timeout. It is for tests, since SQS may deliver a message
    /// twice.
    pub fn redeliver(&self, queue_url: &str) {
        self.engines.sqs.with_queue(queue_url, sqs::Queue::redeliver);
    }

    /// Counts this many receives of every visible message, as if processes had received it and died. It is for tests.
    pub fn receive_in_vain(&self, queue_url: &str, times: u32) {
        self.engines.sqs.with_queue(queue_url, |queue| queue.receive_in_vain(times));
    }

    /// Sets whether the receipt handle of an earlier receive can still delete and hide its message. It is for tests,
    /// since SQS guarantees neither behavior.
    pub fn let_former_receipts_act(&self, queue_url: &str, act: bool) {
        self.engines.sqs.with_queue(queue_url, |queue| queue.let_former_receipts_act(act));
    }

    /// The visible, sent and received messages of a family of message groups in a queue. All numbers are 0 if the queue
    /// does not exist.
    pub(crate) fn flow(&self, queue_url: &str, family: &str) -> Flow {
        self.engines.sqs.flow(queue_url, family)
    }

    /// Waits until every change that a response acknowledged is in the files.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub async fn flush(&self) -> Result<(), std::io::Error> {
        self.engines.sqs.flush().await.map_err(std::io::Error::other)
    }

    /// Deletes the items whose time to live has passed, and returns their number. DynamoDB does this by itself. Here
    /// the caller must do it regularly.
    pub async fn expire_items(&self) -> Result<usize, dynoxide::DynoxideError> {
        self.engines.dynamodb.expire_items().await
    }
}
