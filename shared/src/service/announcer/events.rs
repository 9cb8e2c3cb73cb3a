//! The events that the service publishes, to the organization that they are about and to the platform's own.

use serde_json::{Value, json};

use crate::domain::delivery::attempt::{Detail, Failure};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::endpoint::{Endpoint, EndpointStatus};
use crate::domain::event::event_type::EventType;
use crate::domain::event::operational::{
    ENDPOINT_CREATED, ENDPOINT_DELETED, ENDPOINT_DISABLED, ENDPOINT_ENABLED, ENDPOINT_UPDATED, FAILING_AFTER,
    MESSAGE_EXHAUSTED, MESSAGE_FAILING, MESSAGE_RECOVERED,
};
use crate::domain::event::payload::Format;
use crate::domain::event::{NewEvent, Subject};
use crate::domain::external_id::ExternalId;
use crate::domain::text::SubjectPart;

/// Something that happened to an endpoint or a delivery.
#[derive(Debug)]
pub(in crate::service) struct Occurrence {
    /// The operational event of the organization. The platform can subscribe to it, too.
    pub(super) own: Option<NewEvent>,
    /// The event that only the platform's own organization receives.
    pub(super) of_platform: Option<PlatformEvent>,
}

/// An event of the platform's own organization, in the form of the `svix` dialect.
#[derive(Debug)]
pub(super) struct PlatformEvent {
    event_type: &'static str,
    endpoint: Subject,
    data: Value,
}

impl PlatformEvent {
    fn new(endpoint: &Endpoint, event_type: &'static str, mut data: Value) -> Option<Self> {
        data["appId"] = json!(endpoint.organization.as_svix());
        data["endpointId"] = json!(endpoint.id.as_svix());
        data["endpointUid"] = json!(endpoint.settings.external_id.as_ref().map(ExternalId::as_str));
        Some(Self { event_type, endpoint: subject(endpoint)?, data })
    }

    /// The event, about an application with this uid.
    pub(super) fn about(&self, uid: Option<&ExternalId>) -> Option<NewEvent> {
        let mut body = json!({"type": self.event_type, "data": self.data});
        body["data"]["appUid"] = json!(uid.map(ExternalId::as_str));
        Some(NewEvent {
            subject: Some(self.endpoint.clone()),
            format: Format::Raw,
            svix_headers: true,
            ..NewEvent::new(EventType::parse(self.event_type).ok()?, body.to_string())
        })
    }
}

/// An endpoint was created. The event contains only the origin of the URL, because path and query may contain a
/// credential.
pub(in crate::service) fn webhook_created(endpoint: &Endpoint) -> Occurrence {
    let settings = &endpoint.settings;
    let data = json!({
        "id": endpoint.id.to_string(),
        "organization_id": endpoint.organization.as_str(),
        "name": settings.name.as_str(),
        "url": settings.destination.origin(),
        "event_types": settings.subscriptions.iter().map(Subscription::to_string).collect::<Vec<_>>(),
        "created_at": endpoint.created_at.rfc3339(),
    });
    let of_platform = PlatformEvent::new(endpoint, ENDPOINT_CREATED, json!({}));
    Occurrence { own: event_about(endpoint, "webhook.created", &data), of_platform }
}

/// The service disabled, suspended or resumed an endpoint. `event_type` says which.
pub(in crate::service) fn webhook_changed(endpoint: &Endpoint, event_type: &'static str) -> Occurrence {
    let disabled_reason = match endpoint.status {
        EndpointStatus::Disabled { reason } => reason.map(|reason| reason.as_str()),
        _ => None,
    };
    let data = json!({
        "id": endpoint.id.to_string(),
        "organization_id": endpoint.organization.as_str(),
        "name": endpoint.settings.name.as_str(),
        "url": endpoint.settings.destination.origin(),
        "disabled_reason": disabled_reason,
    });
    let disabled = || PlatformEvent::new(endpoint, ENDPOINT_DISABLED, json!({"trigger": "automatic"}));
    let of_platform = if endpoint.is_disabled() { disabled() } else { None };
    Occurrence { own: event_about(endpoint, event_type, &data), of_platform }
}

