//! Resends: one attempt in any state of a delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::VISIBILITY_SECONDS;

use super::{fields, of_delivery, of_endpoint};
use crate::support::{
    Answer, Endpoint, Fate, Gate, Receiver, Tenant, World, eventually, over_network, over_network_by_call, text,
};

/// A state of a delivery before it is resent.
#[derive(Debug, Clone, Copy)]
enum State {
    Pending,
    Waiting,
    WaitingLong,
    Held,
    Success,
    Exhausted,
    Failed,
    Disabled,
    Suspended,
}

const STATES: [State; 9] = [
    State::Pending,
    State::Waiting,
    State::WaitingLong,
    State::Held,
    State::Success,
    State::Exhausted,
    State::Failed,
    State::Disabled,
    State::Suspended,
];

struct Scene {
    world: World,
    tenant: Tenant,
    endpoint: Endpoint,
    receiver: Receiver,
    id: String,
}

impl Scene {
    /// A delivery in this state. The receiver's next answer has this status.
    async fn new(state: State, status: u16) -> Self {
        let world = World::new().await;
        let tenant = world.tenant().await;
        let (schedule, first) = match state {
            State::Waiting => (json!([20]), Some(500)),
            State::WaitingLong => (json!([3_600]), Some(500)),
            State::Success => (json!([]), Some(200)),
            State::Exhausted | State::Disabled => (json!([]), Some(500)),
            State::Failed => (json!([]), Some(410)),
            State::Pending | State::Held | State::Suspended => (json!([]), None),
        };
        if matches!(state, State::Suspended) {
            let (tenant, endpoint, receiver) = crate::suspension::failing(&world, 10).await;
            crate::suspension::suspend(&world, &tenant).await;
            let id = tenant.publish_one().await;
            receiver.then([Answer::status(status)]);
            return Self { world, tenant, endpoint, receiver, id };
        }
        let receiver = Receiver::scripted(first.map(Answer::status)).await;
        let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": schedule})).await;
        if matches!(state, State::Held) {
            tenant.set_status(&endpoint, "paused").await;
        }
        let id = tenant.publish_one().await;
        if first.is_some() {
            world.drain().await;
        }
        if matches!(state, State::Disabled) {
            tenant.set_status(&endpoint, "disabled").await;
        }
        receiver.then([Answer::status(status)]);
        Self { world, tenant, endpoint, receiver, id }
    }

    async fn resend(&self) -> Value {
        self.tenant.post(&format!("/webhooks/deliveries/{}/resend", self.id), &json!({})).await.data(202)
    }

    /// Asserts that the resend, whose success was not recorded, is made again.
    async fn is_repeated(&self) {
        assert_eq!(self.tenant.delivery_status(&self.id).await, "exhausted");
        assert_eq!(self.receiver.received().len(), 2);
        self.world.advance(Duration::from_secs(VISIBILITY_SECONDS.into()));
        self.world.drain().await;
        assert_eq!(self.tenant.delivery_status(&self.id).await, "success");
        assert_eq!(self.receiver.received().len(), 3);
    }

    /// Processes the resend's message before all others.
    async fn process_resend(&self) {
        assert_eq!(self.world.process.poll_resends().await, 1);
    }
}

/// A failed resend of each state changes nothing but the list of attempts.
#[tokio::test]
async fn a_resend_that_fails_leaves_the_delivery_as_it_was() {
    for state in STATES {
        let scene = Scene::new(state, 503).await;
        scene.world.advance(Duration::from_secs(1));
        let before = (scene.world.items("delivery").await, scene.world.marks().await);
        let (attempts, requests) = (of_delivery(&scene.tenant, &scene.id).await, scene.receiver.received().len());
        let endpoint = scene.tenant.read_endpoint(&scene.endpoint).await;
        scene.resend().await;
        scene.process_resend().await;
        assert_eq!((scene.world.items("delivery").await, scene.world.marks().await), before, "{state:?}");
        assert_eq!(scene.tenant.read_endpoint(&scene.endpoint).await, endpoint, "{state:?}");
        assert_eq!(scene.receiver.received().len(), requests + 1, "{state:?}");
        let mut after = of_delivery(&scene.tenant, &scene.id).await;
        let resent = after.remove(0);
        assert_eq!(after, attempts, "{state:?}");
        let shown = ["number", "trigger", "response_status", "error"].map(|name| &resent[name]);
        assert_eq!(json!(shown), json!([null, "resend", 503, "http_status"]), "{state:?}");
        assert_eq!(of_endpoint(&scene.tenant, &scene.endpoint).await[0], resent, "{state:?}");
    }
}

