//! The ingest queue: its messages are publish requests and events of EventBridge.

mod costs;
mod event_bridge;
mod fairness;
pub(crate) mod faults;
mod isolation;
mod limits;
mod messages;
mod refusals;

use serde_json::{Value, json};

use crate::support::{EVENT_TYPE, Process, Receiver, Tenant, World, text};

/// A tenant with an endpoint.
async fn subscribed() -> (World, Receiver, Tenant) {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    (world, receiver, tenant)
}

/// A message with an event that has this number.
pub(crate) fn message(tenant: &Tenant, number: u32) -> Value {
    json!({"organization": tenant.id, "type": EVENT_TYPE, "data": {"number": number}})
}

impl World {
    /// Sends these messages and processes the ingest queue once in this process.
    async fn ingest_by(&self, process: &Process, messages: &[Value]) {
        for message in messages {
            self.send_to_ingest(&message.to_string()).await;
        }
        process.ingest().await;
    }

    async fn ingest(&self, messages: &[Value]) {
        self.ingest_by(&self.process, messages).await;
    }
}

/// The numbers of the events that arrived, in ascending order.
fn numbers(receiver: &Receiver) -> Vec<u64> {
    let mut numbers: Vec<_> =
        receiver.received().iter().map(|request| request.json()["data"]["number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// The published events of the tenant, newest first.
async fn events(tenant: &Tenant) -> Vec<Value> {
    tenant.get("/events?limit=100").await.data(200).as_array().unwrap().clone()
}

/// The types of the published events.
async fn types(tenant: &Tenant) -> Vec<String> {
    events(tenant).await.iter().map(|event| text(&event["type"]).to_owned()).collect()
}
