//! DynamoDB and SQS inside this process, for the local host and the tests.
//!
//! Both are spoken to only through the AWS SDK's clients, so the code above them is what runs on AWS. The clients reach
//! the engines by a function call ([`EmbeddedAws::sdk_config`]); everybody else by a port ([`EmbeddedAws::serve`]).
//! DynamoDB is the `dynoxide` crate over SQLite; SQS is our own (`sqs`), in memory and with a journal in SQLite.

mod answer;
mod checkpoints;
mod connector;
mod durability;
mod dynamodb;
mod engines;
mod http;
mod metered;
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
pub(crate) use sqs::{Flow, arn_of};
use sqs::{Journal, Sqs};

pub use metered::{Bill, Consumed, Meter};

/// Tells the time. Visibility timeouts, delays, retention and (in memory) items' time to live follow it, so tests can pass
/// one that they move.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The region that resources pretend to be in.
pub const REGION: &str = "us-east-1";

/// Where items and messages live.
#[derive(Clone, Debug)]
pub enum Storage {
    /// Gone with the process.
    Memory,
    /// In a directory.
    Directory {
        /// The directory, which is made if it is missing.
        path: PathBuf,
        /// Whether an answer waits until its commit is on disk. Otherwise a power cut may take the last ones back; the
        /// end of the process, however it ends, takes none.
        durable: bool,
    },
}

impl Storage {
    const SQS: &str = "sqs.sqlite";
    const DYNAMODB: &str = "dynamodb.sqlite";
    /// The databases in the directory, in the order in which they are made.
    pub const FILES: [&str; 2] = [Self::SQS, Self::DYNAMODB];
}

/// Why the embedded services cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be made.
    #[error("cannot make the data directory {0}")]
    Directory(PathBuf, #[source] std::io::Error),
    /// The database cannot be opened: damaged, written by a newer version, or not ours to write.
    #[error("cannot open {file}", file = Storage::DYNAMODB)]
    DynamoDb(#[from] dynoxide::DynoxideError),
    /// A database cannot be opened, or is damaged.
    #[error("cannot open {0}")]
    Database(&'static str, #[source] rusqlite::Error),
    /// What is written cannot be brought to disk.
    #[error("cannot sync the data directory {0}")]
    Sync(PathBuf, #[source] std::io::Error),
}

/// One DynamoDB and one SQS. Cloning is cheap; clones share everything.
#[derive(Clone, Debug)]
pub struct EmbeddedAws {
    engines: Engines,
    authority: String,
}

impl EmbeddedAws {
    /// Opens the services. `authority` (`127.0.0.1:8001`) is what queue URLs name.
    pub fn open(storage: &Storage, authority: &str, clock: Clock) -> Result<Self, OpenError> {
        Self::open_with(storage, authority, clock, durability::system_sync())
    }

    /// The same with another way to bring files to disk.
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
        let sqs = Sqs::new(authority, journal, stored, clock);
        Ok(Self { engines: Engines { dynamodb, sqs }, authority: authority.to_owned() })
    }

    /// What SDK clients are made from: region, credentials that mean nothing, and an HTTP client that calls the engines
    /// in this process. The endpoint is that of [`serve`](Self::serve), for a client given another HTTP client.
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::new("local", "local", None, None, "embedded");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(format!("http://{}", self.authority))
            .http_client(SharedHttpClient::new(InProcess(self.engines.clone())))
            // There is no stream that could stall: it would take a long poll for one.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// Serves both services on `listener` until `shutdown` resolves; requests under way are finished, long polls ended.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        http::serve(self.engines, listener, shutdown).await
    }

    /// The bodies of all messages in a queue, hidden ones included and in no order: what SQS itself tells nobody, for
    /// tests that must know what is there.
    pub fn messages(&self, queue_url: &str) -> Vec<String> {
        self.engines.sqs.bodies(queue_url)
    }

    /// Makes every message in flight visible before its time, for tests: SQS may deliver a message twice.
    pub fn redeliver(&self, queue_url: &str) {
        self.engines.sqs.with_queue(queue_url, sqs::Queue::redeliver);
    }

    /// Chooses whether the receipt of a former receive still deletes and hides its message, for tests: SQS promises
    /// neither.
    pub fn let_former_receipts_act(&self, queue_url: &str, act: bool) {
        self.engines.sqs.with_queue(queue_url, |queue| queue.let_former_receipts_act(act));
    }

    /// What goes through a queue of a family of message groups; nothing if there is no such queue.
    pub(crate) fn flow(&self, queue_url: &str, family: &str) -> Flow {
        self.engines.sqs.flow(queue_url, family)
    }

    /// Waits until everything that was answered is in the files.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub async fn flush(&self) -> Result<(), std::io::Error> {
        self.engines.sqs.flush().await.map_err(std::io::Error::other)
    }

    /// Deletes the items whose time to live has passed and says how many; DynamoDB does it by itself, here somebody has
    /// to call.
    pub async fn expire_items(&self) -> Result<usize, dynoxide::DynoxideError> {
        self.engines.dynamodb.expire_items().await
    }
}
