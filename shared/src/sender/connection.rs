//! A connection that knows whether the receiver began to answer the current request.
//!
//! `hyper` reports the end of a connection in the same way whether or not a part of an answer came before it. The
//! difference matters. A kept connection that ends without a byte of an answer was closed while it was idle, and the
//! receiver may never have seen the request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use http::Extensions;
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// What the first write of every request begins with. The sender makes no other requests.
const METHOD: &[u8] = b"POST ";

/// The connection ended after a request was written and before the first byte of its answer was read.
#[derive(Debug, thiserror::Error)]
#[error("the connection ended before an answer began")]
pub(super) struct NoAnswer(#[source] io::Error);

/// Tells the requests of a process apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestNumber(u64);

tokio::task_local! {
    static CURRENT: RequestNumber;
}

impl RequestNumber {
    /// A number that no other request of the process has.
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a request under this number: the connections that its future makes are made for it. The client may go on with
    /// the making of a connection after the request got another one; such a connection is made for no request.
    pub(super) async fn run<F: Future>(self, request: F) -> F::Output {
        CURRENT.scope(self, request).await
    }
}

/// What the client can learn about the connection of a request.
#[derive(Debug, Clone)]
pub(super) struct Info {
    made_for: Option<RequestNumber>,
    end: watch::Receiver<()>,
}

impl Info {
    /// The information about a connection of the client.
    pub(super) fn of(connected: &Connected) -> Option<Self> {
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        extras.remove()
    }

    /// Whether the connection was made for this request, and not kept for it.
    pub(super) fn is_made_for(&self, request: RequestNumber) -> bool {
        self.made_for == Some(request)
    }

    /// Returns when the connection is closed on this side too. What came of its last request is known before.
    pub(super) async fn ended(mut self) {
        while self.end.changed().await.is_ok() {}
    }
}

/// How far the current request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// No request is under way, as far as it is known: none was written yet, or an answer has begun.
    Idle,
    /// A request was written, and nothing of its answer was read yet.
    Asked,
}

/// A connection whose end is reported as [`NoAnswer`] when it leaves a request without an answer.
#[derive(Debug)]
pub(super) struct Watched<T> {
    inner: T,
    made_for: Option<RequestNumber>,
    /// Its receivers learn that the connection is dropped.
    alive: watch::Sender<()>,
    progress: Progress,
    /// Why writing failed. It is reported by the next read that finds no answer: a receiver may answer, and then close,
    /// before it has read the whole request.
    write_error: Option<io::Error>,
}

impl<T> Watched<T> {
    /// A new connection, made for the current request.
    pub(super) fn new(inner: T) -> Self {
        let made_for = CURRENT.try_with(|number| *number).ok();
        let alive = watch::Sender::new(());
        Self { inner, made_for, alive, progress: Progress::Idle, write_error: None }
    }

    /// Takes note that these bytes, if any, are about to be written.
    fn asks(&mut self, bytes: &[u8]) {
        if bytes.starts_with(METHOD) {
            self.progress = Progress::Asked;
        }
    }

    /// Hides the failure of a write of so many bytes, until the answer has been looked for.
    fn written(&mut self, result: io::Result<usize>, length: usize) -> io::Result<usize> {
        result.or_else(|error| {
            self.write_error.get_or_insert(error);
            Ok(length)
        })
    }

    /// What the end of the connection means: `error`, or the orderly end that is passed on.
    fn ended(&mut self, error: Option<io::Error>) -> io::Result<()> {
        let error = self.write_error.take().or(error);
        if self.progress == Progress::Idle {
            return error.map_or(Ok(()), Err);
        }
        let error = error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        Err(io::Error::new(error.kind(), NoAnswer(error)))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        Poll::Ready(match ready!(Pin::new(&mut this.inner).poll_read(cx, buf)) {
            Ok(()) if buf.filled().len() > before => {
                this.progress = Progress::Idle;
                Ok(())
            }
            Ok(()) if buf.remaining() == 0 => Ok(()),
            Ok(()) => this.ended(None),
            Err(error) => this.ended(Some(error)),
        })
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.asks(buf);
        let result = ready!(Pin::new(&mut this.inner).poll_write(cx, buf));
        Poll::Ready(this.written(result, buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.asks(bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| buf));
        let result = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, bufs));
        Poll::Ready(this.written(result, bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = ready!(Pin::new(&mut this.inner).poll_flush(cx));
        Poll::Ready(this.written(result.map(|()| 0), 0).map(|_| ()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl<T: Connection> Connection for Watched<T> {
    fn connected(&self) -> Connected {
        self.inner.connected().extra(Info { made_for: self.made_for, end: self.alive.subscribe() })
    }
}
