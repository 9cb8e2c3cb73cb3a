//! A receiver on a loopback socket. It sends scripted responses and keeps the requests.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use shared::domain::time::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::{Fuse, PATIENCE};

/// A running receiver. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    memory: Arc<Memory>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Memory {
    script: Mutex<VecDeque<Answer>>,
    otherwise: Answer,
    received: Mutex<Vec<Received>>,
    arrival: Notify,
    dying: Mutex<Option<Dying>>,
}

/// The fuse of the process that sends the requests, and the time at which the process died.
#[derive(Debug, Clone)]
struct Dying {
    fuse: Fuse,
    died_at: Option<Timestamp>,
}

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) arrived: Instant,
}

impl Receiver {
    /// A receiver that responds with 200.
    pub(crate) async fn new() -> Self {
        Self::scripted([]).await
    }

    /// A receiver that gives these responses to the first requests and 200 to the others.
    pub(crate) async fn scripted(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::scripted_then(answers, Answer::status(200)).await
    }

    /// A receiver that always gives this response.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::scripted_then([], answer).await
    }

    /// A receiver that gives these responses to the first requests and `otherwise` to the others.
    pub(crate) async fn scripted_then(script: impl IntoIterator<Item = Answer>, otherwise: Answer) -> Self {
        let memory = Arc::new(Memory {
            script: Mutex::new(script.into_iter().collect()),
            otherwise,
            received: Mutex::default(),
            arrival: Notify::new(),
            dying: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().fallback(receive).with_state(Arc::clone(&memory));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, memory, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Counts requests from now on as changing calls of the process with this fuse.
    pub(crate) fn behind(&self, fuse: &Fuse) {
        *self.memory.dying.lock().unwrap() = Some(Dying { fuse: fuse.clone(), died_at: None });
    }

    /// Sets the time of the process's death, in whole seconds. Requests that the process sent before are ignored.
    /// Requests that are sent from then on get responses again.
    pub(crate) fn outlives_it(&self, now: Timestamp) {
        if let Some(dying) = &mut *self.memory.dying.lock().unwrap() {
            dying.died_at = Some(now);
        }
    }

    /// Adds these responses to the script.
    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.memory.script.lock().unwrap().extend(answers);
    }

    /// Removes the remaining responses of the script.
    pub(crate) fn forget_script(&self) {
        self.memory.script.lock().unwrap().clear();
    }

    /// All received requests.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.memory.received.lock().unwrap().clone()
    }

    /// The only received request. Panics if there is none or more than one.
    #[track_caller]
    pub(crate) fn only(&self) -> Received {
        let mut received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }

    /// Waits until this many requests have arrived.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let waiting = async {
            loop {
                let arrival = self.memory.arrival.notified();
                let received = self.received();
                if received.len() >= count {
                    return received;
                }
                arrival.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("expected {count} requests, got {}", self.received().len()))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(State(memory): State<Arc<Memory>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Response::default() };
    let body = body.to_bytes();
    let dying = memory.dying.lock().unwrap().clone().filter(|dying| dying.sent(&head.headers));
    let answer = match dying {
        None => memory.take(head, body),
        Some(dying) => dying.fuse.pass(async { memory.take(head, body) }).await,
    };
    answer.give().await
}

impl Dying {
    fn sent(&self, headers: &HeaderMap) -> bool {
        let sent_at = || headers.get("webhook-timestamp")?.to_str().ok()?.parse::<i64>().ok();
        self.died_at.is_none_or(|died_at| sent_at().is_some_and(|at| at < died_at.unix_seconds()))
    }
}

impl Memory {
    /// Keeps a request and returns its response.
    fn take(&self, head: Parts, body: Bytes) -> Answer {
        let answer = self.script.lock().unwrap().pop_front().unwrap_or_else(|| self.otherwise.clone());
        self.received.lock().unwrap().push(Received {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body,
            arrived: Instant::now(),
        });
        self.arrival.notify_waiters();
        answer
    }
}

impl Received {
    /// The value of a header. Panics unless the header is present exactly once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "{name}: {values:?}");
        values[0].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver's response.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    gate: Option<Gate>,
    takes: Duration,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), gate: None, takes: Duration::ZERO }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    #[must_use]
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Delays the response until the gate opens.
    #[must_use]
    pub(crate) fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Delays the response by this time, like a slow receiver.
    #[must_use]
    pub(crate) fn after(mut self, takes: Duration) -> Self {
        self.takes = takes;
        self
    }

    async fn give(self) -> Response {
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        response
    }
}

/// A gate that blocks tasks until it is opened. It cannot be closed again. Clones share the gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn open(&self) {
        self.0.close();
    }

    pub(crate) async fn pass(&self) {
        // A closed semaphore lets all tasks pass.
        let _ = self.0.acquire().await;
    }
}
