//! Tickets: which message owns a delivery. SQS can deliver a message twice, honor or ignore earlier receipts, and give
//! a moved message another id, and sweeps send additional messages. After every step an unfinished delivery is marked
//! in the table, or a message with its ticket is in the queue.

mod copies;
mod owners;
mod receives;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{Answer, Endpoint, Process, Receiver, Tenant, World};

/// A tenant with an endpoint and one queued event for it.
struct Scene {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    receiver: Receiver,
    id: String,
}

impl Scene {
    /// The receiver gives these responses and then 200.
    async fn new(answers: impl IntoIterator<Item = Answer>, former_receipts_act: bool) -> Self {
        let (world, receiver) = (World::new().await, Receiver::scripted(answers).await);
        world.let_former_receipts_act(former_receipts_act);
        let tenant = world.tenant().await;
        let fields = json!({"url": receiver.url(), "retry_schedule": [10, 10, 10]});
        let endpoint = tenant.endpoint_with(fields).await;
        let id = tenant.publish_one().await;
        Self { world, tenant, endpoint, receiver, id }
    }

    /// An attribute of the delivery's item, if the item exists and has it.
    async fn item(&self, name: &str) -> Option<String> {
        let items = self.world.items("delivery").await;
        let item = items.iter().find(|item| item["sk"] == AttributeValue::S(self.id.clone()))?;
        item.get(name).and_then(|value| value.as_s().ok()).cloned()
    }

    /// Asserts that the delivery is final, marked in the table or owned by a queued message.
    #[track_caller]
    fn assert_unchanged(&self, status: Option<&str>, mark: Option<&str>, ticket: Option<&str>) {
        let is_final = status.is_some_and(|status| ["success", "exhausted", "failed"].contains(&status));
        let tickets: Vec<_> = self.world.messages().iter().filter_map(|body| self.ticket_of(body)).collect();
        let is_owned = tickets.iter().any(|found| found.as_deref() == ticket);
        assert!(is_final || mark.is_some() || is_owned, "{status:?} {mark:?} {ticket:?}, messages: {tickets:?}");
    }

    async fn check(&self) {
        let (status, mark, ticket) =
            (self.item("status").await, self.item("waiting_pk").await, self.item("ticket").await);
        self.assert_unchanged(status.as_deref(), mark.as_deref(), ticket.as_deref());
    }

    /// The ticket of a message for the delivery, or `None` if the message is for another one.
    fn ticket_of(&self, body: &str) -> Option<Option<String>> {
        let task: Value = serde_json::from_str(body).unwrap();
        let task = &task["deliver_v1"];
        (task["delivery"] == self.id.as_str()).then(|| task["ticket"].as_str().map(str::to_owned))
    }

    /// A task for the delivery with another ticket.
    fn task(&self, ticket: &str) -> String {
        let mut task: Value = serde_json::from_str(&self.world.messages()[0]).unwrap();
        task["deliver_v1"]["ticket"] = json!(ticket);
        task.to_string()
    }

    /// Advances the world until nothing is left to do, and asserts that the delivery arrived.
    async fn arrives(&self) {
        self.check().await;
        self.tenant.set_status(&self.endpoint, "active").await;
        let final_state = self.world.run_to_the_end().await;
        final_state.keeps_the_promise(std::slice::from_ref(&self.id), &[&self.receiver]);
        assert_eq!(final_state.record(&self.id).status, "success");
    }

    /// Starts to process one message in a process of its own.
    fn start(&self) -> JoinHandle<usize> {
        start(self.world.another_process())
    }
}

fn start(process: Process) -> JoinHandle<usize> {
    tokio::spawn(async move { process.poll_at_most(1).await })
}
