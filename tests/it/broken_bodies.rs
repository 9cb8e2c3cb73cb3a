//! Responses with a complete head and an incomplete body. The head determines the result of the attempt.

use serde_json::{Value, json};
use shared::domain::time::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use crate::support::Step::{Hang, Read, Reset, Say};
use crate::support::{Authority, RawServer, Step, Tenant, World, read_request, text};

const BODY: &str = "the beginning";

/// The ways in which a body is incomplete: the situation, a header, the body, and the receiver's next step.
fn breaks() -> Vec<(&'static str, &'static str, String, Option<Step>)> {
    let chunk = format!("{:x}\r\n{BODY}\r\n", BODY.len());
    vec![
        ("the body is short", "content-length: 100", BODY.to_owned(), None),
        ("a chunk is short", "transfer-encoding: chunked", format!("{chunk}5\r\nab"), None),
        ("the last chunk is missing", "transfer-encoding: chunked", chunk.clone(), None),
        ("a chunk is malformed", "transfer-encoding: chunked", format!("{chunk}zz\r\n"), None),
        ("the connection is reset", "content-length: 100", BODY.to_owned(), Some(Reset)),
        ("the body stalls", "content-length: 100", BODY.to_owned(), Some(Hang)),
    ]
}

/// The delivery, and whether its only attempt was recorded with an incomplete body.
async fn attempt(world: &World, tenant: &Tenant, url: &str, timeout_seconds: u8) -> (Value, bool) {
    let delivery = tenant.deliver_to(world, url, timeout_seconds).await;
    let is_cut = world.is_body_cut(text(&delivery["id"])).await;
    let log = &delivery["attempt_log"][0];
    assert_eq!((&log["response_status"], &log["error"]), (&delivery["response_status"], &delivery["error"]));
    (delivery, is_cut)
}

#[tokio::test]
async fn a_complete_head_determines_the_result_if_the_body_is_incomplete() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (situation, header, body, end) in breaks() {
        for (status, expected, error) in [(200, "success", Value::Null), (500, "exhausted", json!("http_status"))] {
            let head = format!("HTTP/1.1 {status} X\r\n{header}\r\n\r\n");
            // A reset can discard data that was sent before it, so the receiver waits until the client has read the
            // data.
            let server = RawServer::serving({
                let (answer, end) = (format!("{head}{body}"), end.clone());
                move |mut stream| {
                    let (answer, end) = (answer.clone(), end.clone());
                    async move {
                        read_request(&mut stream).await?;
                        stream.write_all(answer.as_bytes()).await?;
                        match end {
                            Some(Reset) => {
                                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                                stream.set_zero_linger()
                            }
                            Some(_) => std::future::pending().await,
                            None => Ok(()),
                        }
                    }
                }
            })
            .await;
            let timeout_seconds = if matches!(end, Some(Hang)) { 1 } else { 30 };
            let (delivery, is_cut) = attempt(&world, &tenant, &server.url(), timeout_seconds).await;
            let shown = ["status", "error", "response_status", "response_body"].map(|name| &delivery[name]);
            let begins = text(&delivery["response_body"]).starts_with(BODY);
            assert!(begins, "{situation}: {shown:?}");
            assert_eq!(json!(shown[..3]), json!([expected, error, status]), "{situation}");
            assert!(is_cut, "{situation}");
        }
    }
}

#[tokio::test]
async fn a_tls_body_that_ends_without_close_notify_is_incomplete() {
    let world = World::new().await;
    let authority = Authority::new();
    let process = world.process_trusting(vec![authority.root()]);
    let tenant = world.tenant().await;
    for (gives_notice, header, is_cut) in [
        (true, "connection: close", false),
        (false, "connection: close", true),
        (false, "content-length: 100", true),
        (false, "content-length: 13", false),
    ] {
        let acceptor = TlsAcceptor::from(authority.server(|_| {}));
        let server = RawServer::serving(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await?;
                read_request(&mut stream).await?;
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n{BODY}").as_bytes()).await?;
                if gives_notice { stream.shutdown().await } else { Ok(()) }
            }
        })
        .await;
        let url = server.url().replace("http:", "https:");
        let endpoint = tenant.endpoint_with(json!({"url": url, "retry_schedule": []})).await;
        let id = tenant.publish_one().await;
        process.drain().await;
        let delivery = tenant.delivery(&id).await;
        assert_eq!(json!([delivery["status"], delivery["response_body"]]), json!(["success", BODY]), "{header}");
        assert_eq!(world.is_body_cut(&id).await, is_cut, "{gives_notice} {header}");
        tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    }
}

#[tokio::test]
async fn statuses_with_an_effect_have_it_if_their_bodies_are_incomplete() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for (end, timeout_seconds) in [(None, 30), (Some(Hang), 1)] {
        let answering = |head: &str| {
            let head = format!("HTTP/1.1 {head}\r\ncontent-length: 100\r\n\r\n{BODY}");
            RawServer::new([Read, Say(head.into_bytes())].into_iter().chain(end.clone()).collect::<Vec<_>>())
        };
        let gone = answering("410 Gone").await;
        let endpoint = tenant.endpoint_with(json!({"url": gone.url(), "timeout_seconds": timeout_seconds})).await;
        let id = tenant.publish_one().await;
        world.drain().await;
        assert_eq!(tenant.delivery_status(&id).await, "failed");
        let endpoint_now = tenant.read_endpoint(&endpoint).await;
        assert_eq!(json!([endpoint_now["status"], endpoint_now["disabled_reason"]]), json!(["disabled", "gone"]));
        tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);

        for status in [429, 503] {
            let busy = answering(&format!("{status} Busy\r\nretry-after: 3600")).await;
            let endpoint = tenant.endpoint_with(json!({"url": busy.url(), "timeout_seconds": timeout_seconds})).await;
            let id = tenant.publish_one().await;
            world.drain().await;
            let delivery = tenant.delivery(&id).await;
            let time = |value: &Value| Timestamp::parse(text(value)).unwrap();
            let started_at = time(&delivery["attempt_log"][0]["started_at"]);
            let waits = time(&delivery["next_attempt_at"]).since(started_at).as_secs();
            assert!((3_600..3_660).contains(&waits), "{status}: {delivery}");
            tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
        }
    }
}
