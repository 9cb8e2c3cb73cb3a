//! Receivers that violate the protocol. None of them keeps a delivery longer than its endpoint's timeout, causes a
//! wrong result, or affects other deliveries. `tests/memory.rs` measures the memory that they cost.

use std::io;
use std::sync::{Arc, Mutex};

use http::Method;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::Acceptor;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use crate::support::Step::{Drip, Hang, Read, ReadByte, Repeat, Reset, Say};
use crate::support::{EVENT_TYPE, PATIENCE, RawServer, Receiver, Step, World, read_request, text};

/// The results that a delivery may have: success, or a cause with its detail. There are several if the
/// receiver's reset can arrive at different points of the exchange.
type Expected = &'static [&'static str];

const SUCCESS: Expected = &["success"];
/// The body of the response is incomplete or does not end in time. The head determines the result.
const CUT: Expected = &["success, cut"];
const TIMEOUT: Expected = &["timeout"];
const STATUS: Expected = &["http_status"];
const STATUS_LINE: Expected = &["invalid_response: bad_status_line"];
const HEADER: Expected = &["invalid_response: bad_header"];
const TOO_LARGE: Expected = &["invalid_response: too_large"];
const CLOSED: Expected = &["invalid_response: closed_before_answer"];
const RESET: Expected = &["invalid_response: connection_reset"];

fn say(text: &str) -> Step {
    Say(text.as_bytes().to_vec())
}

