//! The requests and responses of the JSON protocol, in the order of the operations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::SqsError;
use super::limits;
use super::message::Attributes;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateQueue {
    pub(crate) queue_name: String,
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetQueueUrl {
    pub(crate) queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListQueues {
    #[serde(default)]
    pub(crate) queue_name_prefix: String,
}

/// The request of `DeleteQueue`, `PurgeQueue` and `ListDeadLetterSourceQueues`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OneQueue {
    pub(crate) queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetQueueAttributes {
    pub(crate) queue_url: String,
    #[serde(default)]
    pub(crate) attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SetQueueAttributes {
    pub(crate) queue_url: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SendMessage {
    pub(crate) queue_url: String,
    #[serde(flatten)]
    pub(crate) message: NewMessage,
}

/// A message to send: a request of its own or an entry of a batch.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NewMessage {
    pub(crate) message_body: String,
    pub(crate) delay_seconds: Option<i64>,
    #[serde(default)]
    pub(crate) message_attributes: Attributes,
    #[serde(default)]
    pub(crate) message_system_attributes: Attributes,
    pub(crate) message_group_id: Option<String>,
    pub(crate) message_deduplication_id: Option<String>,
}

/// The request of `SendMessageBatch`, `DeleteMessageBatch` and `ChangeMessageVisibilityBatch`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Batch<T> {
    pub(crate) queue_url: String,
    pub(crate) entries: Vec<Entry<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry<T> {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) content: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReceiveMessage {
    pub(crate) queue_url: String,
    pub(crate) max_number_of_messages: Option<i64>,
    pub(crate) visibility_timeout: Option<i64>,
    pub(crate) wait_time_seconds: Option<i64>,
    #[serde(default)]
    pub(crate) attribute_names: Vec<String>,
    #[serde(default)]
    pub(crate) message_system_attribute_names: Vec<String>,
    #[serde(default)]
    pub(crate) message_attribute_names: Vec<String>,
}

/// A message to delete.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Deletion {
    pub(crate) receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteMessage {
    pub(crate) queue_url: String,
    #[serde(flatten)]
    pub(crate) message: Deletion,
}

/// A message to hide for a number of seconds from now.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Hiding {
    pub(crate) receipt_handle: String,
    /// The API reference makes it optional in an entry of a batch. The default is 0.
    #[serde(default)]
    pub(crate) visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChangeMessageVisibility {
    pub(crate) queue_url: String,
    #[serde(flatten)]
    pub(crate) message: Hiding,
}

/// The response of operations that return nothing.
#[derive(Serialize)]
pub(crate) struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueUrl {
    pub(crate) queue_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueUrls {
    pub(crate) queue_urls: Vec<String>,
}

/// The response of `ListDeadLetterSourceQueues`. AWS spells its field in lower case.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceQueueUrls {
    pub(crate) queue_urls: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueAttributes {
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Sent {
    pub(crate) message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    pub(crate) md5_of_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    pub(crate) md5_of_attributes: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Received {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) messages: Vec<ReceivedMessage>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReceivedMessage {
    pub(crate) message_id: String,
    pub(crate) receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    pub(crate) md5_of_body: String,
    pub(crate) body: String,
    /// System attributes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    pub(crate) md5_of_attributes: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) message_attributes: Attributes,
}

/// The response of a batch: the result of each entry.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchResult<T> {
    pub(crate) successful: Vec<Success<T>>,
    pub(crate) failed: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Success<T> {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) content: T,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Failure {
    pub(crate) id: String,
    pub(crate) sender_fault: bool,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl<T> Batch<T> {
    /// Refuses the complete batch if the number of its entries or their ids are invalid.
    pub(crate) fn check(&self) -> Result<(), SqsError> {
        limits::batch(self.entries.iter().map(|entry| entry.id.as_str()))
    }

    /// Performs every entry independently.
    pub(crate) fn each<R>(self, mut perform: impl FnMut(T) -> Result<R, SqsError>) -> BatchResult<R> {
        let mut result = BatchResult { successful: Vec::new(), failed: Vec::new() };
        for Entry { id, content } in self.entries {
            match perform(content) {
                Ok(content) => result.successful.push(Success { id, content }),
                Err(error) => result.failed.push(Failure {
                    id,
                    sender_fault: true,
                    code: error.query_code(),
                    message: error.message,
                }),
            }
        }
        result
    }
}
