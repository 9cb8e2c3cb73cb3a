//! DynamoDB and SQS inside this process, for the local host and the tests.
//!
//! Both are spoken to only through the AWS SDK's clients, so the code above them is what runs on AWS. The clients reach
//! the engines by a function call ([`EmbeddedAws::sdk_config`]); everybody else by a port ([`EmbeddedAws::serve`]).
//! DynamoDB is the `dynoxide` crate over SQLite; SQS is our own (`sqs`) and lives in memory.

mod answer;
mod connector;
mod dynamodb;
mod engines;
mod http;
mod metered;
mod sqs;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::net::TcpListener;

use connector::InProcess;
use dynamodb::DynamoDb;
use engines::Engines;
use sqs::Sqs;

pub use metered::{Bill, Meter};

/// Tells the time. Visibility timeouts, delays, retention and (in memory) items' time to live follow it, so tests can pass
/// one that they move.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The region that resources pretend to be in.
pub const REGION: &str = "us-east-1";

/// Where the items live. Queues are in memory in either case.
#[derive(Clone, Debug)]
pub enum Storage {
    /// Gone with the process.
    Memory,
    /// `dynamodb.sqlite` in this directory, which is made if it is missing.
    Directory(PathBuf),
}

impl Storage {
    const DYNAMODB: &str = "dynamodb.sqlite";
    /// The databases in the directory.
    pub const FILES: [&str; 1] = [Self::DYNAMODB];
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
        let dynamodb = match storage {
            Storage::Memory => DynamoDb::in_memory(Arc::clone(&clock))?,
            Storage::Directory(directory) => {
                std::fs::create_dir_all(directory).map_err(|error| OpenError::Directory(directory.clone(), error))?;
                DynamoDb::in_file(&directory.join(Storage::DYNAMODB))?
            }
        };
        let sqs = Sqs::new(authority, clock);
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

    /// Deletes the items whose time to live has passed and says how many; DynamoDB does it by itself, here somebody has
    /// to call.
    pub async fn expire_items(&self) -> Result<usize, dynoxide::DynoxideError> {
        self.engines.dynamodb.expire_items().await
    }
}
