//! The functions' logs as on Lambda, and their metrics.

mod metrics;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::domain::tenancy::api_key::KeySecret;
use shared::telemetry::json_lines;
use tracing::Level;
use tracing::subscriber::DefaultGuard;

use crate::support::{Answer, Fate, RawServer, Receiver, World, capture, over_network, text};

pub(crate) use metrics::{Counted, suspend};

/// The log of the test's thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Captures logs from now on, as of a function on Lambda at its default level.
    pub(crate) fn start() -> (Self, DefaultGuard) {
        Self::start_at(Level::INFO)
    }

    /// Captures logs from now on, as of a function on Lambda at this level.
    pub(crate) fn start_at(level: Level) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let guard = capture(json_lines(level, move || writer.clone()));
        (log, guard)
    }

    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }

    /// The lines since the last call, without the fields that differ in every run.
    pub(crate) fn take_lines(&self) -> Vec<Value> {
        let mut lines: Vec<Value> = self.take().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in lines.iter_mut().map(|line| line.as_object_mut().unwrap()) {
            assert!(text(&line.remove("timestamp").unwrap()).ends_with('Z'));
            line.remove("duration_ms").inspect(|duration| assert!(duration.is_u64()));
        }
        lines
    }
}

#[tokio::test]
async fn a_request_is_logged_in_one_line_with_its_route_and_ids_and_none_of_its_content() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let key = tenant.get("/api-keys").await.data(200)[0]["id"].clone();
    let organization = json!(tenant.id);
    let route = |path: &str| format!("/v1/organizations/{{organization}}{path}");
    let (log, _guard) = Log::start();
    let event = json!({"type": "a.b", "data": {"sent": "in the body"}}).to_string();
    let headers = [("x-sent", "in a header"), ("idempotency-key", "sent as a key")];
    let published = tenant.call(Method::POST, "/events?sent=in-the-query", &headers, Some(event)).await;
    let listed = tenant.get("/webhooks/endpoints").await;
    let malformed = tenant.get("/webhooks/endpoints?limit=sent").await;
    let of_key = tenant.get("/v1/webhook-endpoints").await;
    let by_platform = world.platform().get(&format!("/v1/organizations/{}", tenant.id)).await;
    let unknown = tenant.get("/v1/sent-in-the-path").await;
    let refused = tenant.with_key("sk_live_sent").get("").await;
    let lines = log.take();
    for secret in ["sent", &tenant.key, &world.platform().key] {
        assert!(!lines.contains(secret), "{lines}");
    }
    log.clone().write_all(lines.as_bytes()).unwrap();
    let line = |reply: &crate::support::Reply, method: &str, route: Option<String>, code: Option<&str>| {
        let id = reply.headers["x-request-id"].to_str().unwrap();
        let mut line = json!({
            "level": "INFO", "message": "request", "request_id": id, "method": method, "status": reply.status,
            "organization": organization, "key": key,
        });
        route.inspect(|route| line["route"] = json!(route));
        code.inspect(|code| line["code"] = json!(code));
        line
    };
    let without = |mut line: Value, names: &[&str]| {
        names.iter().for_each(|name| drop(line.as_object_mut().unwrap().remove(*name)));
        line
    };
    let mut platform = line(&by_platform, "GET", Some(route("")), None);
    let hash = KeySecret::presented(&world.platform().key).hash().to_string();
    platform["key"] = json!(format!("platform:{}", &hash[..8]));
    let expected = [
        line(&published, "POST", Some(route("/events")), None),
        line(&listed, "GET", Some(route("/webhooks/endpoints")), None),
        line(&malformed, "GET", Some(route("/webhooks/endpoints")), Some("validation_failed")),
        line(&of_key, "GET", Some("/v1/webhook-endpoints".to_owned()), None),
        platform,
        without(line(&unknown, "GET", None, Some("not_found")), &["organization", "key"]),
        without(line(&refused, "GET", Some(route("")), Some("unauthorized")), &["organization", "key"]),
    ];
    assert_eq!(log.take_lines(), expected);
}

#[tokio::test]
async fn the_cause_of_a_failed_request_is_in_the_log_with_its_id_and_not_in_the_response() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let broken = over_network(&world.sdk(), |operation| match operation {
        "BatchWriteItem" => Fate::Refuse,
        _ => Fate::Pass,
    });
    let process = world.process_on(&broken);
    let (log, _guard) = Log::start();
    let reply = tenant.at(&process).post("/events", &json!({"type": "a.b", "data": {}})).await;
    reply.is_error(503, "unavailable");
    assert!(!reply.body.to_string().contains("DynamoDB"), "{}", reply.body);
    let lines = log.take_lines();
    let id = &reply.body["error"]["request_id"];
    let [cause, request] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(json!([cause["level"], cause["message"], cause["request_id"]]), json!(["WARN", "unavailable", id]));
    assert!(text(&cause["cause"]).contains("refused by the test"), "{cause}");
    assert_eq!(json!([request["message"], request["request_id"]]), json!(["request", id]));
}

#[tokio::test]
async fn a_failed_attempt_is_logged_in_one_line_and_a_success_is_not_logged() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500)]).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let delivery = tenant.publish_one().await;
    let (log, _guard) = Log::start();
    world.drain().await;
    let failed = json!({
        "level": "INFO", "message": "attempt failed", "organization": tenant.id, "endpoint": endpoint.id,
        "delivery": delivery, "attempt": 1, "cause": "http_status", "response_status": 500, "status": "retrying",
    });
    assert_eq!(log.take_lines(), [failed]);
    let mute = RawServer::answering("", false).await;
    tenant.patch(&endpoint.path(), &json!({"url": mute.url()})).await.data(200);
    log.take();
    world.advance(Duration::from_secs(60));
    world.drain().await;
    let lines = log.take_lines();
    let shown = ["message", "cause", "detail"].map(|name| &lines[0][name]);
    assert_eq!(json!(shown), json!(["attempt failed", "invalid_response", "closed_before_answer"]), "{lines:?}");
    tenant.patch(&endpoint.path(), &json!({"url": receiver.url()})).await.data(200);
    log.take();
    world.advance(Duration::from_secs(60));
    world.drain().await;
    assert_eq!(tenant.delivery_status(&delivery).await, "success");
    let lines = log.take_lines();
    assert!(lines.iter().all(|line| line["message"] == "request"), "{lines:?}");
}
