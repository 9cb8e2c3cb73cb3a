//! The audit log: each change that a request makes, and each reading of secrets, is one line with the key of the request.

use serde_json::{Value, json};

use crate::access::Scene;
use crate::routes::{Admits, ROUTES, Route, is_of_catalogue};
use crate::support::{Answer, Receiver, World, text};
use crate::telemetry::Log;

/// The action under which a route is logged, or `None` for a route that only reads, compares or publishes.
fn action(route: &Route) -> Option<&'static str> {
    let last = route.path.rsplit('/').next().unwrap();
    Some(match (route.method, last) {
        ("GET", "secret") => "endpoint.read_secret",
        ("GET", _) => return None,
        ("POST", "events" | "batch" | "filter-test") => return None,
        ("POST", "event-types" | "event-type-imports") => "event_type.create",
        ("PUT" | "PATCH" | "DELETE", "{event_type}") => "event_type.update",
        ("POST", "organizations") => "organization.create",
        ("PATCH", "{organization}") => "organization.update",
        ("DELETE", "{organization}") => "organization.delete",
        ("DELETE", "data") => "event.expunge",
        ("PUT", "limits") => "organization.limits",
        ("POST", "portal-sessions") => "portal_session.create",
        ("DELETE", "{portal_session}") => "portal_session.revoke",
        ("POST", "api-keys") => "key.create",
        ("PATCH", "{key}") => "key.update",
        ("DELETE", "{key}") => "key.revoke",
        ("POST", "rotations") if route.path.contains("{key}") => "key.rotate",
        ("POST", "rotations" | "rotate-secret") => "endpoint.rotate_secret",
        ("POST", "endpoints" | "webhooks" | "webhook-endpoints") => "endpoint.create",
        ("PATCH" | "PUT", "{endpoint}") => "endpoint.update",
        // Without `permanent=true`, the `organizations` dialect disables.
        ("DELETE", "{endpoint}") if route.path.contains("/webhooks/endpoints/") => "endpoint.disable",
        ("DELETE", "{endpoint}") => "endpoint.delete",
        ("POST", "test") => "endpoint.test",
        ("POST", "recover") => "endpoint.recover",
        ("POST", "replay") => "endpoint.replay",
        ("POST", "retry") => "delivery.retry",
        ("POST", "resend") => "delivery.resend",
        ("POST", "cancel") => "job.cancel",
        other => panic!("{other:?} has no action in this table"),
    })
}

/// The id of the logged object: the last id in the path, or else the id in the response.
fn object(route: &Route, action: &str, path: &str, answer: &Value) -> String {
    let last = route.path.split('/').enumerate().filter(|(_, part)| part.starts_with('{')).last();
    let id = match last.filter(|_| !action.ends_with(".create")) {
        Some((segment, _)) => path.split(['/', '?']).nth(segment).unwrap(),
        None if route.path.ends_with("-imports") => text(&answer["data"]["event_types"][0]["name"]),
        None if route.path.ends_with("/event-types") => text(&answer["data"]["name"]),
        None => text(&answer.get("data").unwrap_or(answer)["id"]),
    };
    // The `endpoints` dialect writes ids with hyphens.
    match id.strip_prefix("ep_") {
        Some(hyphenated) => format!("we_{}", hyphenated.replace('-', "")),
        None => id.to_owned(),
    }
}

#[tokio::test]
async fn only_routes_that_change_something_or_show_secrets_log_an_audit_line() {
    let (world, failing) = (World::new().await, Receiver::always(Answer::status(500)).await);
    for route in &ROUTES {
        let scene = Scene { world: &world, owner: world.tenant().await, failing: &failing };
        let path = scene.path(route).await;
        let key = scene.owner.get("/api-keys").await.data(200)[0]["id"].clone();
        let is_platforms = route.admits == Admits::Platform;
        let caller = if is_platforms { world.platform().key } else { scene.owner.key.clone() };
        let (log, guard) = Log::start();
        let reply = scene.call_path(&world.process, route, &path, Some(&caller)).await;
        drop(guard);
        let allowed = route.ok;
        assert_eq!(reply.status, allowed, "{} {}: {}", route.method, route.path, reply.body);
        let lines: Vec<_> = log.take_lines().into_iter().filter(|line| line["message"] == "audit").collect();
        let expected = action(route).map(|action| {
            let object = object(route, action, &path, &reply.body);
            let organization = if is_platforms { object.clone() } else { scene.owner.id.clone() };
            let by = if is_platforms { json!(null) } else { key.clone() };
            let request = reply.headers["x-request-id"].to_str().unwrap();
            json!({
                "level": "INFO", "message": "audit", "request_id": request, "key": by, "organization": organization,
                "action": action, "object": object,
            })
        });
        let mut expected: Vec<_> = expected.into_iter().collect();
        for (expected, line) in expected.iter_mut().zip(&lines) {
            if is_of_catalogue(route.path) || route.path.starts_with("/v1/portal-sessions") {
                expected.as_object_mut().unwrap().remove("organization");
            }
            if is_platforms {
                assert!(text(&line["key"]).starts_with("platform:"), "{line}");
                expected["key"] = line["key"].clone();
            }
        }
        assert_eq!(lines, expected, "{} {}", route.method, route.path);
    }
}

#[tokio::test]
async fn refused_requests_and_changes_by_the_engine_log_no_audit_line() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(410)).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.publish().await;
    let (log, _guard) = Log::start();
    tenant.patch(&endpoint.path(), &json!({"name": ""})).await.is_error(400, "validation_failed");
    tenant.patch("/webhooks/endpoints/we_0", &json!({"name": "n"})).await.is_error(404, "not_found");
    world.drain().await;
    assert_eq!(tenant.read_endpoint(&endpoint).await["status"], "disabled");
    assert!(log.take_lines().iter().all(|line| line["message"] != "audit"));
}
