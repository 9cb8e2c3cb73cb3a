//! The attributes of a queue that callers set: parsed from strings and formatted as strings.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::SqsError;
use super::limits::{MAX_DELAY_SECONDS, MAX_MESSAGE_BYTES, MAX_VISIBILITY_SECONDS};

/// Attributes that have no effect here and are only returned.
const STORED_ATTRIBUTES: [&str; 5] =
    ["Policy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"];

/// The settings of a queue. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) visibility_timeout: i64,
    pub(crate) delay: i64,
    pub(crate) receive_wait: i64,
    pub(crate) retention: i64,
    pub(crate) maximum_message_bytes: i64,
    pub(crate) redrive: Option<Redrive>,
    stored: BTreeMap<String, String>,
}

/// The redrive policy: the destination of messages that were received too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub(crate) dead_letter_arn: String,
    /// After this many receives, the next receive moves the message to the dead-letter queue.
    pub(crate) max_receive_count: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visibility_timeout: 30,
            delay: 0,
            receive_wait: 0,
            retention: 4 * 24 * 3600,
            maximum_message_bytes: MAX_MESSAGE_BYTES as i64,
            redrive: None,
            stored: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Returns these settings with `attributes` applied. Returns an error if any attribute is invalid.
    pub(crate) fn with(&self, attributes: &BTreeMap<String, String>) -> Result<Self, SqsError> {
        let mut changed = self.clone();
        for (name, value) in attributes {
            let number = |least, most| number(name, value, least, most);
            match name.as_str() {
                "VisibilityTimeout" => changed.visibility_timeout = number(0, MAX_VISIBILITY_SECONDS)?,
                "DelaySeconds" => changed.delay = number(0, MAX_DELAY_SECONDS)?,
                "ReceiveMessageWaitTimeSeconds" => changed.receive_wait = number(0, 20)?,
                "MessageRetentionPeriod" => changed.retention = number(60, 14 * 24 * 3600)?,
                "MaximumMessageSize" => changed.maximum_message_bytes = number(1024, MAX_MESSAGE_BYTES as i64)?,
                "RedrivePolicy" => changed.redrive = Redrive::parse(value)?,
                stored if STORED_ATTRIBUTES.contains(&stored) => {
                    changed.stored.insert(name.clone(), value.clone());
                }
                _ => return Err(SqsError::new("InvalidAttributeName", format!("Unknown Attribute {name}."))),
            }
        }
        Ok(changed)
    }

    /// All settings as attributes.
    pub(crate) fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = self.stored.clone();
        let numbers = [
            ("VisibilityTimeout", self.visibility_timeout),
            ("DelaySeconds", self.delay),
            ("ReceiveMessageWaitTimeSeconds", self.receive_wait),
            ("MessageRetentionPeriod", self.retention),
            ("MaximumMessageSize", self.maximum_message_bytes),
        ];
        attributes.extend(numbers.map(|(name, value)| (name.to_owned(), value.to_string())));
        if let Some(redrive) = &self.redrive {
            let policy = json!({
                "deadLetterTargetArn": redrive.dead_letter_arn,
                "maxReceiveCount": redrive.max_receive_count,
            });
            attributes.insert("RedrivePolicy".to_owned(), policy.to_string());
        }
        attributes
    }

    /// The retention period of messages.
    pub(crate) fn retention(&self) -> Duration {
        Duration::from_secs(self.retention.unsigned_abs())
    }
}

impl Redrive {
    /// Parses a `RedrivePolicy`. `maxReceiveCount` can be a number or a string of digits. An empty policy removes the
    /// redrive.
    fn parse(policy: &str) -> Result<Option<Self>, SqsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Policy {
            dead_letter_target_arn: String,
            max_receive_count: Value,
        }
        if policy.is_empty() {
            return Ok(None);
        }
        let invalid = |reason: &str| {
            let message = format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}");
            SqsError::invalid_parameter(message)
        };
        let parsed: Policy = serde_json::from_str(policy).map_err(|error| invalid(&error.to_string()))?;
        let count = match &parsed.max_receive_count {
            Value::String(digits) => digits.parse().ok(),
            count => count.as_u64().and_then(|count| u32::try_from(count).ok()),
        };
        let count = count.filter(|count| (1..=1000).contains(count));
        Ok(Some(Self {
            dead_letter_arn: parsed.dead_letter_target_arn,
            max_receive_count: count.ok_or_else(|| invalid("maxReceiveCount must be between 1 and 1000."))?,
        }))
    }
}

fn number(name: &str, value: &str, least: i64, most: i64) -> Result<i64, SqsError> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        SqsError::new(
            "InvalidAttributeValue",
            format!("Invalid value for the parameter {name}: {value:?} is not {least} to {most}."),
        )
    })
}
