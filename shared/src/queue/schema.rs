//! The definition of the queues for the local host. `template.yaml` defines the same queues for AWS, and a test
//! compares the two.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use super::QueueError;
use crate::domain::deployment::IngestQueues;
use crate::domain::endpoint::lane::ByLane;

/// The retention of messages, in seconds: 14 days, the maximum of SQS.
pub const RETENTION_SECONDS: u32 = 14 * 24 * 60 * 60;
/// The time limit of the consumer's function, in seconds: an attempt takes at most 30 s, and can begin up to 30 s
/// after the start.
pub const CONSUMER_TIMEOUT_SECONDS: u32 = 60;
/// The visibility timeout of the queues, in seconds: six times the function's time limit, as AWS recommends for
/// event source mappings.
pub const VISIBILITY_SECONDS: u32 = 6 * CONSUMER_TIMEOUT_SECONDS;
/// After this many receives a message moves to the dead-letter queue: the maximum of SQS. At one receive in six
/// minutes this takes four days, so an outage of the table for a day moves no messages there.
pub const MAX_RECEIVES: u32 = 1_000;
/// The time limit of the ingest function, in seconds. A repetition with the same idempotency key relies on the first request
/// having ended after 30 s.
pub const INGEST_TIMEOUT_SECONDS: u32 = 29;
/// The visibility timeout of the ingest queue, in seconds.
pub const INGEST_VISIBILITY_SECONDS: u32 = 6 * INGEST_TIMEOUT_SECONDS;
/// Most messages in one batch for the consumer, and for the ingest function.
pub const CONSUMER_BATCH: u32 = 10;

/// Creates the queue `name`, the queue `name-slow` for the slow lane, and their dead-letter queue `name-dead_letter_queue`.
/// Returns the URLs of the first two.
///
/// # Errors
/// [`QueueError`] if SQS rejects a request or is unreachable.
pub async fn create_queues(client: &Client, name: &str) -> Result<ByLane<String>, QueueError> {
    let dead_letter_queue = create(client, &format!("{name}-dead"), HashMap::new()).await?;
    let own = with_redrive(client, &dead_letter_queue, VISIBILITY_SECONDS).await?;
    Ok(ByLane {
        fast: create(client, name, own.clone()).await?,
        slow: create(client, &format!("{name}-slow"), own).await?,
    })
}

/// Creates the ingest queue `name` and its dead-letter queue `name-dead`.
///
/// # Errors
/// [`QueueError`] if SQS rejects a request or is unreachable.
pub async fn create_ingest_queues(client: &Client, name: &str) -> Result<IngestQueues, QueueError> {
    let dead_letter = create(client, &format!("{name}-dead"), HashMap::new()).await?;
    let own = with_redrive(client, &dead_letter, INGEST_VISIBILITY_SECONDS).await?;
    Ok(IngestQueues { queue: create(client, name, own).await?, dead_letter })
}

/// The attributes of a queue with this dead-letter queue and visibility timeout.
async fn with_redrive(
    client: &Client,
    dead_letter_queue: &str,
    visibility_seconds: u32,
) -> Result<HashMap<QueueAttributeName, String>, QueueError> {
    let arn = client.get_queue_attributes().queue_url(dead_letter_queue).attribute_names(QueueAttributeName::QueueArn);
    let arn = arn.send().await?.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
    let arn = arn.ok_or_else(|| QueueError::refused("the dead-letter queue has no ARN"))?;
    let redrive = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES});
    Ok(HashMap::from([
        (QueueAttributeName::VisibilityTimeout, visibility_seconds.to_string()),
        (QueueAttributeName::RedrivePolicy, redrive.to_string()),
    ]))
}

async fn create(
    client: &Client,
    name: &str,
    mut attributes: HashMap<QueueAttributeName, String>,
) -> Result<String, QueueError> {
    attributes.insert(QueueAttributeName::MessageRetentionPeriod, RETENTION_SECONDS.to_string());
    let created = client.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await?;
    created.queue_url.ok_or_else(|| QueueError::refused("the queue has no URL"))
}
