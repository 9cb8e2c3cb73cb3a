//! Test events, which a tenant sends to one of its endpoints.

use serde_json::json;

use super::Administrator;
use super::endpoints::require_enabled;
use super::organizations::require_active;
use crate::domain::catalogue::Visibility;
use crate::domain::delivery::trigger::Trigger;
use crate::domain::endpoint::fan_out::{FanOut, Target};
use crate::domain::endpoint::subscription::Subscription;
use crate::domain::event::channel::Channels;
use crate::domain::event::event_type::EventType;
use crate::domain::event::{NewEvent, TestEvent};
use crate::domain::ids::{EndpointId, KeyId};
use crate::domain::tenancy::organization::Organization;
use crate::service::{Published, ServiceError};
use crate::telemetry::audit;

impl Administrator {
    /// Sends a test event to one endpoint, whatever its subscriptions, channels and filter are. It counts as an event of the
    /// month.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for a suspended organization, [`ServiceError::Conflict`] if the
    /// endpoint is disabled, [`ServiceError::RateLimited`] if the limit of the month is reached.
    pub async fn send_test(
        &self,
        organization: &Organization,
        by: Option<KeyId>,
        id: EndpointId,
        test: TestEvent,
    ) -> Result<Published, ServiceError> {
        let format = organization.default_format;
        let organization = require_active(organization)?;
        let endpoint = self.endpoint(organization, id).await?;
        require_enabled(&endpoint)?;
        let subscribed = endpoint.settings.subscriptions.first().cloned();
        let event_type = match (test.event_type, subscribed) {
            (Some(wanted), _) => wanted,
            // A test must not look like an operational event.
            (None, Some(Subscription::Exact(first))) if !first.is_operational() => first,
            _ => EventType::parse("webhook.test").map_err(|e| ServiceError::Internal(e.to_string()))?,
        };
        let data = match test.data {
            Some(data) => data,
            None => self.example(&event_type, by.is_none()).await?,
        };
        let subscriptions = vec![Subscription::Exact(event_type.clone())];
        let fan_out = FanOut::from_iter([Target {
            subscriptions,
            channels: Channels::default(),
            filter: None,
            ..endpoint.target()
        }]);
        let current = self.targets.current_state(organization).await?;
        self.limiter.admit_in_month(organization, current.limits(), 1).await?;
        let (edition, svix_headers) = (endpoint.settings.edition, test.svix_headers);
        let new = NewEvent { format, edition, svix_headers, ..NewEvent::new(event_type, data) };
        let mut planned = self.writer.plan(organization, by, new, &fan_out).await;
        let deliveries = planned.iter_mut().flat_map(|published| &mut published.deliveries);
        deliveries.for_each(|delivery| delivery.next_trigger = Trigger::Test);
        planned.iter_mut().for_each(|published| published.event.is_test = true);
        self.writer.store_and_send(&planned, &fan_out).await?;
        audit("endpoint.test", organization, id);
        self.writer.count_accepted(organization, &planned);
        self.meter.write_usage().await;
        planned.into_iter().next().ok_or_else(|| ServiceError::Internal("nothing was published".to_owned()))
    }

    /// The example of a type that the caller may see, or else `{"test": true}`.
    async fn example(&self, event_type: &EventType, is_platform: bool) -> Result<String, ServiceError> {
        let full = self.full_type(event_type).await?;
        let full = full.filter(|full| is_platform || full.kind.settings.visibility == Visibility::Public);
        let example = full.and_then(|full| full.contents().example);
        Ok(example.map_or_else(|| json!({"test": true}).to_string(), |example| example.as_str().to_owned()))
    }
}
