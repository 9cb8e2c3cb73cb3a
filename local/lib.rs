//! The local host: the API, the consumer and the sweep in one process, on an embedded DynamoDB and SQS. It is for
//! development and for tests.

pub mod aws;
mod backlog;
mod credentials;
mod demo;
mod directory;
mod gateway;
mod host;
mod options;
mod own_names;
mod pace;
mod poller;
mod portal_link;
mod send_all;
mod tenant;

pub use backlog::backlog;
pub use credentials::Credentials;
pub use gateway::gateway;
pub use host::Host;
pub use options::{Command, NotRun, Options};
pub use poller::Poller;
pub use send_all::send_all;
