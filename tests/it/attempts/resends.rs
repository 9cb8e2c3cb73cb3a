//! Resends: one attempt in any state of a delivery.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::endpoint::lane::Lane;
use shared::queue::schema::VISIBILITY_SECONDS;

use super::{fields, of_delivery, of_endpoint};
use crate::support::Fate;
use crate::support::{Answer, Endpoint, Receiver, Tenant, World, over_network};

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

    /// Processes the resend's message before all others.
    async fn process_resend(&self) {
        let messages = self.world.take_messages().await;
        self.world.purge().await;
        let (resends, others): (Vec<_>, Vec<_>) = messages.iter().partition(|body| body.contains("resend_v1"));
        assert_eq!(resends.len(), 1);
        self.world.send(resends[0]).await;
        assert_eq!(self.world.process.poll().await, 1);
        for other in others {
            self.world.send(other).await;
        }
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

#[tokio::test]
async fn a_resend_for_a_slow_endpoint_is_forwarded_to_the_slow_lane() {
    let scene = Scene::new(State::Success, 200).await;
    scene.resend().await;
    scene.world.set_lane(&scene.tenant, &scene.endpoint, Lane::Slow).await;
    scene.world.advance(Duration::from_secs(6));
    assert_eq!(scene.world.process.poll().await, 1);
    assert_eq!(scene.world.messages_of(Lane::Slow).len(), 1);
    assert_eq!(scene.world.process.poll_of(Lane::Slow, 10).await, 1);
    assert_eq!(fields(&of_delivery(&scene.tenant, &scene.id).await, ["trigger"])[0], [json!("resend")]);
}

#[tokio::test]
async fn the_last_hundred_resends_of_a_delivery_are_listed() {
    let scene = Scene::new(State::Success, 200).await;
    for _ in 0..103 {
        scene.resend().await;
    }
    scene.world.drain().await;
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
    let process = scene.world.process_over(&over_network(&scene.world.sdk(), refuse), scene.world.clock.clock());
    assert_eq!(process.poll().await, 1);
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "exhausted");
    scene.world.advance(Duration::from_secs(VISIBILITY_SECONDS.into()));
    scene.world.drain().await;
    assert_eq!(scene.tenant.delivery_status(&scene.id).await, "success");
    assert_eq!(scene.receiver.received().len(), 3);
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
