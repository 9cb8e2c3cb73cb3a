//! The definition of the queues, as the local host creates them; `template.yaml` says the same, and
//! a test compares the two.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use super::QueueError;
use crate::domain::lane::ByLane;

/// How long messages are kept, in seconds: 14 days, the longest there is.
pub const RETENTION_SECONDS: u32 = 14 * 24 * 60 * 60;
/// The consumer's own time limit, in seconds: an attempt of 30 s, and as much again to start late.
pub const CONSUMER_TIMEOUT_SECONDS: u32 = 60;
/// For how long a received message is hidden, in seconds: six times the consumer's limit, as the
/// event source mapping wants it.
pub const VISIBILITY_SECONDS: u32 = 6 * CONSUMER_TIMEOUT_SECONDS;
/// After how many receives a message becomes a dead letter: the most that SQS allows. At one receive in six minutes that is
/// four days, so an outage of the table of a day makes no dead letters.
pub const MAX_RECEIVES: u32 = 1_000;
/// Most messages that the consumer is given at once.
pub const CONSUMER_BATCH: u32 = 10;

/// Creates the queue `name`, `name-slow` for the slow lane, and the dead-letter queue of both, `name-dead`. Returns the
/// URLs of the first two.
///
/// # Errors
/// [`QueueError`] if SQS refuses.
pub async fn create_queues(client: &Client, name: &str) -> Result<ByLane<String>, QueueError> {
    let dead = create(client, &format!("{name}-dead"), HashMap::new()).await?;
    let arn = client.get_queue_attributes().queue_url(dead).attribute_names(QueueAttributeName::QueueArn);
    let arn = arn.send().await?.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
    let arn = arn.ok_or_else(|| QueueError::refused("the dead-letter queue has no ARN"))?;
    let redrive = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES});
    let own = HashMap::from([
        (QueueAttributeName::VisibilityTimeout, VISIBILITY_SECONDS.to_string()),
        (QueueAttributeName::RedrivePolicy, redrive.to_string()),
    ]);
    Ok(ByLane {
        fast: create(client, name, own.clone()).await?,
        slow: create(client, &format!("{name}-slow"), own).await?,
    })
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
