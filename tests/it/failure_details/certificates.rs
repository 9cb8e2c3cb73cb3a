//! Receivers with certificates that are refused, and receivers that require one.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, duplex, sink};
use tokio_rustls::TlsAcceptor;

use super::Scene;
use crate::support::{Authority, RawServer, World, read_request};

/// A server that accepts TLS connections and responds to a request.
async fn over_tls(config: Arc<ServerConfig>) -> RawServer {
    RawServer::serving(move |stream| {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        async move {
            let mut stream = match acceptor.accept(stream).into_fallible().await {
                Ok(stream) => stream,
                // Unread data would turn the close into a reset, which can overtake the alert.
                Err((error, mut stream)) => {
                    copy(&mut stream, &mut sink()).await?;
                    return Err(error);
                }
            };
            read_request(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
        }
    })
    .await
}

/// A server that refuses a client without a certificate as OpenSSL does with TLS 1.2: with the alert `handshake_failure`.
async fn with_alerts_of_openssl(config: Arc<ServerConfig>) -> RawServer {
    const ALERT: [u8; 6] = [0x15, 3, 3, 0, 2, 2];
    const HANDSHAKE_FAILURE: u8 = 40;
    RawServer::serving(move |mut stream| {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        async move {
            let (near, far) = duplex(64 * 1024);
            let (mut from_client, mut to_client) = stream.split();
            let (mut from_server, mut to_server) = tokio::io::split(near);
            let accepting = async { acceptor.accept(far).await.map(drop) };
            let requests = copy(&mut from_client, &mut to_server);
            let responses = async {
                let mut bytes = Vec::new();
                while from_server.read_buf(&mut bytes).await? > 0 {
                    if let Some((code, record)) = bytes.split_last_mut()
                        && record.ends_with(&ALERT)
                    {
                        *code = HANDSHAKE_FAILURE;
                    }
                    to_client.write_all(&bytes).await?;
                    bytes.clear();
                }
                to_client.shutdown().await
            };
            let (_, _, responded) = tokio::join!(accepting, requests, responses);
            responded
        }
    })
    .await
}

/// A server whose certificate is signed with its own key.
fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    Authority::server_of(vec![certificate.der().clone()], &key)
}

pub(super) async fn scenes(world: &World) -> Vec<Scene> {
    let authority = Authority::new();
    let intermediate = authority.intermediate();
    let process = world.process_trusting(vec![authority.root()]);
    let expired = authority.server(|it| it.not_after = date_time_ymd(2020, 1, 1));
    let early = authority.server(|it| it.not_before = date_time_ymd(4000, 1, 1));
    let other_name = authority.server(|it| {
        it.subject_alt_names = vec![SanType::DnsName("other.example".try_into().unwrap())];
    });
    let nameless = authority.server(|it| it.subject_alt_names.clear());
    let for_clients = authority.server(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let as_by_openssl = self_signed(|it| {
        it.distinguished_name.push(DnType::CommonName, "127.0.0.1");
        it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let an_authoritys = authority.server(|it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let mut scenes = Vec::new();
    for (situation, config, expected) in [
        ("the certificate is trusted", authority.server(|_| {}), "success"),
        ("the intermediate certificate is sent", intermediate.server_with_chain(), "success"),
        ("the certificate has expired", expired, "tls: certificate_expired"),
        ("the certificate is not valid yet", early, "tls: certificate_not_yet_valid"),
        ("the certificate is for another name", other_name, "tls: certificate_wrong_name"),
        ("the certificate has no name", nameless, "tls: certificate_wrong_name"),
        ("the certificate is self-signed", self_signed(|_| {}), "tls: certificate_self_signed"),
        ("the certificate is self-signed and an authority's", as_by_openssl, "tls: certificate_self_signed"),
        ("the issuer is unknown", Authority::new().server(|_| {}), "tls: certificate_unknown_issuer"),
        ("the intermediate certificate is missing", intermediate.server(|_| {}), "tls: certificate_unknown_issuer"),
        ("the certificate is for clients", for_clients, "tls: certificate_invalid"),
        ("the certificate is an authority's", an_authoritys, "tls: certificate_invalid"),
        (
            "a TLS 1.2 server requires a client certificate",
            authority.server_for_known_clients(&TLS12),
            "tls: client_certificate_wanted",
        ),
        (
            "a TLS 1.3 server requires a client certificate",
            authority.server_for_known_clients(&TLS13),
            "tls: client_certificate_wanted",
        ),
    ] {
        scenes.push(Scene::over_tls(over_tls(config).await, situation, &process, expected));
    }
    let openssl = with_alerts_of_openssl(authority.server_for_known_clients(&TLS12)).await;
    let situation = "a TLS 1.2 server with OpenSSL requires a client certificate";
    scenes.push(Scene::over_tls(openssl, situation, &process, "tls: client_certificate_wanted"));
    scenes
}