/// A successful resend of each state makes the delivery successful, and nothing follows for it.
#[tokio::test]
async fn a_resend_that_succeeds_makes_the_delivery_successful() {
    for state in STATES {
        let scene = Scene::new(state, 200).await;
        let before = scene.tenant.delivery(&scene.id).await;
        scene.resend().await;
        scene.process_resend().await;
        let after = scene.tenant.delivery(&scene.id).await;
        let shown = ["status", "error", "response_status", "next_attempt_at"].map(|name| &after[name]);
        assert_eq!(json!(shown), json!(["success", null, 200, null]), "{state:?}");
        assert_eq!(after["attempts"], before["attempts"], "{state:?}");
        assert_eq!(after["attempt_log"], before["attempt_log"], "{state:?}");
        let requests = scene.receiver.received().len();
        let owned = |(partition, key): &(String, String)| !partition.starts_with("jobs#") && key.contains(&scene.id);
        assert!(!scene.world.marks().await.iter().any(owned), "{state:?}");
        if matches!(state, State::Held) {
            scene.tenant.set_status(&scene.endpoint, "active").await;
        }
        scene.world.run_to_the_end().await;
        let again = scene.receiver.received().into_iter().skip(requests);
        assert_eq!(again.filter(|it| it.header("x-webhook-delivery") == scene.id).count(), 0, "{state:?}");
        assert_eq!(of_delivery(&scene.tenant, &scene.id).await[0]["trigger"], "resend", "{state:?}");
    }
}

#[tokio::test]
async fn a_resend_has_the_same_body_and_the_next_number() {
    let scene = Scene::new(State::Success, 200).await;
    scene.resend().await;
    scene.world.drain().await;
    let [first, second] = &scene.receiver.received()[..] else { panic!("two requests") };
    assert_eq!((&first.body, first.header("webhook-id")), (&second.body, second.header("webhook-id")));
    assert_eq!((first.header("x-webhook-attempt"), second.header("x-webhook-attempt")), ("1", "2"));
}

#[tokio::test]
async fn a_resend_is_refused_for_a_deleted_endpoint_an_expunged_event_and_a_suspended_organization() {
    let scene = Scene::new(State::Success, 200).await;
    let path = format!("/webhooks/deliveries/{}/resend", scene.id);
    let organization = format!("/v1/organizations/{}", scene.tenant.id);
    scene.world.platform().patch(&organization, &json!({"status": "suspended"})).await.data(200);
    scene.world.advance(Duration::from_secs(6));
    scene.tenant.post(&path, &json!({})).await.is_error(403, "forbidden");
    scene.world.platform().patch(&organization, &json!({"status": "active"})).await.data(200);
    scene.world.advance(Duration::from_secs(6));
    scene
        .tenant
        .post("/webhooks/deliveries/wdlv_00000000000000000000000000000001/resend", &json!({}))
        .await
        .is_error(404, "not_found");
    scene.tenant.delete(&format!("/events/wevt_{}0000/data", &scene.id[5..33])).await.data(202);
    scene.tenant.post(&path, &json!({})).await.is_error(409, "conflict");
    scene.tenant.delete(&format!("{}?permanent=true", scene.endpoint.path())).await.data(204);
    scene.tenant.post(&path, &json!({})).await.is_error(409, "conflict");
    assert_eq!(scene.world.in_the_queue().await, 0);
}

