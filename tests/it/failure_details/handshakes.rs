//! Receivers that end or break the TLS handshake.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::Scene;
use crate::support::{Authority, RawServer, World, read_request};

fn alert(code: u8) -> Vec<u8> {
    vec![0x15, 3, 3, 0, 2, 2, code]
}

/// The answer of a server that supports no later version than TLS 1.1: a `ServerHello` of that version with the cipher
/// suite `TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA`.
fn hello_of_tls_1_1() -> Vec<u8> {
    let version = [3, 2];
    let hello = [&version[..], &[7; 32], &[0], &[0xc0, 0x13], &[0]].concat();
    let message = [&[2, 0, 0, hello.len() as u8][..], &hello].concat();
    [&[0x16][..], &version, &[0, message.len() as u8], &message].concat()
}

/// A server that reads the client's hello, sends these bytes, and closes or resets the connection.
async fn after_hello(answer: Vec<u8>, resets: bool) -> RawServer {
    RawServer::serving(move |mut stream: TcpStream| {
        let answer = answer.clone();
        async move {
            stream.read_buf(&mut Vec::with_capacity(16 * 1024)).await?;
            stream.write_all(&answer).await?;
            if resets { stream.set_zero_linger() } else { io::Result::Ok(()) }
        }
    })
    .await
}

pub(super) async fn scenes(world: &World) -> Vec<Scene> {
    let part_of_a_hello = hello_of_tls_1_1()[..20].to_vec();
    let mut scenes = Vec::new();
    for (situation, answer, resets, expected) in [
        ("the alert handshake_failure", alert(40), false, "tls: handshake_refused"),
        ("the alert protocol_version", alert(70), false, "tls: handshake_refused"),
        ("the alert unrecognized_name", alert(112), false, "tls: handshake_refused"),
        ("the alert bad_certificate", alert(42), false, "tls: client_certificate_wanted"),
        ("TLS 1.1", hello_of_tls_1_1(), false, "tls: handshake_refused"),
        ("plain HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), false, "tls: handshake_refused"),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), false, "tls: handshake_refused"),
        ("a close after the client's hello", Vec::new(), false, "connect: closed_before_answer"),
        ("a reset after the client's hello", Vec::new(), true, "connect: connection_reset"),
        ("a close within the server's hello", part_of_a_hello.clone(), false, "connect: closed_before_answer"),
        ("a reset within the server's hello", part_of_a_hello, true, "connect: connection_reset"),
    ] {
        let server = after_hello(answer, resets).await;
        scenes.push(Scene::over_tls(server, situation, &world.process, expected));
    }
    scenes.extend(after_the_handshake(world).await);
    scenes
}

/// Receivers that end the connection after the handshake and the request.
async fn after_the_handshake(world: &World) -> Vec<Scene> {
    let authority = Authority::new();
    let process = world.process_trusting(vec![authority.root()]);
    let mut scenes = Vec::new();
    for (situation, resets, expected) in [
        ("a close after the request over TLS", false, "invalid_response: closed_before_answer"),
        ("a reset after the request over TLS", true, "invalid_response: connection_reset"),
    ] {
        let acceptor = TlsAcceptor::from(authority.server(|_| {}));
        let server = RawServer::serving(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await?;
                read_request(&mut stream).await?;
                if resets { stream.get_ref().0.set_zero_linger() } else { Ok(()) }
            }
        })
        .await;
        scenes.push(Scene::over_tls(server, situation, &process, expected));
    }
    scenes
}
