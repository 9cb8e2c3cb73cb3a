//! Services of the deployment's own account that refuse a delivery.

use serde_json::json;

use super::Scene;
use crate::support::{Answer, Process, Receiver, Tenant, World};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:audit";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:audit";

/// The scenes, and the server that stands in for the service.
pub(super) async fn scenes(world: &World, tenant: &Tenant) -> (Vec<Scene>, Receiver) {
    let error = |status, name: &str| Answer::status(status).header("x-amzn-errortype", name).body("{}");
    let all = [
        ("a role without the permission", error(403, "AccessDeniedException"), "aws_service: access_denied"),
        ("a deleted function", error(404, "ResourceNotFoundException:http://a"), "aws_service: resource_not_found"),
        ("used-up concurrency", error(429, "TooManyRequestsException"), "aws_service: throttled"),
        ("a large message", error(413, "RequestTooLargeException"), "aws_service: message_too_large"),
        ("a control character", error(400, "InvalidMessageContents"), "aws_service: invalid_characters"),
        ("an error of the function", function_error(), "aws_service: function_error"),
        ("a fault of the service", error(500, "ServiceException"), "aws_service"),
    ];
    let server = Receiver::scripted(all.iter().map(|(_, answer, _)| answer.clone())).await;
    let sdk = world.sdk().to_builder().endpoint_url(format!("http://127.0.0.1:{}", server.port())).build();
    let process: Process = world.process_on_with(&sdk, &[("INTERNAL_TARGETS", &format!("{FUNCTION},{QUEUE}"))]);
    let platform = tenant.at(&process).with_key(&world.platform().key);
    let scene = |(situation, _, expected): (&str, Answer, &'static str)| {
        // Only queues refuse characters.
        let arn = if expected.ends_with("characters") { QUEUE } else { FUNCTION };
        Scene { owner: Some(platform.clone()), ..Scene::new(situation, &process, arn.to_owned(), expected) }
    };
    (all.into_iter().map(scene).collect(), server)
}

/// The answer of a service whose function ended with an error.
fn function_error() -> Answer {
    let body = json!({"errorType": "Error", "errorMessage": "no"}).to_string();
    Answer::status(200).header("x-amz-function-error", "Unhandled").body(body)
}
