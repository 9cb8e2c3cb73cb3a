//! Causes of failed deliveries: each one is tested in a situation that leads to it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use shared::domain::delivery::attempt::Cause;
use tokio::net::TcpListener;

use crate::support::{Answer, Gate, RawServer, Receiver, World, text};

async fn unused_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn every_failed_exchange_has_its_cause() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let plain = Receiver::new().await;
    let silent = Receiver::always(Answer::status(200).behind(&Gate::closed())).await;
    let refuses = Receiver::always(Answer::status(400)).await;
    let garbage = RawServer::answering("this is not HTTP\r\n\r\n", false).await;
    let mute = RawServer::answering("", false).await;
    let breaks_off = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-le", false).await;
    let stalls = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-le", true).await;
    let closed = format!("http://127.0.0.1:{}/", unused_port().await);
    let unnamed = format!("http://{}.example/", "label-of-more-than-63-characters".repeat(3));
    let not_tls = format!("https://127.0.0.1:{}/", plain.port());
    let hangs_up = format!("https://127.0.0.1:{}/", garbage.port());
    for (situation, url, cause, status) in [
        ("no server listens on the port", closed, "connect", Value::Null),
        ("the name has no address", unnamed, "dns", Value::Null),
        ("the receiver does not speak TLS", not_tls, "tls", Value::Null),
        ("the receiver closes the connection instead of TLS", hangs_up, "tls", Value::Null),
        ("the response is not HTTP", garbage.url(), "invalid_response", Value::Null),
        ("the connection ends without a response", mute.url(), "invalid_response", Value::Null),
        ("the head of the response is incomplete", breaks_off.url(), "invalid_response", Value::Null),
        ("the head of the response does not end", stalls.url(), "timeout", Value::Null),
        ("there is no response", silent.url(), "timeout", Value::Null),
        ("the status is an error", refuses.url(), "http_status", json!(400)),
    ] {
        // Where time is irrelevant, the timeout is long enough for slow machines.
        let delivery = tenant.deliver_to(&world, &url, if cause == "timeout" { 1 } else { 30 }).await;
        let shown = ["status", "error", "response_status"].map(|name| &delivery[name]);
        assert_eq!(json!(shown), json!(["exhausted", cause, status]), "{situation}");
        let log = delivery["attempt_log"].as_array().unwrap();
        assert_eq!((log.len(), &log[0]["error"]), (1, &json!(cause)), "{situation}");
    }
    assert!(plain.received().is_empty());
}

#[tokio::test]
async fn reading_of_a_response_ends_after_16_kibibytes() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    for (bytes, timeout, is_cut) in [(16 * 1024, 30, false), (16 * 1024 - 1, 1, true)] {
        let server = RawServer::answering(format!("{head}{}", "x".repeat(bytes)), true).await;
        let delivery = tenant.deliver_to(&world, &server.url(), timeout).await;
        assert_eq!(text(&delivery["status"]), "success", "{bytes}");
        assert_eq!(world.is_body_cut(text(&delivery["id"])).await, is_cut, "{bytes}");
    }
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

/// `parking.rs`, `expunging.rs`, `encryption` and `internal_targets` test the causes that are not tested here.
#[test]
fn every_cause_is_tested() {
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
        "expunged",
        "undecryptable",
        "aws_service",
    ];
    assert_eq!(known, BTreeSet::from(tested));
}