fn answer(text: &str) -> Vec<Step> {
    vec![Read, say(text)]
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// The receivers and the expected results of their deliveries.
fn receivers() -> Vec<(&'static str, Vec<Step>, Expected)> {
    let endless = |head: &str, body: &[u8]| vec![Read, say(head), Repeat(body.to_vec())];
    let broken = |text: &str, end: Step| vec![Read, say(text), end];
    let block = vec![b'x'; 8 * 1024];
    vec![
        ("an endless body", endless("HTTP/1.1 200 OK\r\n\r\n", &block), SUCCESS),
        (
            "an endless body with a content length",
            endless("HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n", &block),
            SUCCESS,
        ),
        (
            "an endless body in chunks",
            endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
            SUCCESS,
        ),
        ("an endless body of an error response", endless("HTTP/1.1 500 No\r\n\r\n", &block), STATUS),
        ("a body byte by byte", vec![Read, say("HTTP/1.1 200 OK\r\n\r\n"), Drip(vec![b'x'])], CUT),
        ("a body that stalls", broken("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", Hang), CUT),
        ("an endless number of headers", endless(OK, b"x-more: of the same\r\n"), TOO_LARGE),
        ("one endless header", endless("HTTP/1.1 200 OK\r\nx: ", &block), TOO_LARGE),
        ("an endless header name", endless(OK, &block), TOO_LARGE),
        ("an endless reason", endless("HTTP/1.1 200 ", &block), TOO_LARGE),
        ("huge headers", answer(&format!("{OK}x: {}\r\n\r\n", "x".repeat(1024 * 1024))), TOO_LARGE),
        ("too many headers", answer(&format!("{OK}{}\r\n", "x: y\r\n".repeat(200))), TOO_LARGE),
        ("headers byte by byte", vec![Read, say(OK), Drip(b"x: y\r\n".to_vec())], TIMEOUT),
        ("a status line byte by byte", vec![Read, Drip(b"HTTP/1.1 2000000".to_vec())], TIMEOUT),
        ("a head that stalls", broken("HTTP/1.1 200 OK\r\nx: y\r\n", Hang), TIMEOUT),
        ("endless interim responses", endless("", b"HTTP/1.1 100 Continue\r\n\r\n"), TIMEOUT),
        ("endless early hints", endless("", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"), TIMEOUT),
        (
            "a response after interim responses",
            answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No\r\n\r\n"),
            SUCCESS,
        ),
        ("another protocol", answer("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nx"), STATUS),
        ("garbage", answer("\u{0}\u{1}\u{7f}garbage\r\n\r\n"), STATUS_LINE),
        ("endless garbage", vec![Read, Repeat(vec![0xa5; 1024])], STATUS_LINE),
        ("endless empty lines", vec![Read, Repeat(b"\r\n".to_vec())], TOO_LARGE),
        ("HTTP/0.9", answer("<html>hello</html>"), STATUS_LINE),
        ("HTTP/1.0", answer("HTTP/1.0 200 OK\r\n\r\nhello"), SUCCESS),
        ("HTTP/2 in the status line", answer("HTTP/2 200 OK\r\n\r\n"), STATUS_LINE),
        (
            "HTTP/2's settings and an end",
            answer("\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\x01"),
            STATUS_LINE,
        ),
        ("HTTP/2's reset of a stream", answer("\0\0\x04\x03\0\0\0\0\x01\0\0\0\x02"), STATUS_LINE),
        ("HTTP/2's preface", answer("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), STATUS_LINE),
        ("SMTP", answer("220 mail.example ESMTP ready\r\n"), STATUS_LINE),
        ("a request", answer("POST / HTTP/1.1\r\nhost: x\r\n\r\n"), STATUS_LINE),
        ("a status of two digits", answer("HTTP/1.1 20 OK\r\n\r\n"), STATUS_LINE),
        ("a status of four digits", answer("HTTP/1.1 2000 OK\r\n\r\n"), STATUS_LINE),
        ("a status that is not a number", answer("HTTP/1.1 abc OK\r\n\r\n"), STATUS_LINE),
        ("an unknown status", answer("HTTP/1.1 999 Eh\r\ncontent-length: 0\r\n\r\n"), STATUS),
        ("a header with a zero byte", answer("HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n"), HEADER),
        ("a header without a colon", answer("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), SUCCESS),
        ("a header with a carriage return", answer("HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n"), HEADER),
        ("a folded header", answer("HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\tc\r\ncontent-length: 2\r\n\r\nok"), SUCCESS),
        ("a header folded before its value", answer("HTTP/1.1 200 OK\r\nx:\r\n a\r\n\r\nok"), SUCCESS),
        ("a last header that is folded", answer("HTTP/1.1 200 OK\r\nx: a;\r\n\tb\r\n\r\nok"), SUCCESS),
        ("a folded length", answer("HTTP/1.1 200 OK\r\ncontent-length:\r\n 2\r\n\r\nok"), SUCCESS),
        ("a folded header with line feeds alone", answer("HTTP/1.1 200 OK\nx: a\n b\n\nok"), SUCCESS),
        ("a space after a header's name", answer("HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok"), SUCCESS),
        ("a tab after a header's name", answer("HTTP/1.1 200 OK\r\nx\t: a\r\n\r\nok"), SUCCESS),
        ("a space within a header's name", answer("HTTP/1.1 200 OK\r\nx y: a\r\n\r\nok"), SUCCESS),
        ("brackets in a header's name", answer("HTTP/1.1 200 OK\r\nx(y): a\r\n\r\nok"), SUCCESS),
        ("a header without a name", answer("HTTP/1.1 200 OK\r\n: a\r\n\r\nok"), SUCCESS),
        ("a control character in a header", answer("HTTP/1.1 200 OK\r\nx: a\u{1}b\r\n\r\nok"), SUCCESS),
        ("a header that is not ASCII", answer("HTTP/1.1 200 OK\r\nx: caf\u{e9}\r\n\r\nok"), SUCCESS),
        ("a reason that is not ASCII", answer("HTTP/1.1 200 Tr\u{e8}s bien\r\n\r\nok"), SUCCESS),
        ("no reason", answer("HTTP/1.1 200\r\n\r\nok"), SUCCESS),
        (
            "the same length twice",
            answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"),
            SUCCESS,
        ),
        (
            "a body longer than its content length",
            answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokXXXX"),
            SUCCESS,
        ),
        ("a body shorter than its content length", answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"), CUT),
        ("a negative length", answer("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nx"), HEADER),
        ("an enormous length", answer(&format!("{OK}content-length: {}\r\n\r\nx", "9".repeat(30))), HEADER),
        ("two lengths", answer("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"), HEADER),
        ("chunks without a size", answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nx"), CUT),
        (
            "a chunk of an enormous size",
            answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nx"),
            CUT,
        ),
        ("an endless chunk extension", endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", &block), CUT),
        ("endless trailers", endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"), CUT),
        ("an incomplete chunk", answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"), CUT),
        ("an immediate reset", vec![Reset], &["connect: connection_reset", "invalid_response: connection_reset"]),
        ("a reset within the request", vec![ReadByte, Reset], RESET),
        ("a reset after the request", vec![Read, Reset], RESET),
        ("a reset within the head", broken("HTTP/1.1 200 OK\r\nx", Reset), RESET),
        ("a reset after the head", broken("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", Reset), CUT),
        ("a reset within the body", broken("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", Reset), CUT),
        ("an immediate close", vec![], CLOSED),
        ("a close within the request", vec![ReadByte], CLOSED),
        ("a close after the request", vec![Read], CLOSED),
        ("no response", vec![Read, Hang], TIMEOUT),
        ("a request that is not read", vec![Hang], TIMEOUT),
        (
            "a response before the request",
            vec![say("HTTP/1.1 204 No\r\n\r\n"), Hang],
            &["success", "invalid_response: closed_before_answer"],
        ),
    ]
}

#[tokio::test]
async fn a_hostile_receiver_has_its_own_result_and_does_not_affect_other_deliveries() {
    let world = World::with(&[("MAX_ENDPOINTS", "200")]).await;
    let tenant = world.tenant().await;
    let receivers = receivers();
    let (mut servers, mut healthy) = (Vec::new(), Vec::new());
    for (n, (situation, steps, expected)) in receivers.iter().enumerate() {
        let server = RawServer::new(steps.clone()).await;
        // If the receiver ends the exchange, the timeout is long enough for slow machines.
        let ends = *expected != TIMEOUT && !steps.iter().any(|step| matches!(step, Drip(_) | Hang));
        let timeout_seconds = if ends { 30 } else { 1 };
        tenant.endpoint_with(json!({"name": situation, "url": server.url(), "timeout_seconds": timeout_seconds})).await;
        servers.push(server);
        // Every batch contains a delivery to a healthy receiver.
        if n % 5 == 0 {
            let receiver = Receiver::new().await;
            tenant.endpoint(&receiver).await;
            healthy.push(receiver);
        }
    }
    let deliveries = tenant.publish().await;
    // Without the endpoints' timeouts, the attempts would not end.
    let drained = tokio::time::timeout(10 * PATIENCE, world.drain()).await;
    assert_eq!(drained, Ok(receivers.len() + healthy.len()));

    let mut surprises = Vec::new();
    let mut hostile = deliveries.iter().enumerate().filter(|(at, _)| at % 6 != 1).map(|(_, id)| id);
    for ((situation, _, expected), server) in receivers.iter().zip(&servers) {
        let id = hostile.next().unwrap();
        let (delivery, is_cut) = (tenant.delivery(id).await, world.is_body_cut(id).await);
        let cause = delivery["error"].as_str().unwrap_or("success");
        let detail = delivery["error_detail"].as_str().map(|detail| format!("{cause}: {detail}"));
        let cut = is_cut.then(|| format!("{cause}, cut"));
        let result = detail.or(cut).unwrap_or_else(|| cause.to_owned());
        if !expected.contains(&result.as_str()) {
            surprises.push(format!("{situation}: {result} instead of {expected:?}"));
        }
        let (status, retried) = if cause == "success" { ("success", false) } else { ("retrying", true) };
        assert_eq!(
            (text(&delivery["status"]), !delivery["next_attempt_at"].is_null()),
            (status, retried),
            "{situation}"
        );
        assert_eq!((&delivery["attempts"], server.connections()), (&json!(1), 1), "{situation}");
        let kept = delivery["response_body"].as_str().unwrap_or_default().len();
        assert!(kept <= if cause == "success" { 1024 } else { 4096 }, "{situation}: {kept}");
    }
    assert_eq!(surprises, Vec::<String>::new());
    for receiver in &healthy {
        receiver.only();
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_read_a_large_body_ends_in_a_timeout() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let server = RawServer::new([Hang]).await;
    tenant.endpoint_with(json!({"url": server.url(), "timeout_seconds": 1, "retry_schedule": []})).await;
    let data = json!({"x": "y".repeat(250 * 1024)});
    let body = json!({"type": EVENT_TYPE, "data": data}).to_string();
    let event = tenant.call(Method::POST, "/events", &[], Some(body)).await.data(202);
    world.drain().await;
    let delivery = tenant.delivery(text(&event["webhook_deliveries"][0]["id"])).await;
    assert_eq!((&delivery["error"], server.connections()), (&json!("timeout"), 1));
}

#[tokio::test]
async fn responses_are_not_decompressed_and_requests_accept_no_compression() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    // The beginning of a gzip stream of one mebibyte of zeros. `br` and `zstd` have the same risk.
    let bomb = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xec\xc1\x01\x0d\0\0\0\xc2\xa0\xf7\x4fm\x0e\x37\xa0";
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n", bomb.len());
        let server = RawServer::answering([head.as_bytes(), bomb].concat(), false).await;
        let delivery = tenant.deliver_to(&world, &server.url(), 30).await;
        assert_eq!(delivery["response_body"], json!(String::from_utf8_lossy(bomb)), "{encoding}");
    }
    let receiver = Receiver::new().await;
    tenant.deliver_to(&world, &receiver.url(), 30).await;
    assert!(receiver.only().headers.get("accept-encoding").is_none());
}

fn tls_config() -> Arc<rustls::ServerConfig> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(config.with_single_cert(vec![cert.der().clone()], key).unwrap())
}

/// The receiver's behavior on a connection that should use TLS.
#[derive(Debug, Clone, Copy)]
enum Tls {
    SelfSigned,
    ReadsAndHangs,
    ReadsAndResets,
    ReadsAndEnds,
    RepeatsGarbage,
}

#[tokio::test]
async fn an_untrusted_tls_connection_fails_before_anything_is_sent() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let sent = Arc::new(Mutex::new(0));
    for (tls, expected) in [
        (Tls::SelfSigned, "tls"),
        (Tls::ReadsAndHangs, "timeout"),
        (Tls::ReadsAndResets, "connect"),
        (Tls::ReadsAndEnds, "connect"),
        (Tls::RepeatsGarbage, "tls"),
    ] {
        let (config, seen) = (tls_config(), Arc::clone(&sent));
        let server = RawServer::serving(move |mut stream| {
            let (acceptor, seen) = (TlsAcceptor::from(Arc::clone(&config)), Arc::clone(&seen));
            async move {
                if let Tls::SelfSigned = tls {
                    let mut stream = acceptor.accept(stream).await?;
                    read_request(&mut stream).await?;
                    *seen.lock().unwrap() += 1;
                    return stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                }
                stream.read_buf(&mut Vec::with_capacity(16 * 1024)).await?;
                match tls {
                    Tls::ReadsAndHangs => std::future::pending().await,
                    Tls::ReadsAndResets => stream.set_zero_linger(),
                    Tls::RepeatsGarbage => loop {
                        stream.write_all(&[0xa5; 1024]).await?;
                    },
                    Tls::SelfSigned | Tls::ReadsAndEnds => Ok(()),
                }
            }
        })
        .await;
        let timeout_seconds = if expected == "timeout" { 1 } else { 30 };
        let url = server.url().replace("http:", "https:");
        let delivery = tenant.deliver_to(&world, &url, timeout_seconds).await;
        assert_eq!((&delivery["error"], server.connections()), (&json!(expected), 1), "{tls:?}");
        assert_eq!(delivery["response_status"], Value::Null);
    }
    assert_eq!(*sent.lock().unwrap(), 0);
}

/// HTTP/2 would add frames, streams and resets to the attack surface without a benefit.
#[tokio::test]
async fn only_http_1_1_is_offered() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let offered = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&offered);
    let server = RawServer::serving(move |stream| {
        let seen = Arc::clone(&seen);
        async move {
            let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            let hello = hello.client_hello();
            let protocols = hello.alpn().into_iter().flatten().map(|name| String::from_utf8_lossy(name).into_owned());
            seen.lock().unwrap().extend(protocols);
            Err(io::Error::other("the server has seen enough"))
        }
    })
    .await;
    tenant.deliver_to(&world, &server.url().replace("http:", "https:"), 30).await;
    assert_eq!(*offered.lock().unwrap(), ["http/1.1"]);
}