/// What the owner's change of an endpoint is for the platform.
pub(in crate::service) fn endpoint_changed(before: &Endpoint, after: &Endpoint) -> Vec<Occurrence> {
    let of_platform =
        |event_type, data| Occurrence { own: None, of_platform: PlatformEvent::new(after, event_type, data) };
    let mut all = Vec::new();
    if before.settings != after.settings {
        all.push(of_platform(ENDPOINT_UPDATED, json!({})));
    }
    match (before.is_disabled(), after.is_disabled()) {
        (false, true) => all.push(of_platform(ENDPOINT_DISABLED, json!({"trigger": "manual"}))),
        (true, false) => all.push(of_platform(ENDPOINT_ENABLED, json!({}))),
        _ => {}
    }
    all
}

/// The owner deleted an endpoint.
pub(in crate::service) fn endpoint_deleted(endpoint: &Endpoint) -> Occurrence {
    Occurrence { own: None, of_platform: PlatformEvent::new(endpoint, ENDPOINT_DELETED, json!({})) }
}

/// What the result of a delivery's last attempt is to those who watch deliveries; `None` for most results.
pub(in crate::service) fn after_attempt(endpoint: &Endpoint, delivery: &Delivery) -> Option<Occurrence> {
    let of_platform = |event_type| Occurrence { own: None, of_platform: message_event(endpoint, delivery, event_type) };
    match delivery.status {
        DeliveryStatus::Exhausted => {
            Some(Occurrence { own: delivery_exhausted(endpoint, delivery), ..of_platform(MESSAGE_EXHAUSTED) })
        }
        DeliveryStatus::Retrying if delivery.attempts == FAILING_AFTER => Some(of_platform(MESSAGE_FAILING)),
        DeliveryStatus::Success if delivery.attempts > FAILING_AFTER => Some(of_platform(MESSAGE_RECOVERED)),
        _ => None,
    }
}

/// A delivery has used up its schedule.
fn delivery_exhausted(endpoint: &Endpoint, delivery: &Delivery) -> Option<NewEvent> {
    let data = json!({
        "id": delivery.id.to_string(),
        "organization_id": endpoint.organization.as_str(),
        "event_id": delivery.id.event().to_string(),
        "endpoint_id": delivery.endpoint.to_string(),
        "event_type": delivery.event_type.as_str(),
        "attempts": delivery.attempts,
        "response_status": delivery.response_status(),
        "error": delivery.error.map(|cause| cause.as_str()),
        "error_detail": delivery.failure().and_then(|failure| failure.detail).map(Detail::as_str),
        "docs_url": delivery.failure().map(Failure::docs_url),
    });
    event_about(endpoint, "delivery.exhausted", &data)
}

fn message_event(endpoint: &Endpoint, delivery: &Delivery, event_type: &'static str) -> Option<PlatformEvent> {
    let last = delivery.log.last();
    let data = json!({
        "msgId": delivery.id.event().as_svix(),
        "lastAttempt": {
            "id": last.map(|last| last.id(delivery.id).as_svix()),
            "responseStatusCode": delivery.response_status().unwrap_or_default(),
            "timestamp": last.map_or(delivery.updated_at, |last| last.started_at).rfc3339(),
        },
    });
    PlatformEvent::new(endpoint, event_type, data)
}

fn subject(endpoint: &Endpoint) -> Option<Subject> {
    let id = endpoint.id.to_string();
    Some(Subject { kind: SubjectPart::parse("webhook_endpoint").ok()?, id: SubjectPart::parse(&id).ok()? })
}

fn event_about(endpoint: &Endpoint, event_type: &str, data: &Value) -> Option<NewEvent> {
    Some(NewEvent {
        subject: Some(subject(endpoint)?),
        edition: endpoint.settings.edition.clone(),
        ..NewEvent::new(EventType::parse(event_type).ok()?, data.to_string())
    })
}
