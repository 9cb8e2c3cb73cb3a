//! Test events of webhook endpoints.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::DeliveryOut;
use crate::domain::delivery::Delivery;
use crate::domain::event::event_type::{Catalogue, EventType};
use crate::domain::event::{Event, TestEvent};
use crate::domain::ids::{DeliveryId, EventId};
use crate::wire::body::RawObject;
use crate::wire::error::Problem;
use crate::wire::field::{Field, NamesTypes, Reader};
use crate::wire::openapi::object;

/// The body of `POST …/webhooks/endpoints/{we}/test`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = organizations::EndpointTest)]
pub struct TestIn {
    /// By default the endpoint's first subscription; `webhook.test` if that is a wildcard or operational.
    #[schema(value_type = Option<EventType>)]
    event_type: Field<String>,
    /// The event's data; by default the example of its type, or else `{"test": true}`.
    #[schema(value_type = Option<Object>, examples(json!({"member": "mbr_1"})))]
    data: RawObject,
}

impl NamesTypes for TestIn {
    fn types(&self) -> &[String] {
        self.event_type.value().map_or(&[], std::slice::from_ref)
    }
}

impl TestIn {
    /// Validates the fields.
    ///
    /// # Errors
    /// All invalid fields.
    pub fn parse(self, catalogue: &Catalogue) -> Result<TestEvent, Vec<Problem>> {
        let mut read = Reader::default();
        let event_type = read.optional("event_type", self.event_type, |text| {
            let event_type = EventType::parse(&text)?;
            event_type.check_published()?;
            catalogue.check_known(&event_type)?;
            Ok(event_type)
        });
        let data = read.check("data", self.data.text()).flatten().map(str::to_owned);
        read.finish(Some(TestEvent { event_type, data, svix_headers: false }))
    }
}

/// A published test event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = organizations::EndpointTested)]
pub struct TestOut {
    #[schema(schema_with = object::webhook_test)]
    object: &'static str,
    #[schema(value_type = EventId)]
    event_id: String,
    #[schema(value_type = Vec<DeliveryId>)]
    delivery_ids: Vec<String>,
    #[schema(required)]
    latest_delivery: Option<DeliveryOut>,
}

impl TestOut {
    /// A test event and its deliveries.
    pub fn new(event: &Event, deliveries: &[Delivery]) -> Self {
        Self {
            object: "webhook_test",
            event_id: event.id.to_string(),
            delivery_ids: deliveries.iter().map(|delivery| delivery.id.to_string()).collect(),
            latest_delivery: deliveries.last().map(DeliveryOut::from),
        }
    }
}
