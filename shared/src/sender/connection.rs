//! A connection that records whether a response to the current request has begun.
//!
//! `hyper` reports the end of a connection in the same way whether or not a part of a response was received. The
//! difference matters: a reused connection that ends without a byte of a response was closed while it was idle, and
//! the receiver may never have seen the request.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use http::Extensions;
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// The first bytes of every request. The sender makes no other requests.
const METHOD: &[u8] = b"POST ";

/// The connection ended after a request was written and before the first byte of its response was read.
#[derive(Debug, thiserror::Error)]
#[error("the connection ended before a response began")]
pub(super) struct NoAnswer(#[source] io::Error);

/// Identifies a request within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestNumber(u64);

tokio::task_local! {
    static CURRENT: RequestNumber;
}

impl RequestNumber {
    /// A number that is unique in the process.
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a request under this number. Connections that its future opens are marked with it. The client may
    /// finish opening a connection after the request was sent over another one; such a connection has no mark.
    pub(super) async fn run<F: Future>(self, request: F) -> F::Output {
        CURRENT.scope(self, request).await
    }
}

/// Properties of the connection of a request.
#[derive(Debug, Clone)]
pub(super) struct Info {
    opened_for: Option<RequestNumber>,
    end: watch::Receiver<()>,
}

impl Info {
    /// The properties of one of this client's connections.
    pub(super) fn of(connected: &Connected) -> Option<Self> {
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        extras.remove()
    }

    /// Whether the connection was opened for this request, and not reused.
    pub(super) fn is_opened_for(&self, request: RequestNumber) -> bool {
        self.opened_for == Some(request)
    }

    /// Returns when the connection is closed on this side as well. The result of its last request is available
    /// before that.
    pub(super) async fn ended(mut self) {
        while self.end.changed().await.is_ok() {}
    }
}

/// The progress of the current request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// No request is in progress: none was written, or a response has begun.
    Idle,
    /// A request was written, and nothing of its response was read.
    AwaitingAnswer,
}

/// A connection that reports its end as [`NoAnswer`] if it leaves a request without a response.
#[derive(Debug)]
pub(super) struct Watched<T> {
    inner: T,
    opened_for: Option<RequestNumber>,
    /// Its receivers are notified when the connection is dropped.
    alive: watch::Sender<()>,
    progress: Progress,
    /// The error of a failed write. The next read without a response reports it: a receiver may respond and close
    /// the connection before it has read the complete request.
    write_error: Option<io::Error>,
}

impl<T> Watched<T> {
    /// A new connection, opened for the current request.
    pub(super) fn new(inner: T) -> Self {
        let opened_for = CURRENT.try_with(|number| *number).ok();
        let alive = watch::Sender::new(());
        Self { inner, opened_for, alive, progress: Progress::Idle, write_error: None }
    }

    /// Records that these bytes are about to be written.
    fn observe_write(&mut self, bytes: &[u8]) {
        if bytes.starts_with(METHOD) {
            self.progress = Progress::AwaitingAnswer;
        }
    }

    /// Stores the error of a write of `length` bytes and reports success, so that a response is read first.
    fn written(&mut self, result: io::Result<usize>, length: usize) -> io::Result<usize> {
        result.or_else(|error| {
            self.write_error.get_or_insert(error);
            Ok(length)
        })
    }

    /// The result of a read at the end of the connection: `error`, or an orderly end if it is `None` and no request
    /// is in progress.
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
        this.observe_write(buf);
        let result = ready!(Pin::new(&mut this.inner).poll_write(cx, buf));
        Poll::Ready(this.written(result, buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.observe_write(bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| buf));
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
        self.inner.connected().extra(Info { opened_for: self.opened_for, end: self.alive.subscribe() })
    }
}
