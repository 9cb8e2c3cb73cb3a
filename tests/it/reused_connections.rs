//! Connections that the receiver closes while the sender keeps them for the next delivery. This says nothing about the
//! receiver's health, so the attempt continues on a new connection.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use shared::domain::delivery::attempt::{Answer, Cause, Detail, Failure, Outcome};
use shared::sender::Lookup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::support::{Authority, PATIENCE, Post, RawServer, eventually, read_request, sender, sender_looking_up};

const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// The receiver's behavior at the second request on a connection.
#[derive(Debug, Clone, Copy)]
enum Second {
    /// The connection was closed before the request.
    Gone,
    /// The connection was reset before the request.
    ResetBefore,
    /// The receiver reads the request and closes the connection.
    Closes,
    /// The receiver reads the request and resets the connection.
    Resets,
    /// The receiver reads one byte and resets the connection.
    ResetsWithin,
    /// The receiver reads the request, sends a part of a response, and closes the connection.
    BeginsToAnswer,
    /// The receiver reads the request and responds.
    Answers,
}

/// Serves a connection: responds to the first request, and treats the second as specified.
async fn serve(mut stream: TcpStream, second: Second) -> io::Result<()> {
    read_request(&mut stream).await?;
    stream.write_all(NO_CONTENT).await?;
    match second {
        Second::Gone => return stream.shutdown().await,
        Second::ResetBefore => return stream.set_zero_linger(),
        Second::ResetsWithin => drop(stream.read_u8().await?),
        _ => read_request(&mut stream).await?,
    }
    match second {
        Second::Resets | Second::ResetsWithin => stream.set_zero_linger(),
        Second::BeginsToAnswer => stream.write_all(b"HTTP/1.1 2").await,
        Second::Answers => stream.write_all(NO_CONTENT).await,
        Second::Gone | Second::ResetBefore | Second::Closes => Ok(()),
    }
}

fn is_success(outcome: &Outcome) -> bool {
    matches!(outcome.answer, Answer::Response { status: 204, .. })
}

#[tokio::test]
async fn a_reused_connection_that_ends_without_a_response_is_replaced_within_the_attempt() {
    let sender = sender(Vec::new());
    for second in [Second::Gone, Second::ResetBefore, Second::Closes, Second::Resets, Second::ResetsWithin] {
        // The larger body does not fit into the socket's buffers.
        for size in [2, 8 * 1024 * 1024] {
            let server = RawServer::serving(move |stream| serve(stream, second)).await;
            let post = Post::to(&server.url());
            assert!(is_success(&post.by(&sender).await), "{second:?}");
            let outcome = Post { body: Bytes::from(vec![b' '; size]), ..post }.by(&sender).await;
            assert!(is_success(&outcome), "{second:?}, {size} bytes: {outcome:?}");
            assert_eq!(server.connections(), 2, "{second:?}, {size} bytes");
        }
    }
}

