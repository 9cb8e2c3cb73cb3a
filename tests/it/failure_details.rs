//! The details of failures before the response, in the delivery's record and in the log. `hostile_receivers.rs` tests
//! the details of unreadable responses.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use serde_json::json;
use shared::domain::delivery::attempt::{Cause, Detail};
use shared::sender::Lookup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{Authority, Process, RawServer, Tenant, World, read_request};

/// Delivers one event to the URL, and returns the recorded cause and detail.
async fn failure(world: &World, tenant: &Tenant, process: &Process, url: &str) -> (String, Option<String>) {
    let endpoint = tenant.endpoint_with(json!({"url": url, "retry_schedule": []})).await;
    let id = tenant.publish_one().await;
    process.drain().await;
    let attempt = world.last_attempt(&id).await;
    let name = |attribute: &str| attempt.get(attribute).map(|value| value.as_s().unwrap().clone());
    let found = (name("error").unwrap_or_else(|| "success".to_owned()), name("detail"));
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    found
}

/// A server that accepts TLS connections and responds to a request.
async fn over_tls(config: Arc<ServerConfig>) -> RawServer {
    RawServer::serving(move |stream| {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        async move {
            let mut stream = acceptor.accept(stream).await?;
            read_request(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
        }
    })
    .await
}

fn alone(params: CertificateParams) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Authority::server_of(certificate.der().clone(), &key)
}

#[tokio::test]
async fn a_failed_check_of_a_certificate_is_recorded_with_its_detail() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let authority = Authority::new();
    let process = world.process_trusting(vec![authority.root()]);
    let expired = authority.server(|it| it.not_after = date_time_ymd(2020, 1, 1));
    let early = authority.server(|it| it.not_before = date_time_ymd(4000, 1, 1));
    let other_name = authority.server(|it| {
        it.subject_alt_names.clear();
        it.subject_alt_names.push(rcgen::SanType::DnsName("other.example".try_into().unwrap()));
    });
    let nameless = authority.server(|it| it.subject_alt_names.clear());
    let for_clients = authority.server(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let self_signed = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let self_signed = Authority::server_of(self_signed.cert.der().clone(), &self_signed.signing_key);
    let own_authority = alone({
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "own");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
    });
    for (situation, config, expected) in [
        ("the certificate is trusted", authority.server(|_| {}), None),
        ("the certificate has expired", expired, Some("certificate_expired")),
        ("the certificate is not valid yet", early, Some("certificate_not_yet_valid")),
        ("the certificate is for another name", other_name, Some("certificate_wrong_name")),
        ("the certificate has no name", nameless, Some("certificate_wrong_name")),
        ("the certificate is for clients", for_clients, Some("certificate_invalid")),
        ("the issuer is unknown", Authority::new().server(|_| {}), Some("certificate_unknown_issuer")),
        ("the certificate is self-signed", self_signed, Some("certificate_unknown_issuer")),
        ("the certificate is an authority's own", own_authority, Some("certificate_invalid")),
        (
            "a TLS 1.2 server requires a client certificate",
            authority.server_for_known_clients(&TLS12),
            Some("client_certificate_wanted"),
        ),
        (
            "a TLS 1.3 server requires a client certificate",
            authority.server_for_known_clients(&TLS13),
            Some("client_certificate_wanted"),
        ),
    ] {
        let server = over_tls(config).await;
        let found = failure(&world, &tenant, &process, &server.url().replace("http:", "https:")).await;
        let cause = if expected.is_some() { "tls" } else { "success" };
        assert_eq!(found, (cause.to_owned(), expected.map(str::to_owned)), "{situation}");
    }
}

#[tokio::test]
async fn a_handshake_that_the_receiver_ends_is_recorded_with_its_detail() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let alert = |code: u8| vec![0x15, 3, 3, 0, 2, 2, code];
    for (situation, answer, resets, expected) in [
        ("handshake_failure", alert(40), false, ("tls", "handshake_refused")),
        ("protocol_version", alert(70), false, ("tls", "handshake_refused")),
        ("unrecognized_name", alert(112), false, ("tls", "handshake_refused")),
        ("bad_certificate", alert(42), false, ("tls", "client_certificate_wanted")),
        ("plain HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), false, ("tls", "handshake_refused")),
        ("a closed connection", Vec::new(), false, ("connect", "closed_before_answer")),
        ("a reset", Vec::new(), true, ("connect", "connection_reset")),
    ] {
        let server = RawServer::serving(move |mut stream: TcpStream| {
            let answer = answer.clone();
            async move {
                stream.read_buf(&mut Vec::with_capacity(16 * 1024)).await?;
                stream.write_all(&answer).await?;
                if resets { stream.set_zero_linger() } else { io::Result::Ok(()) }
            }
        })
        .await;
        let url = server.url().replace("http:", "https:");
        let (cause, detail) = failure(&world, &tenant, &world.process, &url).await;
        assert_eq!((cause.as_str(), detail.as_deref()), (expected.0, Some(expected.1)), "{situation}");
    }
}

#[tokio::test]
async fn a_failed_connection_is_recorded_with_its_detail() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let found = failure(&world, &tenant, &world.process, &format!("http://{unused}/")).await;
    assert_eq!(found, ("connect".to_owned(), Some("connection_refused".to_owned())));

    let missing = Lookup::from_fn(async |_| Err(io::ErrorKind::NotFound.into()));
    let empty = Lookup::from_fn(async |_| Ok(Vec::new()));
    let failing = Lookup::from_fn(async |_| Err(io::Error::other("the server failed")));
    for (process, url, detail) in [
        (world.process_looking_up(missing), "http://receiver.test/", Some("name_not_found")),
        (world.process_looking_up(empty), "http://receiver.test/", Some("no_address")),
        (world.process_looking_up(failing), "http://receiver.test/", None),
        (
            world.process.clone(),
            &format!("http://{}.test/", "label-of-more-than-63-characters".repeat(3)),
            Some("name_not_found"),
        ),
    ] {
        let found = failure(&world, &tenant, &process, url).await;
        assert_eq!(found, ("dns".to_owned(), detail.map(str::to_owned)), "{url}");
    }
}

#[test]
fn every_detail_has_a_unique_name_and_belongs_to_a_cause() {
    let names: BTreeSet<_> = Detail::ALL.iter().map(|detail| detail.as_str()).collect();
    assert_eq!(names.len(), Detail::ALL.len());
    for detail in Detail::ALL {
        assert_eq!(Detail::parse(detail.as_str()), Some(detail));
        let says_little = [Cause::Dns, Cause::Connect, Cause::Tls, Cause::InvalidResponse];
        assert!(!detail.causes().is_empty() && detail.causes().iter().all(|cause| says_little.contains(cause)));
    }
}
