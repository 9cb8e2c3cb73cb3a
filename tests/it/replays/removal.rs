//! Replays of everything and the removal of data at the same delivered event, and the removal of what replays added.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::orders::{Actor, Exhaustive, run};
use super::{OLD_ENOUGH, all_time, publish, replay};
use crate::support::{
    Answer, EVENT_TYPE, Endpoint, Fate, Gate, Receiver, Tenant, World, delivery_ids, over_network_by_call, text,
};

const SECRET: &str = "xyzzy";

/// An event that was delivered, and whose receiver answered with the data.
struct Stage {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    receiver: Receiver,
    event: String,
    delivery: String,
}

impl Stage {
    async fn new(world: World) -> Self {
        let receiver = Receiver::always(Answer::status(200).body(SECRET)).await;
        let tenant = world.tenant().await;
        let endpoint = tenant.endpoint(&receiver).await;
        let event = publish(&tenant, json!({"type": EVENT_TYPE, "data": {"secret": SECRET}})).await;
        world.drain().await;
        world.advance(OLD_ENOUGH);
        let shown = tenant.get(&format!("/events/{event}")).await.data(200);
        let delivery = delivery_ids(&shown).remove(0);
        Self { world, tenant, endpoint, receiver, event, delivery }
    }

    fn replay(&self) -> Actor {
        let (tenant, path) = (self.tenant.clone(), format!("{}/replay", self.endpoint.path()));
        Actor::start(&self.world, move |process, is_armed| async move {
            let tenant = tenant.at(&process);
            tenant.get("/webhooks/endpoints").await.data(200);
            is_armed.store(true, Ordering::SeqCst);
            tenant.post(&path, &all_time("all")).await.data(202);
        })
    }

    /// Removes the data, and checks directly after the answer that it is gone.
    fn remove(&self) -> Actor {
        let (tenant, path) = (self.tenant.clone(), format!("/events/{}/data", self.event));
        let delivery = self.delivery.clone();
        Actor::start(&self.world, move |process, is_armed| async move {
            let tenant = tenant.at(&process);
            tenant.get("/webhooks/endpoints").await.data(200);
            is_armed.store(true, Ordering::SeqCst);
            tenant.delete(&path).await.data(202);
            let shown = tenant.delivery(&delivery).await;
            assert!(!shown.to_string().contains(SECRET), "{shown}");
            assert!(["success", "failed"].contains(&text(&shown["status"])), "{shown}");
        })
    }

    async fn is_removed(&self) -> bool {
        let event = self.tenant.get(&format!("/events/{}", self.event)).await.data(200);
        let deliveries = self.world.items("delivery").await;
        let attempts = self.world.items("attempt").await;
        event["data"] == Value::Null
            && deliveries.iter().all(|item| !item.contains_key("first") && !item.contains_key("signature"))
            && attempts.iter().all(|item| !item.contains_key("response"))
    }
}

#[tokio::test]
async fn a_replay_of_a_delivered_event_and_the_removal_of_its_data_bring_nothing_back_in_every_order() {
    let world = World::new().await;
    let (mut order, mut statuses) = (Exhaustive::default(), Vec::new());
    loop {
        let stage = Stage::new(world.new_world().await).await;
        run(vec![stage.replay(), stage.remove()], &mut order).await;
        let before = stage.tenant.delivery_status(&stage.delivery).await;
        stage.world.run_to_the_end().await;
        assert!(stage.is_removed().await);
        assert_eq!(stage.receiver.received().len(), 1, "nothing is sent after the removal");
        assert_eq!(stage.tenant.delivery_status(&stage.delivery).await, before, "the status stays");
        statuses.push(before);
        if !order.advance() {
            break;
        }
    }
    statuses.sort();
    statuses.dedup();
    assert_eq!(statuses, ["failed", "success"], "whichever of the two was first");
}

/// The lists of a replay are eventually consistent.
#[tokio::test]
async fn a_replay_that_read_an_event_before_the_removal_of_its_data_leaves_its_success_alone() {
    let stage = Stage::new(World::new().await).await;
    let (answered, performed) = (Gate::closed(), std::sync::Arc::new(Mutex::new(Vec::new())));
    let (gate, queries) = (answered.clone(), std::sync::Arc::clone(&performed));
    let network = over_network_by_call(&stage.world.sdk(), move |call| {
        if call.kind() != "Query event" {
            return Fate::Pass;
        }
        let performed = Gate::closed();
        queries.lock().unwrap().push(performed.clone());
        Fate::AnswerBehind { performed, gate: gate.clone() }
    });
    let process = stage.world.process_on(&network);
    let replaying = async { replay(&stage.tenant.at(&process), &stage.endpoint, &all_time("all")).await };
    let removing = async {
        let partitions = 16;
        for query in 0..partitions {
            let next = loop {
                let found: Option<Gate> = performed.lock().unwrap().get(query).cloned();
                match found {
                    Some(gate) => break gate,
                    None => tokio::task::yield_now().await,
                }
            };
            next.pass().await;
        }
        stage.tenant.delete(&format!("/events/{}/data", stage.event)).await.data(202);
        answered.open();
    };
    let (job, ()) = tokio::join!(replaying, removing);
    assert_eq!(json!([job["status"], job["deliveries"]]), json!(["done", 0]));
    stage.world.run_to_the_end().await;
    assert_eq!(stage.tenant.delivery_status(&stage.delivery).await, "success");
    assert_eq!(stage.receiver.received().len(), 1);
}

#[tokio::test]
async fn the_removal_of_data_also_removes_the_attempts_of_deliveries_that_replays_added() {
    let mut stage = Stage::new(World::new().await).await;
    let answers = [500, 500, 200].map(|status| Answer::status(status).body(SECRET));
    stage.receiver.then(answers);
    let late = json!({"url": stage.receiver.url(), "retry_schedule": [1, 1]});
    stage.endpoint = stage.tenant.endpoint_with(late).await;
    replay(&stage.tenant, &stage.endpoint, &all_time("missed")).await;
    stage.world.run_to_the_end().await;
    let responses = stage.world.items("attempt").await.iter().filter(|item| item.contains_key("response")).count();
    assert_eq!(responses, 3);
    let attempts = stage.tenant.get(&format!("/events/{}/attempts", stage.event)).await.data(200);
    let of_late = attempts.as_array().unwrap().iter().filter(|it| it["endpoint_id"] == json!(stage.endpoint.id));
    assert_eq!(of_late.count(), 3);
    let job = stage.tenant.delete(&format!("/events/{}/data", stage.event)).await.data(202);
    assert_eq!(job["deliveries"], 2);
    assert!(stage.is_removed().await);
    let attempts = stage.tenant.get(&format!("/events/{}/attempts", stage.event)).await.data(200);
    assert_eq!(attempts.as_array().unwrap().len(), 4);
    assert!(!attempts.to_string().contains(SECRET), "{attempts}");
}
