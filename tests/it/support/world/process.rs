//! A process of a deployment, and runs of its functions.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use pigeonpost::{Poller, gateway};
use serde_json::Value;
use shared::clock::Clock;
use shared::config::Settings;
use shared::domain::endpoint::lane::{ByLane, Lane};
use shared::domain::time::Timestamp;
use shared::queue::schema::{CONSUMER_BATCH, CONSUMER_TIMEOUT_SECONDS};
use shared::sender::Sender;
use shared::service::{Administrator, Deliverer, Ingestor, Meter, Parts, Publisher, ServiceError, Sweeper};
use shared::telemetry::RequestContext;
use tower::ServiceExt;

use super::{World, ingest_queues};
use crate::support::Reply;

/// How long a run of the sweep may take on AWS.
const SWEEP: Duration = Duration::from_secs(55);
/// A limit above the number of batches in any test. Queues that are not empty after it never become empty.
const MOST_BATCHES: usize = 1_000;

/// The functions and their caches in one process.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) administrator: Arc<Administrator>,
    pub(crate) deliverer: Arc<Deliverer>,
    pub(crate) sweeper: Arc<Sweeper>,
    pub(crate) ingestor: Arc<Ingestor>,
    pub(crate) meter: Arc<Meter>,
    clock: Clock,
    pollers: ByLane<Poller>,
    ingest_poller: Poller,
    router: Router,
}

impl Process {
    pub(super) fn start(sdk: &SdkConfig, settings: &Settings, sender: &Sender, clock: Clock) -> Self {
        let Settings { table, queue_urls, deployment } = settings.clone();
        let parts = Parts::new(sdk, &table, queue_urls.clone(), deployment, clock.clone());
        let deliverer = parts.deliverer(sender.clone());
        let sqs = aws_sdk_sqs::Client::new(sdk);
        let poller = |lane| Poller::new(sqs.clone(), lane, queue_urls.of(lane), Arc::clone(&deliverer), clock.clone());
        let pollers = ByLane { fast: poller(Lane::Fast), slow: poller(Lane::Slow) };
        let (ingestor, url) = (parts.ingestor(sdk, ingest_queues()), ingest_queues().queue);
        let ingest_poller = Poller::of_ingest_queue(sqs, url, Arc::clone(&ingestor), clock.clone());
        let router = gateway(&parts);
        let (publisher, administrator, sweeper) = (parts.publisher(), parts.administrator(), parts.sweeper());
        Self {
            publisher,
            administrator,
            deliverer,
            sweeper,
            ingestor,
            meter: parts.meter(),
            clock,
            pollers,
            ingest_poller,
            router,
        }
    }

    /// Processes one batch of visible messages of the fast lane, and returns their number.
    pub(crate) async fn poll(&self) -> usize {
        self.poll_of(Lane::Fast, CONSUMER_BATCH).await
    }

    /// Like [`poll`](Self::poll), with a batch of at most `most` messages.
    pub(crate) async fn poll_at_most(&self, most: u32) -> usize {
        self.poll_of(Lane::Fast, most).await
    }

    /// Processes one batch of a lane with at most `most` messages, and returns their number.
    pub(crate) async fn poll_of(&self, lane: Lane, most: u32) -> usize {
        self.pollers.of(lane).poll_once(most).await.unwrap()
    }

    /// Processes one batch of resends, which are in the slow lane, and returns their number.
    pub(crate) async fn poll_resends(&self) -> usize {
        self.poll_of(Lane::OF_RESENDS, CONSUMER_BATCH).await
    }

    /// Processes one batch of a lane. Returns an error if the queue refuses a call.
    pub(crate) async fn try_poll(&self, lane: Lane) -> anyhow::Result<usize> {
        self.pollers.of(lane).poll_once(CONSUMER_BATCH).await
    }

    /// Processes batches of both lanes until no message is visible. It does not wait for hidden messages. Returns the
    /// number of processed messages.
    pub(crate) async fn drain(&self) -> usize {
        let mut handled = 0;
        for _ in 0..MOST_BATCHES {
            let batch = self.poll().await + self.poll_of(Lane::Slow, CONSUMER_BATCH).await;
            if batch == 0 {
                return handled;
            }
            handled += batch;
        }
        panic!("the queues do not become empty");
    }

    /// Processes one batch of the ingest queue, and returns the number of its messages.
    pub(crate) async fn ingest(&self) -> usize {
        self.try_ingest().await.unwrap()
    }

    /// As [`ingest`](Self::ingest). Returns an error if the queue refuses a call.
    pub(crate) async fn try_ingest(&self) -> anyhow::Result<usize> {
        self.ingest_poller.poll_once(CONSUMER_BATCH).await
    }

    /// The deadline of an invocation that starts now.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.clock.now().plus(Duration::from_secs(u64::from(CONSUMER_TIMEOUT_SECONDS)))
    }

    /// Runs the sweep once. It does not wait for the next step of a job.
    pub(crate) async fn sweep(&self) {
        self.try_sweep().await.unwrap();
    }

    /// Runs the sweep once and returns its error.
    pub(crate) async fn try_sweep(&self) -> Result<(), ServiceError> {
        self.sweep_until(self.deadline()).await
    }

    /// The same that has to end by then.
    pub(crate) async fn sweep_until(&self, deadline: Timestamp) -> Result<(), ServiceError> {
        sweep::handle(&self.sweeper, deadline, |_| ready(false)).await
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Reply {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let organization = head.extensions.get::<RequestContext>().and_then(|context| context.organization());
        let organization = organization.map(str::to_owned);
        Reply { status: head.status.as_u16(), headers: head.headers, bytes, body, organization }
    }
}

impl World {
    /// One run of the sweep in this process, which waits for the next steps of jobs on the test's clock.
    pub(crate) async fn whole_sweep(&self, process: &Process) -> Result<(), ServiceError> {
        let wait = |pause| {
            self.clock.advance(pause);
            ready(true)
        };
        sweep::handle(&process.sweeper, self.clock.now().plus(SWEEP), wait).await
    }

    /// The same beside a consumer that delivers what is visible, second by second.
    pub(crate) async fn whole_sweep_beside_a_consumer(&self, process: &Process) {
        let wait = async |pause: Duration| {
            let until = self.clock.now().plus(pause);
            while self.clock.now() < until {
                self.advance(Duration::from_secs(1).min(until.since(self.clock.now())));
                self.drain().await;
            }
            true
        };
        sweep::handle(&process.sweeper, self.clock.now().plus(SWEEP), wait).await.unwrap();
    }
}
