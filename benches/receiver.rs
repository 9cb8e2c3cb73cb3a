//! A receiver that remembers every request.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

/// One request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// `X-Webhook-Delivery`.
    pub(crate) delivery: String,
    /// `webhook-id`.
    pub(crate) event: String,
    /// `X-Webhook-Attempt`.
    pub(crate) attempt: u32,
    /// When its body was there.
    pub(crate) at: Instant,
    /// `data.number` of the event.
    pub(crate) number: u64,
}

/// A receiver on a loopback socket.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

/// How a receiver behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    /// How long it waits before it answers.
    pub(crate) delay: Duration,
    /// Which requests it answers with 500.
    pub(crate) fails: Fails,
}

/// Which requests a receiver answers with 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fails {
    /// None.
    Never,
    /// All.
    Always,
    /// The first attempt of one delivery in so many.
    FirstAttemptOfOneIn(u64),
    /// All but one request in so many, in the order of their arrival.
    AllButOneIn(usize),
}

impl Behaviour {
    /// Answers 200 at once.
    pub(crate) const HEALTHY: Self = Self { delay: Duration::ZERO, fails: Fails::Never };
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

    /// What came in until now.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests came in until now.
    pub(crate) fn count(&self) -> usize {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until so many requests came in, or until none has for as long as the patience lasts, and says which.
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

    /// Forgets what came in until now.
    pub(crate) fn forget(&self) {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many different events came in until now.
    pub(crate) fn events(&self) -> usize {
        self.attempts_by(|arrival| arrival.event.clone()).len()
    }

    /// The highest attempt that came in, by whatever names what was attempted.
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
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let at = Instant::now();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let number = number(&body).unwrap_or_default();
    let arrival = Arrival {
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
    tokio::time::sleep(behaviour.delay).await;
    if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}

/// The number that a publisher gave the event: found, not parsed, since the receiver must not be what is measured.
fn number(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("\"number\":")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}
