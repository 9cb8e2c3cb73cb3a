//! Secrets and header values are encrypted in the table, under keys that are read when they are needed.

mod key_changes;
mod places;
mod reading;

use serde_json::{Value, json};

use crate::support::{Endpoint, PARAMETER, ParameterStore, Process, Receiver, Tenant, World};

/// Keys of 32 bytes.
const KEYS: [&str; 2] =
    ["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="];
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN: &str = "Bearer of-the-receiver";

/// A deployment whose keys are in a parameter, and a tenant with an endpoint.
struct Scene {
    world: World,
    parameter: ParameterStore,
    receiver: Receiver,
    tenant: Tenant,
    endpoint: Endpoint,
}

impl Scene {
    async fn new() -> Self {
        let world = World::with(&[("SECRETS_KEY_PARAMETER", PARAMETER)]).await;
        let (parameter, receiver) = (ParameterStore::new(KEYS[0]), Receiver::new().await);
        let tenant = world.tenant().await;
        let tenant = tenant.at(&world.process_on(&parameter.beside(&world.sdk())));
        let endpoint = tenant.endpoint_with(fields(&receiver)).await;
        Self { world, parameter, receiver, tenant, endpoint }
    }

    /// A new process, which has read no keys.
    fn process(&self) -> Process {
        self.world.process_on(&self.parameter.beside(&self.world.sdk()))
    }

    /// Publishes an event and delivers it in this process.
    async fn deliver(&self, process: &Process) {
        self.tenant.publish_one().await;
        assert_eq!(process.drain().await, 1);
    }

    /// Asserts that the last request was signed and has the header.
    fn assert_arrived(&self, requests: usize) {
        let received = self.receiver.received();
        assert_eq!(received.len(), requests);
        let last = received.last().unwrap();
        assert_eq!(last.header("authorization"), TOKEN);
        let library = standardwebhooks::Webhook::new(SECRET).unwrap();
        let sent_at = last.header("webhook-timestamp").parse().unwrap();
        let signature = library.sign(last.header("webhook-id"), sent_at, &last.body).unwrap();
        assert_eq!(last.header("webhook-signature"), signature);
    }
}

fn fields(receiver: &Receiver) -> Value {
    json!({"url": receiver.url(), "secret": SECRET, "headers": {"Authorization": TOKEN}, "retry_schedule": []})
}
