//! Attempts, retries, the circuit breaker and replays at internal targets are those of URLs.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use super::{BUS, FUNCTION, KINDS, QUEUE, Scene, accepted, shown, throttled};
use crate::support::{Answer, Gate, Receiver, World, delivery_ids};

/// What the services answer when they refuse a delivery or fail, and what the attempt shows.
fn refusals(arn: &str) -> Vec<(Answer, &'static str, Option<&'static str>)> {
    let named = |status, name: &str, message: &str| {
        Answer::status(status).body(json!({"__type": name, "message": message}).to_string())
    };
    let entry = |name: &str| json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": name}]}).to_string();
    let invoked = |status, name: &str| Answer::status(status).header("x-amzn-errortype", name).body("{}");
    let too_long = "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.";
    let refused = match arn {
        QUEUE => vec![
            (named(400, "com.amazon.coral.service#AccessDeniedException", ""), Some("access_denied")),
            (named(400, "com.amazonaws.sqs#QueueDoesNotExist", ""), Some("resource_not_found")),
            (named(400, "com.amazonaws.sqs#KmsThrottled", ""), Some("throttled")),
            (named(400, "com.amazonaws.sqs#InvalidParameterValue", too_long), Some("message_too_large")),
            (named(400, "com.amazonaws.sqs#InvalidMessageContents", ""), Some("invalid_characters")),
            (Answer::status(503).body("Service Unavailable"), None),
        ],
        BUS => vec![
            (named(400, "AccessDeniedException", ""), Some("access_denied")),
            (named(400, "ResourceNotFoundException", ""), Some("resource_not_found")),
            (named(400, "ValidationException", "Total size of the entries is too large"), Some("message_too_large")),
            (Answer::status(200).body(entry("InternalFailure")), None),
            (named(500, "InternalException", ""), None),
        ],
        _ => vec![
            (invoked(403, "AccessDeniedException"), Some("access_denied")),
            (invoked(404, "ResourceNotFoundException:http://internal.amazon.com/"), Some("resource_not_found")),
            (invoked(413, "RequestTooLargeException"), Some("message_too_large")),
            (Answer::status(200).header("x-amz-function-error", "Unhandled").body("{}"), Some("function_error")),
            (invoked(502, "InvalidRuntimeException"), None),
        ],
    };
    let mut all: Vec<_> = refused.into_iter().map(|(answer, detail)| (answer, "aws_service", detail)).collect();
    all.push((throttled(arn), "aws_service", Some("throttled")));
    if arn == BUS {
        all.push((Answer::status(200).body("{}"), "invalid_response", None));
    }
    all
}

#[tokio::test]
async fn each_kind_succeeds_and_each_refusal_is_named_and_retried() {
    for arn in KINDS {
        let server = Receiver::always(accepted(arn)).await;
        let scene = Scene::answered_by(&server).await;
        scene.endpoint(arn, &[1]).await;
        let names = ["status", "error", "error_detail", "attempts"];
        let id = scene.tenant.publish_one().await;
        scene.process.drain().await;
        assert_eq!(shown(&scene.tenant.delivery(&id).await, names), json!(["success", null, null, 1]), "{arn}");
        for (answer, error, detail) in refusals(arn) {
            let before = server.received().len();
            server.then([answer]);
            let id = scene.tenant.publish_one().await;
            scene.process.drain().await;
            let failed = scene.tenant.delivery(&id).await;
            assert_eq!(shown(&failed, names), json!(["retrying", error, detail, 1]), "{arn}");
            assert!(failed["response_status"].is_number(), "{arn}: {detail:?}");
            scene.world.advance(Duration::from_secs(2));
            scene.process.drain().await;
            let delivered = scene.tenant.delivery(&id).await;
            assert_eq!(shown(&delivered, names), json!(["success", null, null, 2]), "{arn}: {detail:?}");
            assert_eq!((delivered["response_status"].as_u64(), server.received().len()), (Some(200), before + 2));
        }
    }
}

#[tokio::test]
async fn a_service_without_a_connection_is_named_as_for_a_url() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let scene = Scene::at(&format!("http://{closed}")).await;
    scene.endpoint(FUNCTION, &[]).await;
    let id = scene.tenant.publish_one().await;
    scene.process.drain().await;
    let found = shown(&scene.tenant.delivery(&id).await, ["status", "error", "error_detail"]);
    assert_eq!(found, json!(["exhausted", "connect", "connection_refused"]));
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
