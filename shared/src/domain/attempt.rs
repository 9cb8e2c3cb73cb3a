//! Attempts: what came of one request, and what a delivery's log keeps of it.

use std::time::Duration;

use super::time::Timestamp;

/// Why an attempt failed, or why none was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The exchange took longer than the endpoint's timeout.
    Timeout,
    /// The name could not be resolved.
    Dns,
    /// No connection could be made.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The address is one that deliveries may not go to.
    RefusedAddress,
    /// The answer's status was not 2xx.
    HttpStatus,
    /// The answer was not HTTP, or broke off.
    InvalidResponse,
    /// The endpoint is disabled.
    EndpointDisabled,
    /// The endpoint is deleted.
    EndpointDeleted,
    /// The organization is suspended.
    OrganizationSuspended,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 10] = [
        Self::Timeout,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::RefusedAddress,
        Self::HttpStatus,
        Self::InvalidResponse,
        Self::EndpointDisabled,
        Self::EndpointDeleted,
        Self::OrganizationSuspended,
    ];

    /// The cause's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::RefusedAddress => "refused_address",
            Self::HttpStatus => "http_status",
            Self::InvalidResponse => "invalid_response",
            Self::EndpointDisabled => "endpoint_disabled",
            Self::EndpointDeleted => "endpoint_deleted",
            Self::OrganizationSuspended => "organization_suspended",
        }
    }

    /// The cause with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// One line of a delivery's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEntry {
    /// From 1, over all schedules.
    pub number: u32,
    /// When the request was sent.
    pub started_at: Timestamp,
    /// How long the exchange took, in milliseconds.
    pub duration_ms: u32,
    /// The answer's status, if there was one.
    pub response_status: Option<u16>,
    /// Why it failed; `None` for a success.
    pub error: Option<Cause>,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// When the request was sent.
    pub started_at: Timestamp,
    /// How long the exchange took.
    pub duration: Duration,
    /// Hex signature of the body.
    pub signature: String,
    /// What came back.
    pub answer: Answer,
}

/// What came back for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP answer.
    Response {
        /// Its status.
        status: u16,
        /// The beginning of its body.
        body: String,
        /// The wait it asked for (on 429 and 503).
        retry_after: Option<Duration>,
    },
    /// None.
    None(Cause),
}
