//! Why deliveries fail: each cause of the closed set, from a situation that leads to it.

use std::collections::BTreeSet;
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shared::domain::delivery::Cause;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, Gate, Receiver, Tenant, World, text};

/// A server that speaks no HTTP: it waits for the request and answers with these bytes, and then hangs
/// or hangs up.
struct RawServer {
    port: u16,
    connections: Arc<Mutex<usize>>,
}

impl RawServer {
    async fn new(answer: impl Into<Vec<u8>>, hangs: bool) -> Self {
        let (answer, connections) = (answer.into(), Arc::new(Mutex::new(0)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                tokio::spawn(speak(stream, answer.clone(), hangs));
            }
        });
        Self { port, connections }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

async fn speak(mut stream: TcpStream, answer: Vec<u8>, hangs: bool) {
    let _ = stream.read(&mut [0; 16 * 1024]).await;
    let _ = stream.write_all(&answer).await;
    let _ = stream.flush().await;
    if hangs {
        pending::<()>().await;
    }
}

/// Makes an endpoint there that is not retried, delivers one event to it and returns the delivery.
async fn deliver_to(world: &World, tenant: &Tenant, url: &str, timeout_seconds: u8) -> Value {
    let fields = json!({"url": url, "retry_schedule": [], "timeout_seconds": timeout_seconds});
    let endpoint = tenant.endpoint_with(fields).await;
    let id = tenant.publish_one().await;
    world.drain().await;
    let delivery = tenant.delivery(&id).await;
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    delivery
}

async fn unused_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn every_way_in_which_an_exchange_fails_has_its_cause() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let plain = Receiver::new().await;
    let silent = Receiver::always(Answer::status(200).behind(&Gate::closed())).await;
    let refuses = Receiver::always(Answer::status(400)).await;
    let garbage = RawServer::new("this is not HTTP\r\n\r\n", false).await;
    let mute = RawServer::new("", false).await;
    let breaks_off = RawServer::new("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", false).await;
    let stalls = RawServer::new("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", true).await;
    let closed = format!("http://127.0.0.1:{}/", unused_port().await);
    let unnamed = format!("http://{}.example/", "label-of-more-than-63-characters".repeat(3));
    let not_tls = format!("https://127.0.0.1:{}/", plain.port());
    let hangs_up = format!("https://127.0.0.1:{}/", garbage.port);
    for (situation, url, cause, status) in [
        ("nothing listens", closed, "connect", Value::Null),
        ("the name has no address", unnamed, "dns", Value::Null),
        ("the receiver does not speak TLS", not_tls, "tls", Value::Null),
        ("the receiver speaks nothing known instead of TLS", hangs_up, "tls", Value::Null),
        ("the answer is not HTTP", garbage.url(), "invalid_response", Value::Null),
        ("the connection ends without an answer", mute.url(), "invalid_response", Value::Null),
        ("the answer breaks off", breaks_off.url(), "invalid_response", Value::Null),
        ("the answer does not end", stalls.url(), "timeout", Value::Null),
        ("there is no answer", silent.url(), "timeout", Value::Null),
        ("the status is no success", refuses.url(), "http_status", json!(400)),
    ] {
        // Where time is not the matter, there is enough of it for the slowest machine.
        let delivery = deliver_to(&world, &tenant, &url, if cause == "timeout" { 1 } else { 30 }).await;
        let shown = ["status", "error", "response_status"].map(|name| &delivery[name]);
        assert_eq!(json!(shown), json!(["exhausted", cause, status]), "{situation}");
        let log = delivery["attempt_log"].as_array().unwrap();
        assert_eq!((log.len(), &log[0]["error"]), (1, &json!(cause)), "{situation}");
    }
    assert!(plain.received().is_empty());
}

#[tokio::test]
async fn of_an_answer_16_kibibytes_are_read_and_not_one_byte_is_waited_for_beyond() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    for (bytes, timeout, expected) in [(16 * 1024, 30, "success"), (16 * 1024 - 1, 1, "exhausted")] {
        let server = RawServer::new(format!("{head}{}", "x".repeat(bytes)), true).await;
        let delivery = deliver_to(&world, &tenant, &server.url(), timeout).await;
        assert_eq!(text(&delivery["status"]), expected, "{bytes}");
    }
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused_however_it_is_written_and_never_connected_to() {
    let world = World::with(&[("ALLOWED_NETWORKS", "")]).await;
    let tenant = world.tenant().await;
    let server = RawServer::new("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let port = server.port;
    // A name is judged when it is resolved.
    let delivery = deliver_to(&world, &tenant, &format!("http://localhost:{port}/"), 30).await;
    let shown = ["status", "error", "attempts"].map(|name| &delivery[name]);
    assert_eq!(json!(shown), json!(["failed", "refused_address", 1]));
    // A literal is refused when the endpoint is made.
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"]
    {
        let body = json!({"name": "n", "url": format!("http://{host}:{port}/"), "event_types": ["*"]});
        tenant.post("/webhooks/endpoints", &body).await.is_error(400, "validation_failed");
    }
    assert_eq!(*server.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_literal_address_that_is_no_longer_allowed_is_refused_when_it_is_delivered_to() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    world.process_with(&[("ALLOWED_NETWORKS", "10.0.0.0/8")]).drain().await;
    let delivery = tenant.delivery(&id).await;
    assert_eq!(json!(["status", "error"].map(|name| &delivery[name])), json!(["failed", "refused_address"]));
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_suspended_organization_cannot_publish_and_its_deliveries_fail() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    let id = tenant.publish_one().await;
    let path = format!("/v1/organizations/{}", tenant.id);
    tenant.patch(&path, &json!({"status": "suspended"})).await.is_error(403, "forbidden");
    world.platform().patch(&path, &json!({"status": "suspended"})).await.data(200);
    tenant.post("/events", &json!({"type": "a.b", "data": {}})).await.is_error(403, "forbidden");
    world.drain().await;
    let delivery = tenant.delivery(&id).await;
    let shown = ["status", "error", "attempts"].map(|name| &delivery[name]);
    assert_eq!(json!(shown), json!(["failed", "organization_suspended", 0]));

    world.platform().patch(&path, &json!({"status": "active"})).await.data(200);
    let id = tenant.publish_one().await;
    world.drain().await;
    assert_eq!(receiver.only().header("x-webhook-delivery"), id);
}

/// The other two causes are in `parking.rs`.
#[test]
fn the_causes_are_these() {
    let known: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
    let tested = [
        "timeout",
        "dns",
        "connect",
        "tls",
        "refused_address",
        "http_status",
        "invalid_response",
        "endpoint_disabled",
        "endpoint_deleted",
        "organization_suspended",
    ];
    assert_eq!(known, BTreeSet::from(tested));
}
