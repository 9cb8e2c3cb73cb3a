//! A TCP server for tests that sends arbitrary bytes as a receiver's response.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A step of a server on a connection. The connection is closed after the last step.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads the complete request.
    Read,
    /// Reads only the first byte of the request.
    ReadByte,
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Sends these bytes repeatedly until the connection ends.
    Repeat(Vec<u8>),
    /// Sends these bytes repeatedly, one at a time with a delay after each.
    Drip(Vec<u8>),
    /// Does nothing more and keeps the connection open.
    Hang,
    /// Resets the connection.
    Reset,
}

/// A running server. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct RawServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl RawServer {
    /// Starts a server that performs these steps on every connection.
    pub(crate) async fn new(steps: impl Into<Vec<Step>>) -> Self {
        let steps: Arc<[Step]> = steps.into().into();
        Self::serving(move |stream| {
            let steps = Arc::clone(&steps);
            async move { perform(stream, &steps).await }
        })
        .await
    }

    /// Starts a server that reads the request and sends this response. Then it keeps the connection open or closes it.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>, hangs: bool) -> Self {
        let mut steps = vec![Step::Read, Step::Say(answer.into())];
        steps.extend(hangs.then_some(Step::Hang));
        Self::new(steps).await
    }

    /// Starts a server that calls `serve` for every connection.
    pub(crate) async fn serving<F>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        Self { address, connections, serving }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The number of accepted connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The delay after each byte of `Drip`.
const DRIP: Duration = Duration::from_millis(20);

async fn perform(mut stream: TcpStream, steps: &[Step]) -> io::Result<()> {
    for step in steps {
        match step {
            Step::Read => read_request(&mut stream).await?,
            Step::ReadByte => drop(stream.read_u8().await?),
            Step::Say(bytes) => stream.write_all(bytes).await?,
            Step::Repeat(bytes) => loop {
                stream.write_all(bytes).await?;
            },
            Step::Drip(bytes) => loop {
                drip(&mut stream, bytes).await?;
            },
            Step::Hang => pending::<()>().await,
            Step::Reset => return stream.set_zero_linger(),
        }
    }
    stream.shutdown().await
}

async fn drip(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    for byte in bytes {
        stream.write_u8(*byte).await?;
        tokio::time::sleep(DRIP).await;
    }
    Ok(())
}

/// Reads a head and a body of the announced length. The kernel resets a connection that is closed with unread data.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut request = Vec::new();
    let mut whole = None;
    while whole.is_none_or(|length| request.len() < length) {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        // The end of a TLS client hello is not detected.
        if request.first() == Some(&0x16) {
            return Ok(());
        }
        whole = whole.or_else(|| length_of_request(&request));
    }
    Ok(())
}

/// The length of a request, if its head is complete.
fn length_of_request(beginning: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(beginning).to_ascii_lowercase();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let body = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    Some(head.len() + 4 + body.unwrap_or(0))
}
