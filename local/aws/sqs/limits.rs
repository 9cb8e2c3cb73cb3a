//! The validation of requests, as SQS's API reference documents it.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::error::SqsError;

/// The maximum size of a message and of all messages of a batch, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// The maximum delay of a message, in seconds.
pub(crate) const MAX_DELAY_SECONDS: i64 = 900;
/// The maximum time for which one receive can hide a message, in seconds.
pub(crate) const MAX_VISIBILITY_SECONDS: i64 = 43_200;
/// The maximum number of messages in flight in a queue. At the limit, SQS returns no messages.
pub(crate) const MAX_IN_FLIGHT: usize = 120_000;
const MAX_BATCH_ENTRIES: usize = 10;

/// Refuses a number outside its range.
pub(crate) fn within(name: &str, value: i64, range: RangeInclusive<i64>) -> Result<i64, SqsError> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (range.start(), range.end());
    Err(SqsError::invalid_parameter(format!(
        "Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided."
    )))
}

/// Refuses an empty body and characters that XML 1.0 does not allow.
pub(crate) fn body(body: &str) -> Result<(), SqsError> {
    if body.is_empty() {
        return Err(SqsError::new("MissingParameter", "The request must contain the parameter MessageBody."));
    }
    let allowed =
        |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}') || character >= '\u{10000}';
    match body.chars().find(|&character| !allowed(character)) {
        None => Ok(()),
        Some(character) => Err(SqsError::new(
            "InvalidMessageContents",
            format!(
                "Invalid binary character '#x{:X}' was found in the message body, the set of allowed characters is \
                 #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
                u32::from(character)
            ),
        )),
    }
}

/// Refuses a group id that is not 1 to 128 letters, digits and punctuation characters.
pub(crate) fn group_id(id: &str) -> Result<(), SqsError> {
    if (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(SqsError::invalid_parameter(format!(
        "Value {id} for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and \
         punctuation characters. 1 to 128 in length."
    )))
}

/// Refuses a complete batch if it has no or too many entries, or malformed or repeated ids.
pub(crate) fn batch<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> Result<(), SqsError> {
    let count = ids.len();
    if count == 0 {
        return Err(SqsError::new("EmptyBatchRequest", "There should be at least one entry in the request."));
    }
    if count > MAX_BATCH_ENTRIES {
        return Err(SqsError::new(
            "TooManyEntriesInBatchRequest",
            format!("Maximum number of entries per request are {MAX_BATCH_ENTRIES}. You have sent {count}."),
        ));
    }
    let mut seen = HashSet::new();
    for id in ids {
        if !is_name(id) {
            return Err(SqsError::new(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(SqsError::new("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// Refuses a batch that is larger than [`MAX_MESSAGE_BYTES`].
pub(crate) fn batch_bytes(total: usize) -> Result<(), SqsError> {
    if total <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    Err(SqsError::new(
        "BatchRequestTooLong",
        format!("Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes. You have sent {total} bytes."),
    ))
}

/// Whether the text is a valid name of a queue or id of a batch entry: 1 to 80 letters, digits, hyphens and
/// underscores.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=80).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
