//! Webhook endpoints, and test events.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::DeliveryOut;
use crate::domain::Invalid;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::deployment::Deployment;
use crate::domain::endpoint::{Endpoint, EndpointPatch, EndpointSettings, EndpointStatus, NewEndpoint, WantedStatus};
use crate::domain::event::{Event, TestEvent};
use crate::domain::event_type::{Catalogue, EventType, Subscription};
use crate::domain::fields::{EditionId, EndpointUrl, Headers, Name, TimeoutSeconds};
use crate::domain::recovery::{NewRecovery, Recovery};
use crate::domain::schedule::RetrySchedule;
use crate::domain::secret::SigningSecret;
use crate::domain::time::Timestamp;
use crate::wire::body::RawObject;
use crate::wire::error::Problem;
use crate::wire::field::{Field, Reader, each, subscriptions, wanted_status};

/// Longest time, in seconds, that a rotated signing secret signs on.
const MAX_OVERLAP_SECONDS: i64 = 604_800;
/// How long it does if nothing is said.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(86_400);

/// `POST …/webhooks/endpoints`, and `PATCH …/webhooks/endpoints/{we}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointIn {
    name: Field<String>,
    url: Field<String>,
    event_types: Field<Vec<String>>,
    secret: Field<String>,
    headers: Field<BTreeMap<String, String>>,
    timeout_seconds: Field<i64>,
    edition_id: Field<String>,
    retry_schedule: Field<Vec<u32>>,
    status: Field<String>,
}

impl EndpointIn {
    /// What is to be created.
    ///
    /// # Errors
    /// Every field that makes no sense.
    pub fn parse(self, deployment: &Deployment) -> Result<NewEndpoint, Vec<Problem>> {
        let mut read = Reader::default();
        let name = read.required("name", self.name, |name| Name::parse(&name));
        let url = read.required("url", self.url, |url| EndpointUrl::parse(&url, &deployment.urls));
        let subscriptions =
            read.required("event_types", self.event_types, |types| subscriptions(&types, &deployment.catalogue));
        let headers = read.optional("headers", self.headers, Headers::new).unwrap_or_default();
        let timeout = read.optional("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new).unwrap_or_default();
        let edition = read.optional("edition_id", self.edition_id, |edition| EditionId::parse(&edition));
        let retry_schedule = read.optional("retry_schedule", self.retry_schedule, RetrySchedule::new);
        let secret = read.optional("secret", self.secret, |secret| SigningSecret::parse(&secret));
        let status = read.optional("status", self.status, wanted_status).unwrap_or(WantedStatus::Active);
        let complete = name.zip(url).zip(subscriptions).map(|((name, url), subscriptions)| NewEndpoint {
            settings: EndpointSettings { name, url, subscriptions, headers, timeout, edition, retry_schedule },
            secret,
            status,
        });
        read.finish(complete)
    }

    /// What is to be changed. `null` clears headers, edition and retry schedule.
    ///
    /// # Errors
    /// Every field that makes no sense.
    pub fn parse_patch(self, deployment: &Deployment) -> Result<EndpointPatch, Vec<Problem>> {
        let mut read = Reader::default();
        let patch = EndpointPatch {
            name: read.changed("name", self.name, |name| Name::parse(&name)),
            url: read.changed("url", self.url, |url| EndpointUrl::parse(&url, &deployment.urls)),
            subscriptions: read
                .changed("event_types", self.event_types, |types| subscriptions(&types, &deployment.catalogue)),
            headers: read.cleared("headers", self.headers, Headers::new).map(Option::unwrap_or_default),
            timeout: read
                .cleared("timeout_seconds", self.timeout_seconds, TimeoutSeconds::new)
                .map(Option::unwrap_or_default),
            edition: read.cleared("edition_id", self.edition_id, |edition| EditionId::parse(&edition)),
            retry_schedule: read.cleared("retry_schedule", self.retry_schedule, RetrySchedule::new),
            secret: read.changed("secret", self.secret, |secret| SigningSecret::parse(&secret)),
            status: read.changed("status", self.status, wanted_status),
        };
        read.finish(Some(patch))
    }
}

/// An endpoint. Its secret is there only when it was just generated.
#[derive(Debug, Serialize)]
pub struct EndpointOut {
    object: &'static str,
    id: String,
    organization_id: String,
    name: String,
    url: String,
    status: &'static str,
    event_types: Vec<String>,
    headers: BTreeMap<String, String>,
    timeout_seconds: u8,
    edition_id: Option<String>,
    retry_schedule: Option<Vec<u32>>,
    paused_at: Option<String>,
    disabled_reason: Option<&'static str>,
    signing_secret: Option<String>,
    created_at: String,
    updated_at: String,
}

impl EndpointOut {
    /// The same with the current secret, which is shown once.
    #[must_use]
    pub fn revealing(self, endpoint: &Endpoint) -> Self {
        Self { signing_secret: Some(endpoint.secrets.current.reveal().to_owned()), ..self }
    }
}

impl From<&Endpoint> for EndpointOut {
    fn from(endpoint: &Endpoint) -> Self {
        let settings = &endpoint.settings;
        let (status, paused_at, disabled_reason) = match endpoint.status {
            EndpointStatus::Active => ("active", None, None),
            EndpointStatus::Paused { at } => ("paused", Some(at.rfc3339()), None),
            EndpointStatus::Disabled { reason } => ("disabled", None, Some(reason.as_str())),
        };
        Self {
            object: "webhook_endpoint",
            id: endpoint.id.to_string(),
            organization_id: endpoint.organization.to_string(),
            name: settings.name.to_string(),
            url: settings.url.as_str().to_owned(),
            status,
            event_types: settings.subscriptions.iter().map(Subscription::to_string).collect(),
            headers: settings.headers.as_map().clone(),
            timeout_seconds: settings.timeout.get(),
            edition_id: settings.edition.as_ref().map(EditionId::to_string),
            retry_schedule: settings.retry_schedule.as_ref().map(|schedule| schedule.delays().to_vec()),
            paused_at,
            disabled_reason,
            signing_secret: None,
            created_at: endpoint.created_at.rfc3339(),
            updated_at: endpoint.updated_at.rfc3339(),
        }
    }
}

/// `POST …/webhooks/endpoints/{we}/rotations`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RotationIn {
    overlap_seconds: Field<i64>,
}