#[tokio::test]
async fn a_reused_tls_connection_is_replaced_with_and_without_close_notify() {
    let authority = Authority::new();
    let sender = sender(vec![authority.root()]);
    for gives_notice in [true, false] {
        let acceptor = TlsAcceptor::from(authority.server(|_| {}));
        let server = RawServer::serving(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await?;
                read_request(&mut stream).await?;
                stream.write_all(NO_CONTENT).await?;
                read_request(&mut stream).await?;
                if gives_notice { stream.shutdown().await } else { Ok(()) }
            }
        })
        .await;
        let post = Post::to(&server.url().replace("http:", "https:"));
        for _ in 0..2 {
            let outcome = post.by(&sender).await;
            assert!(is_success(&outcome), "{outcome:?}");
        }
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn an_open_connection_is_reused() {
    let server = RawServer::serving(|stream| serve(stream, Second::Answers)).await;
    let (sender, post) = (sender(Vec::new()), Post::to(&server.url()));
    assert!(is_success(&post.by(&sender).await) && is_success(&post.by(&sender).await));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_request_with_a_partial_response_is_not_sent_again() {
    let server = RawServer::serving(|stream| serve(stream, Second::BeginsToAnswer)).await;
    let (sender, post) = (sender(Vec::new()), Post::to(&server.url()));
    assert!(is_success(&post.by(&sender).await));
    let failure = Failure { cause: Cause::InvalidResponse, detail: Some(Detail::ClosedBeforeAnswer) };
    assert_eq!(post.by(&sender).await.answer, Answer::None(failure));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_new_connection_that_ends_without_a_response_is_not_replaced() {
    let sender = sender(Vec::new());
    for (resets, detail) in [(false, Detail::ClosedBeforeAnswer), (true, Detail::ConnectionReset)] {
        let accepted = AtomicUsize::new(0);
        let server = RawServer::serving(move |mut stream| {
            let is_first = accepted.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                read_request(&mut stream).await?;
                if is_first {
                    stream.write_all(NO_CONTENT).await?;
                    read_request(&mut stream).await?;
                }
                if resets { stream.set_zero_linger() } else { Ok(()) }
            }
        })
        .await;
        let post = Post::to(&server.url());
        assert!(is_success(&post.by(&sender).await));
        let failure = Failure { cause: Cause::InvalidResponse, detail: Some(detail) };
        assert_eq!(post.by(&sender).await.answer, Answer::None(failure));
        assert_eq!(server.connections(), 2);
    }
}

/// The client opens a connection while it waits for one that is in use. If the latter is free first, the client keeps
/// the new connection, on which it has sent no request yet.
#[tokio::test]
async fn an_idle_connection_without_a_request_is_replaced_like_a_reused_one() {
    let (gate, arrived) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(0)));
    let found = Arc::clone(&gate);
    let lookup = Lookup::from_fn(move |_| {
        let found = Arc::clone(&found);
        async move {
            found.acquire().await.unwrap().forget();
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        }
    });
    let (accepted, answering) = (AtomicUsize::new(0), Arc::clone(&arrived));
    let server = RawServer::serving(move |mut stream| {
        let (number, answering) = (accepted.fetch_add(1, Ordering::SeqCst), Arc::clone(&answering));
        async move {
            loop {
                read_request(&mut stream).await?;
                if number == 1 {
                    return Ok(());
                }
                answering.acquire().await.unwrap().forget();
                stream.write_all(NO_CONTENT).await?;
            }
        }
    })
    .await;
    let sender = sender_looking_up(lookup);
    let post = Post::to(&format!("http://receiver.test:{}/", server.port()));
    let (first, second) = (post.by(&sender), post.by(&sender));
    let release = async {
        eventually("the first request waits for its response", async || server.connections() == 1).await;
        arrived.add_permits(2);
    };
    let (first, second, ()) = tokio::join!(first, second, release);
    assert!(is_success(&first) && is_success(&second));
    assert_eq!(server.connections(), 1);

    gate.add_permits(2);
    eventually("the second connection is made", async || server.connections() == 2).await;
    // The rest of the connection's setup does not depend on the network.
    tokio::time::sleep(Duration::from_millis(50)).await;
    arrived.add_permits(2);
    let (third, fourth) = tokio::join!(post.by(&sender), post.by(&sender));
    assert!(is_success(&third) && is_success(&fourth), "{third:?} {fourth:?}");
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn both_connections_share_the_time_limit_of_the_attempt() {
    let accepted = AtomicUsize::new(0);
    let server = RawServer::serving(move |mut stream| {
        let is_first = accepted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            read_request(&mut stream).await?;
            if !is_first {
                return pending().await;
            }
            stream.write_all(NO_CONTENT).await?;
            read_request(&mut stream).await?;
            tokio::time::sleep(Duration::from_millis(600)).await;
            Ok(())
        }
    })
    .await;
    let (sender, post) = (sender(Vec::new()), Post::to(&server.url()));
    assert!(is_success(&post.by(&sender).await));
    let outcome = Post { timeout: Duration::from_secs(1), ..post }.by(&sender).await;
    assert_eq!(outcome.answer, Answer::None(Cause::Timeout.into()));
    let limits = Duration::from_secs(1)..Duration::from_millis(1_500);
    assert!(limits.contains(&outcome.duration), "{:?}", outcome.duration);
    assert_eq!(server.connections(), 2);
}

/// A receiver on its own thread that closes or resets a connection that was idle for this time.
fn impatient(idle: Duration, resets: bool) -> (String, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    let (seen, (sender, receiver)) = (Arc::clone(&memory), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = RawServer::serving(move |stream| serve_impatiently(stream, idle, resets, Arc::clone(&seen)));
            let server = server.await;
            sender.send(server.url()).unwrap();
            pending::<()>().await;
        });
    });
    (receiver.recv().unwrap(), memory)
}

#[derive(Default)]
struct Memory {
    open: AtomicUsize,
    bodies: Mutex<BTreeSet<String>>,
}

