//! Attempts, retries, the circuit breaker and replays at internal targets are those of URLs.

use std::time::Duration;

use serde_json::json;

use super::{BUS, FUNCTION, KINDS, QUEUE, Scene, accepted, shown, throttled};
use crate::support::{Answer, Gate, Receiver, World, delivery_ids};

#[tokio::test]
async fn each_kind_succeeds_fails_with_the_response_and_is_retried() {
    for arn in KINDS {
        let server = Receiver::scripted_then([throttled(arn)], accepted(arn)).await;
        let scene = Scene::answered_by(&server).await;
        scene.endpoint(arn, &[1]).await;
        let id = scene.tenant.publish_one().await;
        scene.process.drain().await;
        let failed = scene.tenant.delivery(&id).await;
        let names = ["status", "error", "error_detail", "attempts"];
        assert_eq!(shown(&failed, names), json!(["retrying", "aws_service", "throttled", 1]), "{arn}");
        assert!(failed["response_status"].is_number(), "{arn}");
        scene.world.advance(Duration::from_secs(2));
        scene.process.drain().await;
        let delivered = scene.tenant.delivery(&id).await;
        assert_eq!(shown(&delivered, names), json!(["success", null, null, 2]), "{arn}");
        assert_eq!(delivered["response_status"], 200, "{arn}");
        assert_eq!(server.received().len(), 2);
    }
}

#[tokio::test]
async fn a_resource_that_does_not_answer_in_time_times_out() {
    for arn in KINDS {
        let server = Receiver::always(accepted(arn).behind(&Gate::closed())).await;
        let scene = Scene::answered_by(&server).await;
        let fields = json!({"url": arn, "retry_schedule": [], "timeout_seconds": 1});
        scene.platform.endpoint_with(fields).await;
        let id = scene.tenant.publish_one().await;
        scene.process.drain().await;
        let delivery = scene.tenant.delivery(&id).await;
        assert_eq!(shown(&delivery, ["status", "error"]), json!(["exhausted", "timeout"]), "{arn}");
    }
}

#[tokio::test]
async fn a_missing_queue_and_a_message_that_is_too_large_are_named() {
    let world = World::new().await;
    let url = world.serve_aws().await;
    let scene = Scene::of(world, &url).await;
    scene.endpoint(QUEUE, &[]).await;
    for (expected, limit) in [("resource_not_found", None), ("message_too_large", Some("1024"))] {
        if let Some(bytes) = limit {
            let created = scene.world.sqs().create_queue().queue_name("audit");
            let name = aws_sdk_sqs::types::QueueAttributeName::MaximumMessageSize;
            created.attributes(name, bytes).send().await.unwrap();
        }
        let event = scene.tenant.publish_data(&json!({"text": "x".repeat(2_000)})).await;
        scene.process.drain().await;
        let delivery = scene.tenant.delivery(&delivery_ids(&event)[0]).await;
        let found = shown(&delivery, ["status", "error", "error_detail", "response_status"]);
        assert_eq!(found, json!(["exhausted", "aws_service", expected, 400]));
    }
}

#[tokio::test]
async fn a_status_410_of_a_service_does_not_disable_the_endpoint() {
    let gone = Answer::status(410).header("x-amzn-errortype", "EFSMountFailureException").body("{}");
    let server = Receiver::always(gone).await;
    let scene = Scene::answered_by(&server).await;
    let endpoint = scene.endpoint(FUNCTION, &[]).await;
    let id = scene.tenant.publish_one().await;
    scene.process.drain().await;
    assert_eq!(shown(&scene.tenant.delivery(&id).await, ["status", "error"]), json!(["exhausted", "aws_service"]));
    assert_eq!(scene.tenant.read_endpoint(&endpoint).await["status"], "active");
}

#[tokio::test]
async fn each_kind_is_suspended_probed_and_replayed_like_a_url() {
    for arn in KINDS {
        let server = Receiver::scripted_then(vec![throttled(arn); 10], accepted(arn)).await;
        let scene = Scene::answered_by(&server).await;
        let endpoint = scene.endpoint(arn, &[]).await;
        let (world, tenant) = (&scene.world, &scene.tenant);
        for _ in 0..9 {
            tenant.publish().await;
        }
        scene.process.drain().await;
        world.advance(Duration::from_secs(61));
        tenant.publish().await;
        scene.process.drain().await;
        assert_eq!(tenant.read_endpoint(&endpoint).await["health"]["state"], "suspended", "{arn}");
        let parked = tenant.publish_one().await;
        assert_eq!(scene.process.drain().await, 0, "{arn}");

        // The probe is the oldest held delivery.
        world.advance(Duration::from_secs(61));
        world.sweep().await;
        assert_eq!(scene.process.drain().await, 1, "{arn}");
        world.sweep().await;
        scene.process.drain().await;
        assert_eq!(tenant.delivery_status(&parked).await, "success", "{arn}");
        assert_eq!(server.received().len(), 11, "{arn}");

        world.advance(Duration::from_secs(5));
        let replay = json!({"since": "2020-01-01T00:00:00Z", "what": "failed"});
        tenant.post(&format!("{}/replay", endpoint.path()), &replay).await.data(202);
        tenant.post(&format!("/webhooks/deliveries/{parked}/resend"), &json!({})).await.data(202);
        world.sweep().await;
        scene.process.drain().await;
        assert_eq!(server.received().len(), 22, "{arn}: a resend, and the ten failed deliveries");
    }
}

#[tokio::test]
async fn deliveries_to_a_resource_that_is_no_longer_allowed_fail_without_a_call() {
    let server = Receiver::always(accepted(BUS)).await;
    let scene = Scene::answered_by(&server).await;
    scene.endpoint(BUS, &[1]).await;
    let id = scene.tenant.publish_one().await;
    // A process without the setting.
    scene.world.drain().await;
    let delivery = scene.tenant.delivery(&id).await;
    assert_eq!(shown(&delivery, ["status", "error"]), json!(["failed", "refused_address"]));
    assert!(server.received().is_empty());
}

/// The address policy applies to the services, too.
#[tokio::test]
async fn calls_go_only_to_addresses_that_the_policy_allows() {
    let server = Receiver::always(accepted(BUS)).await;
    let url = format!("http://127.0.0.1:{}", server.port());
    let scene = Scene::of(World::with(&[("ALLOWED_NETWORKS", "")]).await, &url).await;
    scene.endpoint(BUS, &[1]).await;
    let id = scene.tenant.publish_one().await;
    scene.process.drain().await;
    assert_eq!(shown(&scene.tenant.delivery(&id).await, ["error"]), json!(["refused_address"]));
    assert!(server.received().is_empty());
}
