//! The events that the service itself publishes into an organization's stream.

use serde_json::json;

use super::{Core, ServiceError};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{NewEvent, Subject};
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::fields::SubjectPart;
use crate::domain::ids::OrganizationId;

/// An endpoint was made.
pub(super) fn webhook_created(endpoint: &Endpoint) -> Option<NewEvent> {
    let settings = &endpoint.settings;
    let data = json!({
        "id": endpoint.id.to_string(),
        "organization_id": endpoint.organization.as_str(),
        "name": settings.name.as_str(),
        "url": settings.url.as_str(),
        "event_types": settings.subscriptions.iter().map(Subscription::to_string).collect::<Vec<_>>(),
        "created_at": endpoint.created_at.rfc3339(),
    });
    about(endpoint, "webhook.created", &data)
}

fn about(endpoint: &Endpoint, event_type: &str, data: &serde_json::Value) -> Option<NewEvent> {
    let id = endpoint.id.to_string();
    Some(NewEvent {
        event_type: EventType::parse(event_type).ok()?,
        data: data.to_string(),
        subject: Some(Subject {
            kind: SubjectPart::parse("webhook_endpoint").ok()?,
            id: SubjectPart::parse(&id).ok()?,
        }),
        edition: endpoint.settings.edition.clone(),
    })
}

impl Core {
    /// Publishes an operational event, if anybody subscribes to it.
    pub(super) async fn publish_operational(
        &self,
        organization: &OrganizationId,
        event: Option<NewEvent>,
    ) -> Result<(), ServiceError> {
        let Some(event) = event else { return Ok(()) };
        let endpoints = self.store.endpoints(organization).await?;
        if endpoints.iter().any(|endpoint| endpoint.wants(&event.event_type, event.edition.as_ref())) {
            self.publish_to(organization, None, vec![event], &endpoints).await?;
        }
        Ok(())
    }
}