async fn serve_impatiently(mut stream: TcpStream, idle: Duration, resets: bool, memory: Arc<Memory>) -> io::Result<()> {
    memory.open.fetch_add(1, Ordering::SeqCst);
    let mut patience = PATIENCE;
    let result = loop {
        match tokio::time::timeout(std::mem::replace(&mut patience, idle), stream.readable()).await {
            Ok(_) => match answer(&mut stream, &memory).await {
                Ok(true) => {}
                ended => break ended.map(|_| ()),
            },
            Err(_) if resets => break stream.set_zero_linger(),
            Err(_) => break Ok(()),
        }
    };
    drop(stream);
    memory.open.fetch_sub(1, Ordering::SeqCst);
    result
}

/// Responds to one request, if one arrives. Returns whether one did.
async fn answer(stream: &mut TcpStream, memory: &Memory) -> io::Result<bool> {
    let mut request = Vec::new();
    loop {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&request);
        if let Some((_, body)) = text.split_once("\r\n\r\n").filter(|(_, body)| body.ends_with('}')) {
            memory.bodies.lock().unwrap().insert(body.to_owned());
            stream.write_all(NO_CONTENT).await?;
            return Ok(true);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_delivery_is_lost_if_the_receiver_closes_idle_connections() {
    const LANES: usize = 10;
    const EACH: usize = 200;
    let sender = sender(Vec::new());
    for resets in [false, true] {
        let (url, memory) = impatient(Duration::from_millis(2), resets);
        let post = Post::to(&url);
        let lanes = (0..LANES).map(|lane| {
            let (sender, post) = (sender.clone(), post.clone());
            tokio::spawn(async move {
                let mut lost = Vec::new();
                for n in 0..EACH {
                    let body = Bytes::from(format!("{{\"lane\":{lane},\"n\":{n}}}"));
                    let outcome = Post { body, ..post.clone() }.by(&sender).await;
                    lost.extend(Some(outcome).filter(|outcome| !is_success(outcome)));
                    // The waits range from well before the connection is closed to well after it.
                    tokio::time::sleep(Duration::from_micros(100 * (n as u64 % 40))).await;
                }
                lost
            })
        });
        let lost: Vec<_> = join_all(lanes).await.into_iter().flat_map(|lost| lost.unwrap()).collect();
        assert!(lost.is_empty(), "resets: {resets}: {lost:?}");
        assert_eq!(memory.bodies.lock().unwrap().len(), LANES * EACH);
    }
}

/// Between two batches a function is frozen: it runs no code, and does not notice that its connections are closed.
#[test]
#[allow(clippy::disallowed_methods, reason = "the runtime of the sender must not run meanwhile")]
fn no_delivery_is_lost_if_all_connections_are_closed_during_a_freeze() {
    const BATCH: usize = 10;
    for resets in [false, true] {
        let (url, memory) = impatient(Duration::from_millis(100), resets);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, post) = (sender(Vec::new()), Post::to(&url));
        let batch = || runtime.block_on(join_all((0..BATCH).map(|_| post.by(&sender))));
        for frozen in [false, true, true] {
            let started = std::time::Instant::now();
            while frozen && memory.open.load(Ordering::SeqCst) > 0 {
                assert!(started.elapsed() < PATIENCE);
                std::thread::sleep(Duration::from_millis(5));
            }
            let outcomes = batch();
            assert!(outcomes.iter().all(is_success), "resets: {resets}: {outcomes:?}");
        }
    }
}

/// A receiver may respond without reading the complete request.
#[tokio::test]
async fn a_response_before_the_end_of_the_request_is_accepted() {
    let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nno!";
    let sender = sender(Vec::new());
    for second in [Second::Answers, Second::Closes, Second::Resets] {
        let server = RawServer::serving(move |mut stream| async move {
            stream.read_u8().await?;
            stream.write_all(answer).await?;
            match second {
                Second::Answers => pending().await,
                // Unread data turns the close into a reset. The pause lets the response arrive before it.
                Second::Closes => tokio::time::sleep(Duration::from_millis(100)).await,
                _ => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    stream.set_zero_linger()?;
                }
            }
            Ok(())
        })
        .await;
        let post = Post { body: Bytes::from(vec![b' '; 16 * 1024 * 1024]), ..Post::to(&server.url()) };
        let outcome = post.by(&sender).await;
        assert!(
            matches!(&outcome.answer, Answer::Response { status: 413, kept, .. } if kept.body() == "no!"),
            "{second:?}: {outcome:?}"
        );
        assert_eq!(server.connections(), 1);
    }
}
