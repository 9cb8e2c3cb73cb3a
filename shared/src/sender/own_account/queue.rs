//! A delivery to an SQS queue: a message whose attributes are the headers.

use serde_json::{Map, Value, json};

use super::{Message, Unsigned, json_call};
use crate::domain::endpoint::destination::arn::ResourceArn;

/// The headers that become attributes. A message has at most ten attributes, so the endpoint's own headers and
/// `tracestate` are left out.
const ATTRIBUTES: [&str; 10] = [
    "content-type",
    "traceparent",
    "webhook-id",
    "webhook-key-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-webhook-attempt",
    "x-webhook-delivery",
    "x-webhook-event",
    "x-webhook-signature",
];

/// The call of `SendMessage`. `base` is the URL of SQS, which the URL of the queue begins with.
pub(super) fn call(arn: &ResourceArn, message: &Message<'_>, base: &str) -> Unsigned {
    let attribute =
        |(name, value): (&str, &str)| (name.to_owned(), json!({"DataType": "String", "StringValue": value}));
    let kept = message.headers().filter(|(name, _)| ATTRIBUTES.contains(name));
    let attributes: Map<String, Value> = kept.map(attribute).collect();
    let body = json!({
        "QueueUrl": format!("{base}/{}/{}", arn.account(), arn.name()),
        "MessageBody": message.body,
        "MessageAttributes": attributes,
    });
    Unsigned {
        service: "sqs",
        path: "/".to_owned(),
        headers: json_call("AmazonSQS.SendMessage", "application/x-amz-json-1.0"),
        body: body.to_string(),
    }
}
