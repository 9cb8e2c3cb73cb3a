//! Why deliveries fail: each cause of the closed set, from a situation that leads to it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use shared::domain::attempt::Cause;
use tokio::net::TcpListener;

use crate::support::{Answer, Gate, RawServer, Receiver, World, text};

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
    let garbage = RawServer::answering("this is not HTTP\r\n\r\n", false).await;
    let mute = RawServer::answering("", false).await;
    let breaks_off = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-le", false).await;
    let stalls = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-le", true).await;
    let closed = format!("http://127.0.0.1:{}/", unused_port().await);
    let unnamed = format!("http://{}.example/", "label-of-more-than-63-characters".repeat(3));
    let not_tls = format!("https://127.0.0.1:{}/", plain.port());
    let hangs_up = format!("https://127.0.0.1:{}/", garbage.port());
    for (situation, url, cause, status) in [
        ("nothing listens", closed, "connect", Value::Null),
        ("the name has no address", unnamed, "dns", Value::Null),
        ("the receiver does not speak TLS", not_tls, "tls", Value::Null),
        ("the receiver speaks nothing known instead of TLS", hangs_up, "tls", Value::Null),
        ("the answer is not HTTP", garbage.url(), "invalid_response", Value::Null),
        ("the connection ends without an answer", mute.url(), "invalid_response", Value::Null),
        ("the head of the answer breaks off", breaks_off.url(), "invalid_response", Value::Null),
        ("the head of the answer does not end", stalls.url(), "timeout", Value::Null),
        ("there is no answer", silent.url(), "timeout", Value::Null),
        ("the status is no success", refuses.url(), "http_status", json!(400)),
    ] {
        // Where time is not the matter, there is enough of it for the slowest machine.
        let delivery = tenant.deliver_to(&world, &url, if cause == "timeout" { 1 } else { 30 }).await;
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
    for (bytes, timeout, is_cut) in [(16 * 1024, 30, false), (16 * 1024 - 1, 1, true)] {
        let server = RawServer::answering(format!("{head}{}", "x".repeat(bytes)), true).await;
        let delivery = tenant.deliver_to(&world, &server.url(), timeout).await;
        assert_eq!(text(&delivery["status"]), "success", "{bytes}");
        let attempt = world.last_attempt(text(&delivery["id"])).await;
        assert_eq!(attempt.contains_key("cut"), is_cut, "{bytes}");
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