/// Each condition arises after the request and before the consumer gets its message.
#[tokio::test]
async fn a_resend_is_dropped_if_it_may_not_be_sent_any_more() {
    for condition in ["deleted", "expunged", "suspended"] {
        let scene = Scene::new(State::Exhausted, 200).await;
        scene.resend().await;
        match condition {
            "deleted" => {
                scene.tenant.delete(&format!("{}?permanent=true", scene.endpoint.path())).await.data(204);
            }
            "expunged" => {
                scene.tenant.delete(&format!("/events/wevt_{}0000/data", &scene.id[5..33])).await.data(202);
            }
            _ => {
                let organization = format!("/v1/organizations/{}", scene.tenant.id);
                scene.world.platform().patch(&organization, &json!({"status": "suspended"})).await.data(200);
            }
        }
        scene.world.advance(Duration::from_secs(6));
        scene.world.drain().await;
        assert_eq!((scene.receiver.received().len(), scene.world.in_the_queue().await), (1, 0), "{condition}");
        assert_eq!(scene.world.items("resends").await.len(), 0, "{condition}");
    }
}

/// A resend that is in the fast lane, for example after a redrive, is forwarded.
#[tokio::test]
async fn resends_are_made_in_the_slow_lane_whatever_the_lane_of_the_endpoint_is() {
    for lane in Lane::ALL {
        let scene = Scene::new(State::Success, 200).await;
        scene.world.set_lane(&scene.tenant, &scene.endpoint, lane).await;
        scene.world.advance(Duration::from_secs(6));
        scene.resend().await;
        let [resend] = &scene.world.messages_of(Lane::Slow)[..] else { panic!("one message") };
        scene.world.purge().await;
        scene.world.send(resend).await;
        assert_eq!(scene.world.process.poll().await, 1);
        assert_eq!((scene.receiver.received().len(), scene.world.messages_of(Lane::Slow).len()), (1, 1));
        assert_eq!(scene.world.process.poll_resends().await, 1);
        assert_eq!(fields(&of_delivery(&scene.tenant, &scene.id).await, ["trigger"])[0], [json!("resend")]);
    }
}

#[tokio::test]
async fn an_endpoint_gets_twenty_resends_at_once_and_then_one_a_second() {
    let scene = Scene::new(State::Success, 200).await;
    let other = scene.tenant.endpoint(&scene.receiver).await;
    let path = format!("/webhooks/deliveries/{}/resend", scene.id);
    for _ in 0..20 {
        scene.resend().await;
    }
    for _ in 0..3 {
        let refused = scene.tenant.post(&path, &json!({})).await;
        refused.is_error(429, "rate_limited");
        assert_eq!(refused.body["error"]["details"]["limit"], "resends_per_second");
        assert_eq!(refused.headers["retry-after"], "1");
        scene.world.advance(Duration::from_secs(1));
        scene.resend().await;
    }
    assert_eq!(scene.world.messages_of(Lane::Slow).len(), 23, "a refused resend is not sent");
    scene.tenant.publish().await;
    scene.world.drain().await;
    let of_other = text(&scene.tenant.deliveries(&other).await[0]["id"]).to_owned();
    scene.tenant.post(&format!("/webhooks/deliveries/{of_other}/resend"), &json!({})).await.data(202);
}

/// The consumer knows the organization as suspended for five seconds.
#[tokio::test]
async fn a_resend_is_made_although_the_consumer_knows_its_organization_as_suspended() {
    let scene = Scene::new(State::Success, 200).await;
    let organization = format!("/v1/organizations/{}", scene.tenant.id);
    let consumer = scene.world.another_process();
    scene.tenant.publish().await;
    scene.world.platform().patch(&organization, &json!({"status": "suspended"})).await.data(200);
    consumer.drain().await;
    assert_eq!(scene.receiver.received().len(), 1, "the consumer has read the status");
    scene.world.platform().patch(&organization, &json!({"status": "active"})).await.data(200);
    let path = format!("/webhooks/deliveries/{}/resend", scene.id);
    scene.tenant.at(&scene.world.another_process()).post(&path, &json!({})).await.data(202);
    consumer.drain().await;
    assert_eq!((scene.receiver.received().len(), scene.world.in_the_queue().await), (2, 0));
}

