//! A receiver in a process of its own, so that its cost is not measured.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::serve::ListenerExt;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::cpu;
use crate::report::print;

/// The command that runs the receiver's process.
pub(crate) const COMMAND: &str = "sink";

/// The requests since the last read.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The number of requests.
    pub(crate) requests: usize,
    /// The number of different deliveries.
    pub(crate) deliveries: usize,
    /// The number of new connections.
    pub(crate) connections: usize,
    /// The headers of the latest request.
    pub(crate) headers: HashMap<String, String>,
    /// The CPU time of the receiver since its start.
    pub(crate) cpu: Duration,
}

/// The process of a receiver. Dropping it kills the process.
pub(crate) struct Sink {
    address: String,
    http: reqwest::Client,
    _process: Child,
}

impl Sink {
    /// Starts a receiver that responds after this delay.
    pub(crate) async fn start(delay: Duration) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(COMMAND).arg("--delay-ms").arg(delay.as_millis().to_string());
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let output = process.stdout.take().context("the receiver's output is not piped")?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address).await?;
        Ok(Self { address: address.trim().to_owned(), http: reqwest::Client::new(), _process: process })
    }

    /// The URL for deliveries.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks/orders", self.address)
    }

    /// The requests since the last call.
    pub(crate) async fn seen(&self) -> anyhow::Result<Seen> {
        seen(&self.http, &self.address).await
    }
}

/// The requests to this address since the last call.
pub(crate) async fn seen(http: &reqwest::Client, address: &str) -> anyhow::Result<Seen> {
    Ok(http.get(format!("http://{address}/")).send().await?.error_for_status()?.json().await?)
}

#[derive(Debug, Default)]
struct Tally {
    seen: Seen,
    deliveries: HashSet<Box<[u8]>>,
    last: HeaderMap,
}

#[derive(Debug, Clone)]
struct SinkState {
    tally: Arc<Mutex<Tally>>,
    delay: Duration,
}

impl SinkState {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Receives until the process is killed. Prints its address.
pub(crate) async fn run(delay: Duration) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    print(&listener.local_addr()?.to_string());
    serve(listener, delay).await
}

/// Receives on a socket and responds after this delay.
pub(crate) async fn serve(listener: TcpListener, delay: Duration) -> anyhow::Result<()> {
    let state = SinkState { tally: Arc::default(), delay };
    let counting = state.clone();
    let listener = listener.tap_io(move |connection| {
        let _ = connection.set_nodelay(true);
        counting.tally().seen.connections += 1;
    });
    let routes = axum::Router::new().route("/", axum::routing::get(report)).route("/{*path}", post(receive));
    Ok(axum::serve(listener, routes.with_state(state)).await?)
}

async fn receive(State(state): State<SinkState>, headers: HeaderMap, body: axum::body::Bytes) -> StatusCode {
    if !state.delay.is_zero() {
        tokio::time::sleep(state.delay).await;
    }
    let mut tally = state.tally();
    if body.is_empty() {
        return StatusCode::BAD_REQUEST;
    }
    tally.seen.requests += 1;
    if let Some(delivery) = headers.get("x-webhook-delivery") {
        tally.deliveries.insert(delivery.as_bytes().into());
    }
    tally.last = headers;
    StatusCode::OK
}

async fn report(State(state): State<SinkState>) -> Result<String, StatusCode> {
    let tally = std::mem::take(&mut *state.tally());
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = tally.last.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let seen = Seen { headers, deliveries: tally.deliveries.len(), cpu: cpu::of_process(), ..tally.seen };
    serde_json::to_string(&seen).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
