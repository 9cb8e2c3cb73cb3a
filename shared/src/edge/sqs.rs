//! SQS batches: from Lambda's event to messages, and from verdicts to Lambda's answer.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::future::join;

use crate::domain::time::Timestamp;
use crate::service::{Consumer, Message};
use crate::telemetry::metrics;

const SENT_AT: &str = "SentTimestamp";
const RECEIVES: &str = "ApproximateReceiveCount";

/// Handles one batch. What is not reported as failed is deleted by the event source mapping; what is
/// reported keeps the visibility that the consumer gave it.
pub async fn handle(consumer: &Arc<Consumer>, batch: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let core = consumer.core();
    // A batch is of one queue.
    let source = batch.records.first().and_then(|record| record.event_source_arn.as_deref());
    let lane = core.lane_of(source.unwrap_or_default());
    let messages = batch.records.into_iter().map(|record| Message {
        id: record.message_id.unwrap_or_default(),
        receipt_handle: record.receipt_handle.unwrap_or_default(),
        sent_at: sent_at(&record.attributes),
        receives: receives(&record.attributes),
        body: record.body.unwrap_or_default(),
    });
    let (stay, ()) = join(consumer.handle(lane, messages.collect(), deadline), core.write_usage()).await;
    metrics::emit(core.clock().now());
    let mut response = SqsBatchResponse::default();
    response.set_failures(stay);
    response
}

/// When a message was sent: SQS says it in milliseconds since the Unix epoch.
fn sent_at(attributes: &HashMap<String, String>) -> Option<Timestamp> {
    attributes.get(SENT_AT)?.parse().ok().map(Timestamp::from_unix_millis)
}

/// How often a message was received, this time included; 1 if the queue does not say.
fn receives(attributes: &HashMap<String, String>) -> u32 {
    attributes.get(RECEIVES).and_then(|count| count.parse().ok()).unwrap_or(1)
}
