//! The neighbour: a tenant that causes load.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::ensure;
use aws_sdk_dynamodb::Client;
use pigeonpost::aws::{EmbeddedAws, Storage};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::filler::Filler;
use crate::host::Host;
use crate::publisher::Publisher;
use crate::receiver::{Behaviour, Fails, Receiver};

const EVENT_TYPE: &str = "bench.load";
/// How many endpoints get each event of the fan-out.
const FAN_OUT: usize = 1_000;
const FAN_OUT_EVERY: Duration = Duration::from_secs(5);
/// The rate limit, in events a second, of the organization that publishes far more.
const LIMIT: u32 = 10;
/// The time limit for the attempt whose delivery is copied to a backlog.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The kinds of problems that a tenant can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The endpoint never answers, and gets 100 events a second.
    Hangs,
    /// The endpoint answers 200 after 9 s, and gets 50 events a second.
    Slow,
    /// The endpoint answers one request of five with 200 after 9 s and the others at once, and gets 100 events a second.
    Mixed,
    /// The endpoint fails eight requests of nine, and gets 100 events a second.
    FailsMostly,
    /// The endpoint fails every request immediately, and gets 500 events a second.
    FailsAtOnce,
    /// The tenant publishes an event for 1,000 endpoints every 5 s.
    FanOut,
    /// The tenant resumes an endpoint with a large backlog.
    Resume,
    /// The tenant requests a recovery of many failed deliveries.
    Recovery,
    /// The tenant requests a replay of many missed events.
    Replay,
    /// The tenant publishes 500 events a second with a limit of ten.
    Limited,
}

impl Problem {
    pub(crate) const ALL: [Self; 10] = [
        Self::Hangs,
        Self::Slow,
        Self::Mixed,
        Self::FailsMostly,
        Self::FailsAtOnce,
        Self::FanOut,
        Self::Resume,
        Self::Recovery,
        Self::Replay,
        Self::Limited,
    ];
    /// The names on the command line, in the order of the variants.
    pub(crate) const NAMES: [&str; 10] = [
        "hangs",
        "slow",
        "mixed",
        "fails-mostly",
        "fails-at-once",
        "fan-out",
        "resume",
        "recovery",
        "replay",
        "limited",
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Hangs => "An endpoint that hangs until its timeout of 10 s, 100 events a second",
            Self::Slow => "An endpoint that answers 200 after 9 s, 50 events a second",
            Self::Mixed => {
                "An endpoint that answers one request of five after 9 s and the others at once, 100 events a second"
            }
            Self::FailsMostly => "An endpoint that fails eight requests of nine, 100 events a second",
            Self::FailsAtOnce => "An endpoint that fails immediately, 500 events a second",
            Self::FanOut => "An event for 1,000 endpoints every 5 s",
            Self::Resume => "An endpoint with a backlog is resumed",
            Self::Recovery => "Failed deliveries are retried by a recovery",
            Self::Replay => "Missed events are sent by a replay",
            Self::Limited => "An organization with a limit of 10 events a second publishes 500",
        }
    }

    /// The published events per second; 0 for loads of another kind.
    fn rate(self) -> u32 {
        match self {
            Self::Hangs | Self::Mixed | Self::FailsMostly => 100,
            Self::Slow => 50,
            Self::FailsAtOnce | Self::Limited => 500,
            Self::FanOut | Self::Resume | Self::Recovery | Self::Replay => 0,
        }
    }

    fn receiver(self) -> Behaviour {
        let (delay, fails) = match self {
            Self::Hangs => (Duration::from_secs(3_600), Fails::Never),
            Self::Slow | Self::Mixed => (Duration::from_secs(9), Fails::Never),
            Self::FailsMostly => (Duration::ZERO, Fails::AllButOneIn(9)),
            Self::FailsAtOnce => (Duration::ZERO, Fails::Always),
            Self::FanOut | Self::Resume | Self::Recovery | Self::Replay | Self::Limited => {
                (Duration::ZERO, Fails::Never)
            }
        };
        Behaviour { delay, delays_one_in: if self == Self::Mixed { 5 } else { 1 }, fails }
    }
}

/// A tenant that is prepared to cause load, or causes it. Dropping it ends the load.
pub(crate) struct Neighbour {
    problem: Problem,
    publisher: Publisher,
    receiver: Receiver,
    endpoint: String,
    publishing: Option<JoinHandle<()>>,
    requests_before: usize,
}

impl Neighbour {
    /// Creates a tenant with endpoints and, for some loads, a backlog. Writing a backlog restarts the host.
    pub(crate) async fn prepare(
        problem: Problem,
        other: &Publisher,
        host: &mut Host,
        data: &Path,
        backlog: u32,
    ) -> anyhow::Result<Self> {
        let publisher = other.another("neighbour").await?;
        let receiver = Receiver::start(problem.receiver()).await?;
        let mut neighbour =
            Self { problem, publisher, receiver, endpoint: String::new(), publishing: None, requests_before: 0 };
        match problem {
            Problem::Resume => neighbour.prepare_parked(host, data, backlog).await?,
            Problem::Recovery => neighbour.prepare_failed(host, data, backlog).await?,
            Problem::Replay => neighbour.prepare_missed(host, data, backlog).await?,
            _ => neighbour.prepare_endpoints().await?,
        }
        neighbour.requests_before = neighbour.receiver.count();
        Ok(neighbour)
    }

