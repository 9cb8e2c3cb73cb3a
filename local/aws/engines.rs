//! Routes a request to one of the engines by its `X-Amz-Target`, as AWS's JSON protocol does.

use super::answer::Answer;
use super::dynamodb::DynamoDb;
use super::event_bridge::EventBridge;
use super::sqs::Sqs;

/// The engines of one [`EmbeddedAws`](super::EmbeddedAws). Clones are cheap and share all state.
#[derive(Clone, Debug)]
pub(crate) struct Engines {
    pub(crate) dynamodb: DynamoDb,
    pub(crate) sqs: Sqs,
    pub(crate) event_bridge: EventBridge,
}

impl Engines {
    /// Performs one request. Dropping the future ends a long poll. A DynamoDB operation that has begun is completed.
    pub(crate) async fn call(&self, target: &str, body: &[u8]) -> Answer {
        match target.split_once('.') {
            Some(("DynamoDB_20120810", operation)) => self.dynamodb.call(operation, body).await,
            Some(("AmazonSQS", operation)) => self.sqs.call(operation, body).await,
            Some(("AWSEvents", operation)) => self.event_bridge.call(operation, body).await,
            _ => Answer::unknown_operation(target),
        }
    }
}
