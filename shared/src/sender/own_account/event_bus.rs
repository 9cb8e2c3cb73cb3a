//! A delivery to an EventBridge bus: an event whose detail has the payload and the headers.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Message, Unsigned, json_call};
use crate::domain::endpoint::destination::arn::ResourceArn;

/// The source of the events.
const SOURCE: &str = "pigeonpost";

/// Most characters of a detail type. An event type has only ASCII characters.
const MAX_DETAIL_TYPE_CHARS: usize = 128;

/// The detail of an event.
#[derive(Serialize)]
struct Detail<'a> {
    payload: Payload<'a>,
    headers: BTreeMap<&'a str, &'a str>,
}

/// The payload: JSON byte for byte, or other text as a string.
#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

/// The call of `PutEvents` with one event.
pub(super) fn call(arn: &ResourceArn, message: &Message<'_>) -> Unsigned {
    let json = serde_json::from_str(message.body).ok().filter(|_| message.attempt.content_type.is_none());
    let payload = json.map_or(Payload::Text(message.body), Payload::Json);
    let detail = serde_json::to_string(&Detail { payload, headers: message.headers().collect() });
    let event_type = message.attempt.event_type.as_str();
    let body = json!({"Entries": [{
        "Source": SOURCE,
        "DetailType": event_type.get(..MAX_DETAIL_TYPE_CHARS).unwrap_or(event_type),
        "Detail": detail.unwrap_or_default(),
        "EventBusName": arn.as_str(),
    }]});
    Unsigned {
        service: "events",
        path: "/".to_owned(),
        headers: json_call("AWSEvents.PutEvents", "application/x-amz-json-1.1"),
        body: body.to_string(),
    }
}
