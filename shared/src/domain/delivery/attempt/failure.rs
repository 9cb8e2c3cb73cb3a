//! Why an attempt or a delivery failed.

/// Why an attempt failed, or why none was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The exchange took longer than the endpoint's timeout.
    Timeout,
    /// The receiver's host name could not be resolved.
    Dns,
    /// The TCP connection could not be opened.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The address policy does not allow the receiver's address.
    RefusedAddress,
    /// The response's status is not 2xx.
    HttpStatus,
    /// The response's head is not valid HTTP, or is incomplete.
    InvalidResponse,
    /// The endpoint is disabled.
    EndpointDisabled,
    /// The endpoint is deleted.
    EndpointDeleted,
    /// The organization is suspended.
    OrganizationSuspended,
    /// The event's data was removed.
    Expunged,
    /// A secret or header of the endpoint cannot be decrypted. No request was made.
    Undecryptable,
    /// The AWS service did not accept the delivery, or the function that it invoked failed.
    AwsService,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 13] = [
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
        Self::Expunged,
        Self::Undecryptable,
        Self::AwsService,
    ];

    /// The cause's name in the API and in storage.
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
            Self::Expunged => "expunged",
            Self::Undecryptable => "undecryptable",
            Self::AwsService => "aws_service",
        }
    }

    /// The cause with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// What exactly failed, for causes that are too general for a diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The host name does not exist.
    NameNotFound,
    /// The host name exists and has no address.
    NoAddress,
    /// No process listens at the address.
    ConnectionRefused,
    /// The receiver reset the connection.
    ConnectionReset,
    /// The receiver closed the connection before the head of a response was complete.
    ClosedBeforeAnswer,
    /// There is no route to the address.
    Unreachable,
    /// The receiver's certificate, or one in its chain, has expired.
    CertificateExpired,
    /// The receiver's certificate, or one in its chain, is not valid yet.
    CertificateNotYetValid,
    /// The receiver's certificate is for other names.
    CertificateWrongName,
    /// The receiver's certificate was not issued by an authority, but signed with its own key.
    CertificateSelfSigned,
    /// No trusted authority issued the receiver's certificate, or the receiver did not send the certificates of the
    /// authorities between the two. A handshake does not tell which.
    CertificateUnknownIssuer,
    /// The receiver's certificate is invalid for another reason.
    CertificateInvalid,
    /// The receiver requires a client certificate.
    ClientCertificateWanted,
    /// The receiver ended the handshake, or did not speak TLS.
    HandshakeRefused,
    /// The response does not begin with a status line of HTTP/1.
    BadStatusLine,
    /// The response has a malformed header.
    BadHeader,
    /// The response's head is too large.
    TooLarge,
    /// The function's role, or a policy of the resource or its key, does not allow the call.
    AccessDenied,
    /// The queue, event bus or function does not exist.
    ResourceNotFound,
    /// The service limits the rate of calls, or the function's concurrency is used up.
    Throttled,
    /// The message is larger than the service or the queue accepts.
    MessageTooLarge,
    /// The message is empty or has a character that a queue does not accept.
    InvalidCharacters,
    /// The function was invoked and ended with an error.
    FunctionError,
}

impl Detail {
    /// Every detail.
    pub const ALL: [Self; 23] = [
        Self::NameNotFound,
        Self::NoAddress,
        Self::ConnectionRefused,
        Self::ConnectionReset,
        Self::ClosedBeforeAnswer,
        Self::Unreachable,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateWrongName,
        Self::CertificateSelfSigned,
        Self::CertificateUnknownIssuer,
        Self::CertificateInvalid,
        Self::ClientCertificateWanted,
        Self::HandshakeRefused,
        Self::BadStatusLine,
        Self::BadHeader,
        Self::TooLarge,
        Self::AccessDenied,
        Self::ResourceNotFound,
        Self::Throttled,
        Self::MessageTooLarge,
        Self::InvalidCharacters,
        Self::FunctionError,
    ];

    /// The detail's name in the API and in storage.
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
            Self::CertificateSelfSigned => "certificate_self_signed",
            Self::CertificateUnknownIssuer => "certificate_unknown_issuer",
            Self::CertificateInvalid => "certificate_invalid",
            Self::ClientCertificateWanted => "client_certificate_wanted",
            Self::HandshakeRefused => "handshake_refused",
            Self::BadStatusLine => "bad_status_line",
            Self::BadHeader => "bad_header",
            Self::TooLarge => "too_large",
            Self::AccessDenied => "access_denied",
            Self::ResourceNotFound => "resource_not_found",
            Self::Throttled => "throttled",
            Self::MessageTooLarge => "message_too_large",
            Self::InvalidCharacters => "invalid_characters",
            Self::FunctionError => "function_error",
        }
    }

    /// The detail with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|detail| detail.as_str() == text)
    }

    /// The causes that this detail can explain.
    pub const fn causes(self) -> &'static [Cause] {
        match self {
            Self::NameNotFound | Self::NoAddress => &[Cause::Dns],
            Self::ConnectionRefused | Self::Unreachable => &[Cause::Connect],
            // The connection can break while it is opened, which includes the TLS handshake, or after the request
            // was sent.
            Self::ConnectionReset | Self::ClosedBeforeAnswer => &[Cause::Connect, Cause::InvalidResponse],
            Self::CertificateExpired
            | Self::CertificateNotYetValid
            | Self::CertificateWrongName
            | Self::CertificateSelfSigned
            | Self::CertificateUnknownIssuer
            | Self::CertificateInvalid
            | Self::ClientCertificateWanted
            | Self::HandshakeRefused => &[Cause::Tls],
            Self::BadStatusLine | Self::BadHeader | Self::TooLarge => &[Cause::InvalidResponse],
            Self::AccessDenied
            | Self::ResourceNotFound
            | Self::Throttled
            | Self::MessageTooLarge
            | Self::InvalidCharacters
            | Self::FunctionError => &[Cause::AwsService],
        }
    }
}

/// Why an attempt or a delivery failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The cause.
    pub cause: Cause,
    /// What exactly failed, if the cause has details and this one is known.
    pub detail: Option<Detail>,
}

impl Failure {
    /// The section of the API's documentation that explains the failure, as a reference relative to the API's URL. The
    /// detail determines it, or the cause if there is none.
    pub fn docs_url(self) -> String {
        format!("/docs#{}", self.detail.map_or(self.cause.as_str(), Detail::as_str))
    }

    /// The failure that an HTTP response with this status means; `None` for 2xx.
    pub fn of_status(status: u16) -> Option<Self> {
        (!(200..300).contains(&status)).then(|| Cause::HttpStatus.into())
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { cause, detail: None }
    }
}