    async fn prepare_endpoints(&mut self) -> anyhow::Result<()> {
        let endpoints = if self.problem == Problem::FanOut { FAN_OUT } else { 1 };
        for _ in 0..endpoints {
            self.endpoint = self.publisher.endpoint(&self.receiver.url(), EVENT_TYPE, json!({})).await?;
        }
        if self.problem == Problem::Limited {
            self.publisher.limit(LIMIT).await?;
        }
        Ok(())
    }

    async fn prepare_parked(&mut self, host: &mut Host, data: &Path, backlog: u32) -> anyhow::Result<()> {
        let paused = json!({"status": "paused"});
        self.endpoint = self.publisher.endpoint(&self.receiver.url(), EVENT_TYPE, paused).await?;
        self.publisher.publish(EVENT_TYPE).await?;
        self.multiply(host, data, backlog).await
    }

    async fn prepare_failed(&mut self, host: &mut Host, data: &Path, backlog: u32) -> anyhow::Result<()> {
        let failing = Receiver::start(Behaviour { fails: Fails::Always, ..Behaviour::HEALTHY }).await?;
        let once = json!({"retry_schedule": []});
        self.endpoint = self.publisher.endpoint(&failing.url(), EVENT_TYPE, once).await?;
        self.publisher.publish(EVENT_TYPE).await?;
        ensure!(failing.wait_for(1, ATTEMPT_TIMEOUT).await, "the delivery fails");
        // The record is written after the request.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.publisher.change_endpoint(&self.endpoint, json!({"url": self.receiver.url()})).await?;
        self.multiply(host, data, backlog).await
    }

    async fn prepare_missed(&mut self, host: &mut Host, data: &Path, backlog: u32) -> anyhow::Result<()> {
        let disabled = json!({"status": "disabled"});
        self.endpoint = self.publisher.endpoint(&self.receiver.url(), EVENT_TYPE, disabled).await?;
        self.publisher.publish(EVENT_TYPE).await?;
        self.publisher.change_endpoint(&self.endpoint, json!({"status": "active"})).await?;
        self.multiply(host, data, backlog).await
    }

    /// Copies the tenant's only event, with its delivery if it has one, until the backlog has this size.
    async fn multiply(&self, host: &mut Host, data: &Path, backlog: u32) -> anyhow::Result<()> {
        host.kill().await?;
        let storage = Storage::Directory { path: data.to_owned(), durable: false };
        let aws = EmbeddedAws::open(&storage, "127.0.0.1:1", Arc::new(|| SystemTime::UNIX_EPOCH))?;
        let dynamodb = Client::new(&aws.sdk_config());
        let of_tenant = |pk: &str| pk.contains(&self.endpoint) || pk.contains(self.publisher.organization());
        let mut filler = Filler::of_stored(&dynamodb, of_tenant).await?;
        filler.fill(&dynamodb, backlog).await?;
        aws.flush().await?;
        drop(aws);
        host.start_again().await
    }

    /// Starts the load.
    pub(crate) async fn begin(&mut self) -> anyhow::Result<()> {
        let publisher = self.publisher.clone();
        match self.problem {
            Problem::Resume => self.publisher.change_endpoint(&self.endpoint, json!({"status": "active"})).await?,
            Problem::Recovery => self.publisher.recover(&self.endpoint).await?,
            Problem::Replay => self.publisher.replay(&self.endpoint).await?,
            Problem::FanOut => self.publishing = Some(tokio::spawn(publish_every(publisher, FAN_OUT_EVERY))),
            _ => {
                let every = Duration::from_secs(1) / self.problem.rate();
                self.publishing = Some(tokio::spawn(publish_every(publisher, every)));
            }
        }
        Ok(())
    }

    /// Stops the load, and returns how many requests the tenant's receiver got since it was prepared.
    pub(crate) fn end(&mut self) -> usize {
        if let Some(publishing) = self.publishing.take() {
            publishing.abort();
        }
        self.receiver.count() - self.requests_before
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.end();
    }
}

/// Publishes an event at each tick, without waiting for the responses to earlier ones.
async fn publish_every(publisher: Publisher, every: Duration) {
    let (mut ticks, mut requests) = (interval(every), tokio::task::JoinSet::new());
    loop {
        ticks.tick().await;
        let publisher = publisher.clone();
        let event = publisher.next_events(&[EVENT_TYPE.to_owned()], 1);
        requests.spawn(async move {
            for event in event {
                // Refused and failed requests are part of the load.
                let _ = publisher.publish_lightly(event).await;
            }
        });
        while requests.try_join_next().is_some() {}
    }
}
