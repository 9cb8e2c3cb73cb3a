//! What the owner of a broken receiver does: sees in the API alone that it fails and why, repairs it, and sends what was missed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Endpoint, RawServer, Receiver, Tenant, World, text};

/// A way in which a receiver is broken, and what the API shows of it.
struct Broken {
    url: String,
    /// Runs until the test ends.
    _server: Option<RawServer>,
    /// The error, its detail, and the status and the beginning of the body of the response.
    expected: Value,
}

impl Broken {
    async fn answering(answer: Answer, expected: Value) -> (Self, Receiver) {
        let receiver = Receiver::always(answer).await;
        (Self { url: receiver.url(), _server: None, expected }, receiver)
    }
}

/// Publishes an event, and returns its id.
async fn publish(tenant: &Tenant) -> String {
    text(&tenant.post("/events", &json!({"type": "order.paid", "data": {}})).await.data(202)["id"]).to_owned()
}

/// The newest attempt at the endpoint, as far as it shows the cause.
async fn cause(tenant: &Tenant, endpoint: &Endpoint) -> (Value, String) {
    let attempts = tenant.get(&format!("{}/attempts?limit=1", endpoint.path())).await;
    let newest = attempts.data(200)[0].clone();
    let shown = ["error", "error_detail", "response_status", "response_body"].map(|name| newest[name].clone());
    (json!(shown), text(&newest["docs_url"]).to_owned())
}

#[tokio::test]
async fn a_receiver_that_is_broken_in_five_ways_is_diagnosed_repaired_and_gets_what_it_missed() {
    let world = World::new().await;
    let garbage = RawServer::answering("hello\r\n\r\n", false).await;
    let (moved, _moved) =
        Broken::answering(Answer::status(301).header("location", "/new"), json!(["http_status", null, 301, ""])).await;
    let (down, _down) =
        Broken::answering(Answer::status(503).body("maintenance"), json!(["http_status", null, 503, "maintenance"]))
            .await;
    let (gone, _gone) = Broken::answering(Answer::status(410), json!(["http_status", null, 410, ""])).await;
    let ways = [
        Broken {
            url: "http://127.0.0.1:1/".to_owned(),
            _server: None,
            expected: json!(["connect", "connection_refused", null, null]),
        },
        Broken {
            url: garbage.url(),
            _server: Some(garbage),
            expected: json!(["invalid_response", "bad_status_line", null, null]),
        },
        moved,
        down,
        gone,
    ];
    for Broken { url, _server, expected } in ways {
        let (tenant, repaired) = (world.tenant().await, Receiver::new().await);
        let endpoint = tenant.endpoint_with(json!({"url": url, "retry_schedule": []})).await;
        let mut events = vec![publish(&tenant).await];
        world.drain().await;
        let (shown, docs_url) = cause(&tenant, &endpoint).await;
        assert_eq!(shown, expected, "{url}");
        // `openapi.rs` tests that the page has each of these sections.
        let section = expected[1].as_str().or(expected[0].as_str()).unwrap();
        assert_eq!(docs_url, format!("/docs#{section}"), "{url}");
        // The endpoint that answers 410 is disabled, so later events have no delivery to it.
        let is_disabled = tenant.read_endpoint(&endpoint).await["status"] == "disabled";
        assert_eq!(is_disabled, expected[2] == 410, "{url}");
        events.push(publish(&tenant).await);
        world.drain().await;

        tenant.patch(&endpoint.path(), &json!({"url": repaired.url(), "status": "active"})).await.data(200);
        tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.data(200);
        world.advance(Duration::from_secs(61));
        for what in ["failed", "missed"] {
            let body = json!({"since": "2020-01-01T00:00:00Z", "what": what});
            tenant.post(&format!("{}/replay", endpoint.path()), &body).await.data(202);
        }
        world.run_to_the_end().await;
        let mut arrived: Vec<_> = repaired.received().iter().map(|it| it.header("webhook-id").to_owned()).collect();
        arrived.retain(|id| events.contains(id));
        arrived.sort();
        assert_eq!(arrived, events, "{url}: each once");
        let deliveries = tenant.deliveries(&endpoint).await;
        assert!(deliveries.iter().all(|delivery| delivery["status"] == "success"), "{url}");
        assert_eq!(tenant.read_endpoint(&endpoint).await["status"], "active", "{url}");
    }
}
