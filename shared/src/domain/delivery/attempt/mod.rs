//! Attempts: the outcome of one request, and the entry for it in a delivery's log.

mod failure;

use std::time::Duration;

pub use failure::{Cause, Detail, Failure};

use super::response::Response;
use super::trigger::Trigger;
use crate::domain::time::Timestamp;

/// One entry of a delivery's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEntry {
    /// The attempt's number, from 1; `None` for a resend. A manual retry does not reset it.
    pub number: Option<u32>,
    /// What caused it.
    pub trigger: Trigger,
    /// When the request was sent.
    pub started_at: Timestamp,
    /// How long the exchange took, in milliseconds.
    pub duration_ms: u32,
    /// The response's status; `None` without a response.
    pub response_status: Option<u16>,
    /// Why the attempt failed; `None` for a success.
    pub error: Option<Cause>,
    /// What exactly failed, if the cause has details and this one is known.
    pub detail: Option<Detail>,
    /// Whether the response's body is incomplete: the connection broke or the time limit ended before its end.
    pub body_cut: bool,
    /// Whether the attempt has a separate item. Otherwise it is a delivery's first attempt, whose response is in the
    /// delivery's record.
    pub has_item: bool,
}

impl AttemptEntry {
    /// An attempt of a schedule that began at this time, without a result.
    pub const fn at(started_at: Timestamp) -> Self {
        Self {
            number: Some(1),
            trigger: Trigger::Schedule,
            started_at,
            duration_ms: 0,
            response_status: None,
            error: None,
            detail: None,
            body_cut: false,
            has_item: false,
        }
    }

    /// Why the attempt failed; `None` for a success.
    pub fn failure(&self) -> Option<Failure> {
        self.error.map(|cause| Failure { cause, detail: self.detail })
    }
}

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// When the request was sent.
    pub started_at: Timestamp,
    /// How long the exchange took, from resolving the name to the end of the response.
    pub duration: Duration,
    /// The hex signature of the request's body; `None` if no HMAC secret signed the request.
    pub signature: Option<String>,
    /// The receiver's response, or why there is none.
    pub answer: Answer,
}

impl Outcome {
    /// The entry of this attempt in a delivery's log, for an attempt with a number and without an item.
    pub fn entry(&self, number: Option<u32>, trigger: Trigger) -> AttemptEntry {
        let duration_ms = u32::try_from(self.duration.as_millis()).unwrap_or(u32::MAX);
        let entry = AttemptEntry { number, trigger, duration_ms, ..AttemptEntry::at(self.started_at) };
        match &self.answer {
            &Answer::Response { status, body_cut, failure, .. } => {
                let (error, detail) = (failure.map(|it| it.cause), failure.and_then(|it| it.detail));
                AttemptEntry { response_status: Some(status), error, detail, body_cut, ..entry }
            }
            Answer::None(failure) => AttemptEntry { error: Some(failure.cause), detail: failure.detail, ..entry },
        }
    }

    /// What is kept of the response; `None` without a response.
    pub const fn response(&self) -> Option<&Response> {
        match &self.answer {
            Answer::Response { kept, .. } => Some(kept),
            Answer::None(_) => None,
        }
    }

    /// Whether the attempt succeeded.
    pub const fn is_success(&self) -> bool {
        matches!(self.answer, Answer::Response { failure: None, .. })
    }
}

/// The receiver's response, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP response.
    Response {
        /// The response's status.
        status: u16,
        /// What is kept of the response's headers and body.
        kept: Response,
        /// Whether the connection broke or the time limit ended before enough of the body was read.
        body_cut: bool,
        /// The wait that the receiver asks for in `Retry-After` (with 429 and 503).
        retry_after: Option<Duration>,
        /// Why the response is no success; `None` if it is one.
        failure: Option<Failure>,
    },
    /// No complete response head.
    None(Failure),
}
