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
    /// The head of the answer was not HTTP, or broke off.
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

/// What exactly failed, as far as it is known, under the causes that say little by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The name does not exist.
    NameNotFound,
    /// The name exists, and has no address.
    NoAddress,
    /// Nothing listens at the address.
    ConnectionRefused,
    /// The receiver reset the connection.
    ConnectionReset,
    /// The receiver closed the connection before the head of an answer was complete.
    ClosedBeforeAnswer,
    /// No way leads to the address.
    Unreachable,
    /// The receiver's certificate, or one above it, has expired.
    CertificateExpired,
    /// The receiver's certificate, or one above it, is not valid yet.
    CertificateNotYetValid,
    /// The receiver's certificate is for other names.
    CertificateWrongName,
    /// No trusted authority issued the receiver's certificate.
    CertificateUnknownIssuer,
    /// The receiver's certificate cannot be used for another reason.
    CertificateInvalid,
    /// The receiver wants a certificate from its clients.
    ClientCertificateWanted,
    /// The receiver ended the handshake, or did not speak TLS.
    HandshakeRefused,
    /// The answer did not begin with a status line of HTTP/1.
    BadStatusLine,
    /// The answer had a header that cannot be read.
    BadHeader,
    /// The head of the answer was too large.
    TooLarge,
}

impl Detail {
    /// Every detail.
    pub const ALL: [Self; 16] = [
        Self::NameNotFound,
        Self::NoAddress,
        Self::ConnectionRefused,
        Self::ConnectionReset,
        Self::ClosedBeforeAnswer,
        Self::Unreachable,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateWrongName,
        Self::CertificateUnknownIssuer,
        Self::CertificateInvalid,
        Self::ClientCertificateWanted,
        Self::HandshakeRefused,
        Self::BadStatusLine,
        Self::BadHeader,
        Self::TooLarge,
    ];

    /// The detail's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NameNotFound => "name_not_found",
            Self::NoAddress => "no_address",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionReset => "connection_reset",
            Self::ClosedBeforeAnswer => "closed_before_answer",
            Self::Unreachable => "unreachable",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateWrongName => "certificate_wrong_name",
            Self::CertificateUnknownIssuer => "certificate_unknown_issuer",
            Self::CertificateInvalid => "certificate_invalid",
            Self::ClientCertificateWanted => "client_certificate_wanted",
            Self::HandshakeRefused => "handshake_refused",
            Self::BadStatusLine => "bad_status_line",
            Self::BadHeader => "bad_header",
            Self::TooLarge => "too_large",
        }
    }

    /// The detail with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|detail| detail.as_str() == text)
    }

    /// The causes that it may be a detail of.
    pub const fn causes(self) -> &'static [Cause] {
        match self {
            Self::NameNotFound | Self::NoAddress => &[Cause::Dns],
            Self::ConnectionRefused | Self::Unreachable => &[Cause::Connect],
            // While connecting, which includes the TLS handshake, or after the request was sent.
            Self::ConnectionReset | Self::ClosedBeforeAnswer => &[Cause::Connect, Cause::InvalidResponse],
            Self::CertificateExpired
            | Self::CertificateNotYetValid
            | Self::CertificateWrongName
            | Self::CertificateUnknownIssuer
            | Self::CertificateInvalid
            | Self::ClientCertificateWanted
            | Self::HandshakeRefused => &[Cause::Tls],
            Self::BadStatusLine | Self::BadHeader | Self::TooLarge => &[Cause::InvalidResponse],
        }
    }
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The cause.
    pub cause: Cause,
    /// What exactly failed, if that is known.
    pub detail: Option<Detail>,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { cause, detail: None }
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
    /// What exactly failed, if the cause has details and this one is known.
    pub detail: Option<Detail>,
    /// Whether the answer's body broke off, or did not end in time.
    pub body_cut: bool,
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

impl Outcome {
    /// Whether the receiver took it: the answer's status is 2xx.
    pub const fn is_success(&self) -> bool {
        matches!(self.answer, Answer::Response { status: 200..=299, .. })
    }
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
        /// Whether the body broke off, or did not end in time, before enough of it was read.
        body_cut: bool,
        /// The wait it asked for (on 429 and 503).
        retry_after: Option<Duration>,
    },
    /// No complete head of an answer.
    None(Failure),
}
