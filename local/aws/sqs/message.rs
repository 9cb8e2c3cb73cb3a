//! A message, its attributes, and the receipt handles that identify one receive of it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::SqsError;

/// A message attribute set by the sender. A binary value is encoded in base64, as in the protocol.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute {
    pub(crate) data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

impl Attribute {
    /// Refuses an attribute without a type or a value, or with a value of the wrong type.
    pub(crate) fn check(&self) -> Result<(), SqsError> {
        let kind = self.data_type.split('.').next().unwrap_or_default();
        match (kind, &self.string_value, &self.binary_value) {
            ("String" | "Number", Some(value), None) if !value.is_empty() => Ok(()),
            ("Binary", None, Some(value)) if STANDARD.decode(value).is_ok_and(|bytes| !bytes.is_empty()) => Ok(()),
            _ => Err(SqsError::invalid_parameter(
                "The message attribute must contain a non-empty value of its DataType (String, Number or Binary).",
            )),
        }
    }

    fn value(&self) -> (u8, Vec<u8>) {
        match (&self.string_value, &self.binary_value) {
            (_, Some(value)) => (2, STANDARD.decode(value).unwrap_or_default()),
            (value, None) => (1, value.clone().unwrap_or_default().into_bytes()),
        }
    }
}

/// The message attributes set by the sender, by name.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

/// The validated parameters of a message to send.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) group_id: Option<String>,
    /// The delay in seconds. `None` means the queue's default.
    pub(crate) delay_seconds: Option<i64>,
}

/// The size that counts against the limits, in bytes.
pub(crate) fn size(body: &str, attributes: &Attributes) -> usize {
    let attributes = attributes.iter().map(|(name, it)| name.len() + it.data_type.len() + it.value().1.len());
    body.len() + attributes.sum::<usize>()
}

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The position in the order of sending. The journal identifies the message by it.
    pub(crate) number: i64,
    pub(crate) id: Uuid,
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) group_id: Option<String>,
    pub(crate) sent_at: SystemTime,
    pub(crate) first_received_at: Option<SystemTime>,
    pub(crate) receive_count: u32,
    /// The ARN of the queue from which the message was moved as a dead letter.
    pub(crate) dead_letter_source: Option<String>,
    pub(crate) state: State,
}

/// The state of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Visible,
    /// Not received yet and hidden by its delay.
    Delayed {
        until: SystemTime,
    },
    /// Received, and hidden from other receivers.
    InFlight {
        since: SystemTime,
        until: SystemTime,
    },
}

impl Message {
    /// The receipt of the latest receive of this message.
    pub(crate) fn receipt(&self) -> Receipt {
        Receipt { message: self.id, receive_count: self.receive_count }
    }
}

/// One receive of one message. A receipt has no effect after a later receive of the same message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) message: Uuid,
    pub(crate) receive_count: u32,
}

impl Receipt {
    /// The receipt handle that a receiver gets.
    pub(crate) fn handle(self) -> String {
        let mut bytes = self.message.as_bytes().to_vec();
        bytes.extend(self.receive_count.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Parses a receipt handle. Returns `ReceiptHandleIsInvalid` if the text is not one.
    pub(crate) fn parse(handle: &str) -> Result<Self, SqsError> {
        let invalid = || SqsError::new("ReceiptHandleIsInvalid", "The input receipt handle is invalid.");
        let bytes = URL_SAFE_NO_PAD.decode(handle).map_err(|_| invalid())?;
        let (message, count) = bytes.split_at_checked(16).ok_or_else(invalid)?;
        Ok(Self {
            message: Uuid::from_slice(message).map_err(|_| invalid())?,
            receive_count: u32::from_be_bytes(count.try_into().map_err(|_| invalid())?),
        })
    }
}

/// The MD5 digest of a body, in hexadecimal.
pub(crate) fn md5_of_body(body: &str) -> String {
    format!("{:x}", md5::compute(body))
}

/// The MD5 digest of the attributes, in hexadecimal, encoded as the SQS developer guide describes. It is `None` if
/// there are no attributes.
pub(crate) fn md5_of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut encoded = Vec::new();
    for (name, attribute) in attributes {
        let (transport, value) = attribute.value();
        push_field(&mut encoded, name.as_bytes());
        push_field(&mut encoded, attribute.data_type.as_bytes());
        encoded.push(transport);
        push_field(&mut encoded, &value);
    }
    Some(format!("{:x}", md5::compute(encoded)))
}

/// Appends the length in four bytes and then the bytes.
fn push_field(encoded: &mut Vec<u8>, field: &[u8]) {
    encoded.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    encoded.extend(field);
}
