//! SQS batches: conversion of Lambda's event to messages, and of the result to Lambda's response.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::future::join;

use crate::domain::time::Timestamp;
use crate::service::{Deliverer, Message};
use crate::telemetry::metrics;

const SENT_AT: &str = "SentTimestamp";
const RECEIVES: &str = "ApproximateReceiveCount";

/// Processes one batch. The event source mapping deletes the messages that are not reported as failed. A reported
/// message keeps the visibility timeout that the consumer set.
pub async fn handle(deliverer: &Arc<Deliverer>, batch: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    // All messages of a batch are from one queue.
    let source = batch.records.first().and_then(|record| record.event_source_arn.as_deref());
    let lane = deliverer.lane_of(source.unwrap_or_default());
    let messages = batch.records.into_iter().map(|record| Message {
        id: record.message_id.unwrap_or_default(),
        receipt_handle: record.receipt_handle.unwrap_or_default(),
        sent_at: sent_at(&record.attributes),
        receives: receives(&record.attributes),
        body: record.body.unwrap_or_default(),
    });
    let (stay, ()) = join(deliverer.handle(lane, messages.collect(), deadline), deliverer.meter().write_usage()).await;
    metrics::emit(deliverer.clock().now());
    let mut response = SqsBatchResponse::default();
    response.set_failures(stay);
    response
}

/// When a message was sent. SQS reports milliseconds since the Unix epoch.
fn sent_at(attributes: &HashMap<String, String>) -> Option<Timestamp> {
    attributes.get(SENT_AT)?.parse().ok().map(Timestamp::from_unix_millis)
}

/// How often a message was received, including this time; 1 if the queue did not report it.
pub(super) fn receives(attributes: &HashMap<String, String>) -> u32 {
    attributes.get(RECEIVES).and_then(|count| count.parse().ok()).unwrap_or(1)
}
