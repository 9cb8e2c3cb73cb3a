//! A server that knows no HTTP: it says, byte by byte, what a test wants a receiver to say.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is done on a connection, one after the other; after the last it is closed.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The whole request comes in.
    Read,
    /// Only the beginning of the request comes in.
    ReadByte,
    /// These bytes go out.
    Say(Vec<u8>),
    /// These bytes go out again and again, for as long as somebody takes them.
    Repeat(Vec<u8>),
    /// The same, one byte at a time and a moment after each.
    Drip(Vec<u8>),
    /// Nothing more happens, and the connection stays.
    Hang,
    /// The connection is reset.
    Reset,
}

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct RawServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl RawServer {
    /// A server that does this on every connection.
    pub(crate) async fn new(steps: impl Into<Vec<Step>>) -> Self {
        let steps: Arc<[Step]> = steps.into().into();
        Self::serving(move |stream| {
            let steps = Arc::clone(&steps);
            async move { perform(stream, &steps).await }
        })
        .await
    }

    /// A server that waits for the request and says this; then it hangs or hangs up.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>, hangs: bool) -> Self {
        let mut steps = vec![Step::Read, Step::Say(answer.into())];
        steps.extend(hangs.then_some(Step::Hang));
        Self::new(steps).await
    }

    /// A server that treats every connection so.
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

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// How long a dripping server waits after each byte.
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

/// Reads a head and as much of a body as it announces: a socket that is closed with something unread is reset.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut request = Vec::new();
    let mut whole = None;
    while whole.is_none_or(|length| request.len() < length) {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        // There is no telling where a TLS client's hello ends.
        if request.first() == Some(&0x16) {
            return Ok(());
        }
        whole = whole.or_else(|| length_of_request(&request));
    }
    Ok(())
}

/// The length of the request that begins so, if its head is complete.
fn length_of_request(beginning: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(beginning).to_ascii_lowercase();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let body = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    Some(head.len() + 4 + body.unwrap_or(0))
}
