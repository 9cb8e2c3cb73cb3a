//! A receiver that keeps every request.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use tokio::net::TcpListener;

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// The request's path.
    pub(crate) path: String,
    /// The value of `X-Webhook-Delivery`.
    pub(crate) delivery: String,
    /// The value of `webhook-id`.
    pub(crate) event: String,
    /// The value of `X-Webhook-Attempt`.
    pub(crate) attempt: u32,
    /// The time at which its body was complete.
    pub(crate) at: Instant,
    /// The event's `data.number`.
    pub(crate) number: u64,
}

/// A receiver on a loopback socket.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

/// The behavior of a receiver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    /// The delay before a response that is delayed.
    pub(crate) delay: Duration,
    /// One response in this many is delayed, in the order of arrival of their requests.
    pub(crate) delays_one_in: usize,
    /// The requests that get a 500 response.
    pub(crate) fails: Fails,
}

/// The requests to which a receiver responds with 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fails {
    /// No request.
    Never,
    /// Every request.
    Always,
    /// The first attempt of one delivery in this many.
    FirstAttemptOfOneIn(u64),
    /// All requests except one in this many, in the order of arrival.
    AllButOneIn(usize),
}

impl Behaviour {
    /// Responds with 200 immediately.
    pub(crate) const HEALTHY: Self = Self { delay: Duration::ZERO, delays_one_in: 1, fails: Fails::Never };
}

impl Receiver {
    pub(crate) async fn start(behaviour: Behaviour) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let receiver = Self { address: listener.local_addr()?, arrivals: Arc::default() };
        let routes = Router::new().fallback(receive).with_state((receiver.clone(), behaviour));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(receiver)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// All requests so far.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of requests so far.
    pub(crate) fn count(&self) -> usize {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until this many requests have arrived, or until none has arrived for `patience`. Returns whether all
    /// arrived.
    pub(crate) async fn wait_for(&self, expected: usize, patience: Duration) -> bool {
        let (mut seen, mut since) = (0, Instant::now());
        while seen < expected && since.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let count = self.count();
            if count > seen {
                (seen, since) = (count, Instant::now());
            }
        }
        seen >= expected
    }

    /// Forgets all requests so far.
    pub(crate) fn forget(&self) {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The number of different events so far.
    pub(crate) fn events(&self) -> usize {
        self.attempts_by(|arrival| arrival.event.clone()).len()
    }

    /// The highest attempt number so far, by the name that `name` gives a request.
    pub(crate) fn attempts_by(&self, name: impl Fn(&Arrival) -> String) -> HashMap<String, u32> {
        let mut attempts = HashMap::new();
        for arrival in self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let highest = attempts.entry(name(arrival)).or_insert(0);
            *highest = arrival.attempt.max(*highest);
        }
        attempts
    }
}

async fn receive(
    State((receiver, behaviour)): State<(Receiver, Behaviour)>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let at = Instant::now();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let number = number(&body).unwrap_or_default();
    let arrival = Arrival {
        path: uri.path().to_owned(),
        delivery: header("x-webhook-delivery").to_owned(),
        event: header("webhook-id").to_owned(),
        attempt: header("x-webhook-attempt").parse().unwrap_or_default(),
        at,
        number,
    };
    let attempt = arrival.attempt;
    let arrived = {
        let mut arrivals = receiver.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.push(arrival);
        arrivals.len()
    };
    let fails = match behaviour.fails {
        Fails::Never => false,
        Fails::Always => true,
        Fails::FirstAttemptOfOneIn(many) => attempt == 1 && number.is_multiple_of(many),
        Fails::AllButOneIn(many) => !arrived.is_multiple_of(many),
    };
    if arrived.is_multiple_of(behaviour.delays_one_in) {
        tokio::time::sleep(behaviour.delay).await;
    }
    if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}

/// The number that a publisher gave the event. It is searched and not parsed, so that the receiver costs little.
fn number(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("\"number\":")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}