impl RotationIn {
    /// How long the old secret signs on.
    ///
    /// # Errors
    /// Every field that makes no sense.
    pub fn parse(self) -> Result<Duration, Vec<Problem>> {
        let mut read = Reader::default();
        let overlap = read.optional("overlap_seconds", self.overlap_seconds, |seconds| match u64::try_from(seconds) {
            Ok(overlap) if seconds <= MAX_OVERLAP_SECONDS => Ok(Duration::from_secs(overlap)),
            _ => Err(Invalid::new(format!("must be 0 to {MAX_OVERLAP_SECONDS}"))),
        });
        read.finish(Some(overlap.unwrap_or(DEFAULT_OVERLAP)))
    }
}

/// `POST …/webhooks/endpoints/{we}/test`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TestIn {
    event_type: Field<String>,
    data: RawObject,
}

impl TestIn {
    /// What is to be sent.
    ///
    /// # Errors
    /// Every field that makes no sense.
    pub fn parse(self, catalogue: &Catalogue) -> Result<TestEvent, Vec<Problem>> {
        let mut read = Reader::default();
        let event_type = read.optional("event_type", self.event_type, |text| {
            let event_type = EventType::parse(&text)?;
            catalogue.check_published(&event_type)?;
            Ok(event_type)
        });
        let data = read.check("data", self.data.text()).flatten().map(str::to_owned);
        read.finish(Some(TestEvent { event_type, data }))
    }
}

/// What a test event made.
#[derive(Debug, Serialize)]
pub struct TestOut {
    object: &'static str,
    event_id: String,
    delivery_ids: Vec<String>,
    latest_delivery: Option<DeliveryOut>,
}

impl TestOut {
    /// The event and its deliveries.
    pub fn new(event: &Event, deliveries: &[Delivery]) -> Self {
        Self {
            object: "webhook_test",
            event_id: event.id.to_string(),
            delivery_ids: deliveries.iter().map(|delivery| delivery.id.to_string()).collect(),
            latest_delivery: deliveries.last().map(DeliveryOut::from),
        }
    }
}

/// `POST …/webhooks/endpoints/{we}/recover`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RecoverIn {
    since: Field<String>,
    until: Field<String>,
    statuses: Field<Vec<String>>,
}

impl RecoverIn {
    /// What is asked for again.
    ///
    /// # Errors
    /// Every field that makes no sense.
    pub fn parse(self) -> Result<NewRecovery, Vec<Problem>> {
        let mut read = Reader::default();
        let since = read.required("since", self.since, |since| Timestamp::parse(&since));
        let until = read.optional("until", self.until, |until| Timestamp::parse(&until));
        if let (Some(since), Some(until)) = (since, until)
            && until <= since
        {
            read.problem("until", "must be later than since");
        }
        let dead = |text: &str| {
            let status = DeliveryStatus::parse(text).filter(|status| status.is_dead());
            status.ok_or_else(|| Invalid::new("must be failed or exhausted"))
        };
        let statuses = read.optional("statuses", self.statuses, |statuses| match each(&statuses, dead)? {
            none if none.is_empty() => Err(Invalid::new("must name failed, exhausted or both")),
            some => Ok(some),
        });
        let statuses = statuses.unwrap_or_else(|| vec![DeliveryStatus::Failed, DeliveryStatus::Exhausted]);
        read.finish(since.map(|since| NewRecovery { since, until, statuses }))
    }
}

/// A recovery.
#[derive(Debug, Serialize)]
pub struct RecoveryOut {
    object: &'static str,
    id: String,
    endpoint_id: String,
    statuses: Vec<&'static str>,
    recovered: usize,
    finished: bool,
    created_at: String,
}

impl RecoveryOut {
    /// A recovery, how many deliveries were asked for at once, and whether that was all.
    pub fn new(recovery: &Recovery, recovered: usize, finished: bool) -> Self {
        Self {
            object: "webhook_recovery",
            id: recovery.id.to_string(),
            endpoint_id: recovery.endpoint.to_string(),
            statuses: recovery.statuses.iter().map(|status| status.as_str()).collect(),
            recovered,
            finished,
            created_at: recovery.requested_at.rfc3339(),
        }
    }
}
