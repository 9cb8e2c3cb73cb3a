//! Endpoints whose deliveries go to resources of the deployment's own account. Their services are servers on sockets: the
//! embedded SQS, and receivers that answer as the services do.

mod calls;
mod outcomes;
mod permissions;

use serde_json::{Value, json};

use crate::support::{Answer, Endpoint, Process, Receiver, Tenant, World};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:audit";
const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/audit";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:audit:live";
const KINDS: [&str; 3] = [QUEUE, BUS, FUNCTION];

/// A deployment that allows the three resources.
struct Scene {
    world: World,
    process: Process,
    /// The tenant's organization, with the platform's key.
    platform: Tenant,
    tenant: Tenant,
}

impl Scene {
    /// A deployment whose services are at this URL.
    async fn at(url: &str) -> Self {
        Self::of(World::new().await, url).await
    }

    async fn of(world: World, url: &str) -> Self {
        let sdk = world.sdk().to_builder().endpoint_url(url).build();
        let process = world.process_on_with(&sdk, &[("INTERNAL_TARGETS", &KINDS.join(","))]);
        let tenant = world.tenant().await.at(&process);
        let platform = tenant.with_key(&world.platform().key);
        Self { world, process, platform, tenant }
    }

    /// A deployment whose services give these answers.
    async fn answered_by(server: &Receiver) -> Self {
        Self::at(&format!("http://127.0.0.1:{}", server.port())).await
    }

    async fn endpoint(&self, arn: &str, schedule: &[u32]) -> Endpoint {
        self.platform.endpoint_with(json!({"url": arn, "retry_schedule": schedule})).await
    }
}

/// What the service of a resource answers if it accepts a delivery.
fn accepted(arn: &str) -> Answer {
    let body = match arn {
        QUEUE => json!({"MessageId": "1", "MD5OfMessageBody": "0"}),
        BUS => json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}),
        _ => json!({"statusCode": 500}),
    };
    Answer::status(200).body(body.to_string())
}

/// What it answers if the caller sends too fast.
fn throttled(arn: &str) -> Answer {
    match arn {
        QUEUE => Answer::status(400).body(json!({"__type": "com.amazonaws.sqs#RequestThrottled"}).to_string()),
        BUS => Answer::status(200)
            .body(json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}).to_string()),
        _ => Answer::status(429).header("x-amzn-errortype", "TooManyRequestsException").body("{}"),
    }
}

fn shown<const N: usize>(object: &Value, names: [&str; N]) -> Value {
    names.iter().map(|name| object[name].clone()).collect()
}
