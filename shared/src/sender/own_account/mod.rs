//! Deliveries to resources of the deployment's own account. A delivery is one signed call of the service's HTTP API, over
//! the same client, addresses and limits as a request to a receiver. Nothing is set up before the first call.

mod event_bus;
mod function;
mod queue;
mod verdict;

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

pub(super) use verdict::failure;

use super::Attempt;
use crate::domain::delivery::attempt::{Cause, Failure};
use crate::domain::endpoint::destination::arn::{ResourceArn, ResourceKind};
use crate::domain::endpoint::destination::internal_targets::InternalTargets;
use crate::domain::endpoint::url::EndpointUrl;
use crate::domain::time::Timestamp;

/// The access to resources of the deployment's own account.
#[derive(Clone)]
pub struct OwnAccount {
    targets: InternalTargets,
    credentials: Option<SharedCredentialsProvider>,
    endpoint: Option<String>,
}

impl fmt::Debug for OwnAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnAccount").field("targets", &self.targets).finish_non_exhaustive()
    }
}

/// What a receiver gets: the exact body of the payload, and the headers of a request to a URL without those that only HTTP
/// has.
struct Message<'a> {
    body: &'a str,
    headers: HeaderMap,
    attempt: &'a Attempt<'a>,
}

impl Message<'_> {
    /// The headers as text, in an order that does not change.
    fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }
}

/// A call before it is signed.
struct Unsigned {
    /// The service in the host name and in the signature.
    service: &'static str,
    /// The path, percent-encoded.
    path: String,
    /// The headers of the service's protocol.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    body: String,
}

/// A signed call.
pub(super) struct Call {
    pub(super) url: EndpointUrl,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl OwnAccount {
    /// Access to these resources. `endpoint` replaces the services' own URLs, for an emulator.
    pub const fn new(
        targets: InternalTargets,
        credentials: Option<SharedCredentialsProvider>,
        endpoint: Option<String>,
    ) -> Self {
        Self { targets, credentials, endpoint }
    }

    /// Whether deliveries may go to this resource. An endpoint may have an ARN that was allowed earlier.
    pub(super) fn allows(&self, arn: &ResourceArn) -> bool {
        self.targets.check(arn).is_ok()
    }

    /// The call that delivers a message to a resource. `headers` are those of the request to a URL.
    ///
    /// # Errors
    /// [`Failure`] if there are no credentials.
    pub(super) async fn call(
        &self,
        arn: &ResourceArn,
        attempt: &Attempt<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Call, Failure> {
        let mut headers = headers.clone();
        headers.remove(USER_AGENT);
        headers.remove(ACCEPT);
        let body = String::from_utf8_lossy(&attempt.body);
        let message = Message { body: &body, headers, attempt };
        let unsigned = match arn.kind() {
            ResourceKind::Queue => queue::call(arn, &message, &self.base("sqs", arn)),
            ResourceKind::EventBus => event_bus::call(arn, &message),
            ResourceKind::Function => function::call(arn, &message),
        };
        self.signed(arn, unsigned, now).await.ok_or(Cause::AwsService.into())
    }

    /// The URL of a service in the resource's region, without a slash at its end.
    fn base(&self, service: &str, arn: &ResourceArn) -> String {
        let suffix = if arn.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        let own = || format!("https://{service}.{}.{suffix}", arn.region());
        self.endpoint.as_ref().map_or_else(own, |url| url.trim_end_matches('/').to_owned())
    }

    /// Signs a call with Signature Version 4. `None` without credentials.
    async fn signed(&self, arn: &ResourceArn, call: Unsigned, now: Timestamp) -> Option<Call> {
        let url = EndpointUrl::stored(&format!("{}{}", self.base(call.service, arn), call.path)).ok()?;
        let identity = self.credentials.as_ref()?.provide_credentials().await.ok()?.into();
        let since_epoch = Duration::from_micros(u64::try_from(now.unix_micros()).ok()?);
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(arn.region())
            .name(call.service)
            .time(SystemTime::UNIX_EPOCH + since_epoch)
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let mut headers: HeaderMap = call.headers.into_iter().collect();
        let shown = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let request = SignableRequest::new("POST", url.as_str(), shown, SignableBody::Bytes(call.body.as_bytes()));
        let (signature, _) = sign(request.ok()?, &parameters).ok()?.into_parts();
        for header in signature.into_parts().0 {
            let mut value = HeaderValue::from_str(header.value()).ok()?;
            value.set_sensitive(header.sensitive());
            headers.insert(HeaderName::from_static(header.name()), value);
        }
        Some(Call { url, headers, body: call.body.into() })
    }
}

/// The headers of a call whose operation is in a header, with a body in this version of AWS's JSON protocol.
fn json_call(operation: &'static str, content_type: &'static str) -> Vec<(HeaderName, HeaderValue)> {
    let target = HeaderName::from_static("x-amz-target");
    vec![(target, HeaderValue::from_static(operation)), (CONTENT_TYPE, HeaderValue::from_static(content_type))]
}
