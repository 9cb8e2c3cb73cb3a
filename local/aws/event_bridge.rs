//! The embedded EventBridge: `PutEvents` for one bus, whose only rule sends each event to a queue of the embedded SQS. It has
//! no rules of callers, no patterns, and no archive.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::answer::Answer;
use super::sqs::Sqs;
use super::{Clock, REGION};

/// The name of the bus.
const BUS: &str = "pigeonpost";
/// The queue to which the bus sends its events.
const TARGET: &str = "ingest";
const ACCOUNT: &str = "000000000000";
const MAX_ENTRIES: usize = 10;
/// The maximum size of all entries of a request, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The engine. Clones share the queue and the clock.
#[derive(Clone)]
pub(crate) struct EventBridge {
    pub(crate) sqs: Sqs,
    pub(crate) clock: Clock,
}

impl std::fmt::Debug for EventBridge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("EventBridge")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Entry {
    source: String,
    detail_type: String,
    detail: String,
    resources: Vec<String>,
    /// Seconds since 1970.
    time: Option<f64>,
    event_bus_name: Option<String>,
}

/// An event as a rule sends it to its target.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Event<'a> {
    version: &'static str,
    id: String,
    detail_type: &'a str,
    source: &'a str,
    account: &'static str,
    time: String,
    region: &'static str,
    resources: &'a [String],
    detail: &'a RawValue,
}

/// Why an entry is refused: a code and a message.
type Refusal = (&'static str, String);

impl EventBridge {
    /// Performs one operation, named as in `X-Amz-Target` after the dot.
    pub(crate) async fn call(&self, operation: &str, body: &[u8]) -> Answer {
        if operation != "PutEvents" {
            return Answer::unknown_operation(operation);
        }
        let invalid = |message: &str| Answer::error(400, "com.amazonaws.events#ValidationException", message);
        let entries = match serde_json::from_slice::<PutEvents>(body) {
            Ok(PutEvents { entries }) if (1..=MAX_ENTRIES).contains(&entries.len()) => entries,
            Ok(_) => return invalid("A request has 1 to 10 entries."),
            Err(error) => {
                return Answer::error(400, "com.amazon.coral.service#SerializationException", &error.to_string());
            }
        };
        if entries.iter().map(Entry::bytes).sum::<usize>() > MAX_BYTES {
            return invalid("Total size of the entries in the request is over the limit.");
        }
        let mut results = Vec::with_capacity(entries.len());
        for entry in &entries {
            results.push(self.put(entry).await);
        }
        let failed = results.iter().filter(|result| result.is_err()).count();
        let results = results.into_iter().map(|result| match result {
            Ok(id) => json!({"EventId": id}),
            Err((code, message)) => json!({"ErrorCode": code, "ErrorMessage": message}),
        });
        Answer::ok(json!({"FailedEntryCount": failed, "Entries": results.collect::<Vec<_>>()}).to_string())
    }

    /// Sends an event to the target, and returns its id.
    async fn put(&self, entry: &Entry) -> Result<String, Refusal> {
        let Entry { source, detail_type, detail, resources, .. } = entry;
        for (name, value) in [("Source", source), ("DetailType", detail_type), ("Detail", detail)] {
            if value.is_empty() {
                let message = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
                return Err(("InvalidArgument", message));
            }
        }
        let detail: Option<&RawValue> = serde_json::from_str(detail).ok();
        let detail = detail.filter(|detail| detail.get().starts_with('{'));
        let detail = detail.ok_or_else(|| ("MalformedDetail", "Detail is malformed.".to_owned()))?;
        let bus = entry.event_bus_name.as_deref().unwrap_or(BUS);
        if bus.rsplit('/').next() != Some(BUS) {
            return Err(("ResourceNotFoundException", format!("The local host has one event bus, {BUS}.")));
        }
        let id = Uuid::new_v4().to_string();
        let event = Event {
            version: "0",
            id: id.clone(),
            detail_type,
            source,
            account: ACCOUNT,
            time: self.time_of(entry),
            region: REGION,
            resources,
            detail,
        };
        let failed = |message: String| ("InternalFailure", message);
        let event = serde_json::to_string(&event).map_err(|error| failed(error.to_string()))?;
        let message = json!({"QueueUrl": TARGET, "MessageBody": event}).to_string();
        let sent = self.sqs.call("SendMessage", message.as_bytes()).await;
        if sent.status == 200 { Ok(id) } else { Err(failed(sent.body)) }
    }

    /// The time of the event in whole seconds, as RFC 3339.
    fn time_of(&self, entry: &Entry) -> String {
        let given = entry.time.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let time = given.map_or_else(|| (self.clock)(), |since| UNIX_EPOCH + since);
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let seconds = i64::try_from(seconds).unwrap_or_default();
        DateTime::from_secs(seconds).fmt(Format::DateTime).unwrap_or_default()
    }
}

impl Entry {
    /// The size by which a request is limited.
    fn bytes(&self) -> usize {
        let resources = self.resources.iter().map(String::len).sum::<usize>();
        self.source.len() + self.detail_type.len() + self.detail.len() + resources
    }
}
