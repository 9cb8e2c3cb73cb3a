//! Sending messages.

use std::time::SystemTime;

use super::error::SqsError;
use super::message::{Draft, md5_of_attributes, md5_of_body, size};
use super::queue::Queue;
use super::{Sqs, limits, wire};

impl Sqs {
    pub(crate) fn send_message(&self, request: wire::SendMessage, now: SystemTime) -> Result<wire::Sent, SqsError> {
        let sent = send(self.queues().at(&request.queue_url)?, request.message, now)?;
        self.arrivals.notify_waiters();
        Ok(sent)
    }

    pub(crate) fn send_message_batch(
        &self,
        request: wire::Batch<wire::NewMessage>,
        now: SystemTime,
    ) -> Result<wire::BatchResult<wire::Sent>, SqsError> {
        request.check()?;
        let messages = request.entries.iter().map(|entry| &entry.content);
        limits::batch_bytes(messages.map(|it| size(&it.message_body, &it.message_attributes)).sum())?;
        let mut queues = self.queues();
        let queue = queues.at(&request.queue_url)?;
        let result = request.each(|message| send(queue, message, now));
        self.arrivals.notify_waiters();
        Ok(result)
    }
}

fn send(queue: &mut Queue, message: wire::NewMessage, now: SystemTime) -> Result<wire::Sent, SqsError> {
    let draft = draft(message, queue.settings.maximum_message_bytes)?;
    let (md5_of_body, md5_of_attributes) = (md5_of_body(&draft.body), md5_of_attributes(&draft.attributes));
    let message_id = queue.send(draft, now).to_string();
    Ok(wire::Sent { message_id, md5_of_body, md5_of_attributes })
}

fn draft(message: wire::NewMessage, maximum_bytes: i64) -> Result<Draft, SqsError> {
    limits::body(&message.message_body)?;
    if let Some(group_id) = &message.message_group_id {
        limits::group_id(group_id)?;
    }
    if message.message_deduplication_id.is_some() {
        let message = "The request includes MessageDeduplicationId, which is not valid for this queue type.";
        return Err(SqsError::invalid_parameter(message));
    }
    if !message.message_system_attributes.is_empty() {
        let message = "The embedded SQS takes no message system attributes.";
        return Err(SqsError::new("UnsupportedOperation", message));
    }
    if message.message_attributes.len() > 10 {
        return Err(SqsError::invalid_parameter("Number of message attributes exceeds the allowed maximum [10]."));
    }
    for attribute in message.message_attributes.values() {
        attribute.check()?;
    }
    let delay = message.delay_seconds.map(|delay| limits::within("DelaySeconds", delay, 0..=limits::MAX_DELAY_SECONDS));
    let draft = Draft {
        body: message.message_body,
        attributes: message.message_attributes,
        group_id: message.message_group_id,
        delay_seconds: delay.transpose()?,
    };
    if i64::try_from(size(&draft.body, &draft.attributes)).is_ok_and(|size| size <= maximum_bytes) {
        return Ok(draft);
    }
    Err(SqsError::invalid_parameter(format!(
        "One or more parameters are invalid. Reason: Message must be shorter than {maximum_bytes} bytes."
    )))
}