#[tokio::test]
async fn the_last_hundred_resends_of_a_delivery_are_listed() {
    let scene = Scene::new(State::Success, 200).await;
    for _ in 0..103 {
        scene.resend().await;
        scene.world.drain().await;
        scene.world.advance(Duration::from_secs(1));
    }
    let newest = super::ids(&of_endpoint(&scene.tenant, &scene.endpoint).await);
    let listed = super::ids(&of_delivery(&scene.tenant, &scene.id).await);
    assert_eq!(listed, newest[..100]);
    assert_eq!(scene.world.items("resends").await[0]["starts"].as_ns().unwrap().len(), 100);
}

/// A record that cannot be written leaves the message in the queue, and the resend is made again.
#[tokio::test]
async fn a_resend_whose_success_cannot_be_recorded_is_repeated() {
    let scene = Scene::new(State::Exhausted, 200).await;
    scene.resend().await;
    let refuse = |operation: &str| if operation == "PutItem" { Fate::Refuse } else { Fate::Pass };
    let process = scene.world.process_on(&over_network(&scene.world.sdk(), refuse));
    assert_eq!(process.poll_resends().await, 1);
    scene.is_repeated().await;
}

/// Another process changes the record each time before the consumer writes it.
#[tokio::test]
async fn a_resend_whose_success_conflicts_each_time_is_repeated() {
    const TRIES: usize = 5;
    let scene = Scene::new(State::Exhausted, 200).await;
    scene.resend().await;
    let gates = [(); TRIES].map(|()| Gate::closed());
    let (tried, held) = (Arc::new(AtomicUsize::new(0)), gates.clone());
    let seen = Arc::clone(&tried);
    let network = over_network_by_call(&scene.world.sdk(), move |call| {
        if !call.kind().starts_with("PutItem delivery") {
            return Fate::Pass;
        }
        Fate::Behind(held[seen.fetch_add(1, Ordering::SeqCst)].clone())
    });
    let process = scene.world.process_on(&network);
    let change_each_time = async {
        for (index, gate) in gates.iter().enumerate() {
            eventually("the record is written", async || tried.load(Ordering::SeqCst) == index + 1).await;
            let record = scene.world.items("delivery").await.remove(0);
            let later = scene.world.clock.now().plus(Duration::from_secs(index as u64 + 1)).rfc3339();
            let key = ["pk", "sk"].map(|name| (name.to_owned(), record[name].clone()));
            let update = scene.world.dynamodb().update_item().table_name(scene.world.table());
            let update = update.set_key(Some(key.into())).update_expression("SET updated_at = :later");
            update.expression_attribute_values(":later", AttributeValue::S(later)).send().await.unwrap();
            gate.open();
        }
    };
    assert_eq!(tokio::join!(process.poll_resends(), change_each_time).0, 1);
    scene.is_repeated().await;
}

/// A resend does not change the counters of its endpoint: ten of them would suspend it.
#[tokio::test]
async fn resends_do_not_count_for_the_health_of_the_endpoint() {
    let scene = Scene::new(State::Success, 200).await;
    scene.receiver.forget_script();
    scene.receiver.then((0..30).map(|_| Answer::status(500)));
    for _ in 0..15 {
        scene.resend().await;
        scene.world.drain().await;
        scene.world.advance(Duration::from_secs(10));
    }
    assert_eq!(scene.world.items("health").await.len(), 0);
    assert_eq!(scene.tenant.read_endpoint(&scene.endpoint).await["status"], "active");
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "success");
}

#[tokio::test]
async fn a_resend_counts_as_an_attempt_in_the_usage() {
    let scene = Scene::new(State::Success, 500).await;
    scene.resend().await;
    scene.world.drain().await;
    scene.world.process.meter.write_all_usage().await;
    assert_eq!(scene.world.usage().await[2], 2);
}
