//! The tenant who makes trouble.

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

const EVENT_TYPE: &str = "bench.trouble";
/// How many endpoints get each event of the fan-out.
const FAN_OUT: usize = 1_000;
const FAN_OUT_EVERY: Duration = Duration::from_secs(5);
/// How many events a second the organization may publish that publishes far more.
const LIMIT: u32 = 10;
/// How long a delivery of the tenant may take to be made or parked while its backlog is prepared.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a tenant can do to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its endpoint never answers, and has 100 events a second.
    Hangs,
    /// Its endpoint answers 200 after 9 s, and has 50 events a second.
    Slow,
    /// Its endpoint fails eight requests of nine, and has 100 events a second.
    FailsMostly,
    /// Its endpoint fails every request at once, and has 500 events a second.
    FailsAtOnce,
    /// It publishes an event for 1,000 endpoints every 5 s.
    FanOut,
    /// It resumes an endpoint with a large backlog.
    Resume,
    /// It asks for a large number of failed deliveries again.
    Recovery,
    /// It publishes 500 events a second with a limit of ten.
    Limited,
}

impl Trouble {
    pub(crate) const ALL: [Self; 8] = [
        Self::Hangs,
        Self::Slow,
        Self::FailsMostly,
        Self::FailsAtOnce,
        Self::FanOut,
        Self::Resume,
        Self::Recovery,
        Self::Limited,
    ];
    /// Their names on the command line.
    pub(crate) const NAMES: [&str; 8] =
        ["hangs", "slow", "fails-mostly", "fails-at-once", "fan-out", "resume", "recovery", "limited"];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Hangs => "An endpoint that hangs until its timeout of 10 s, 100 events a second",
            Self::Slow => "An endpoint that answers 200 after 9 s, 50 events a second",
            Self::FailsMostly => "An endpoint that fails eight requests of nine, 100 events a second",
            Self::FailsAtOnce => "An endpoint that fails at once, 500 events a second",
            Self::FanOut => "An event for 1,000 endpoints every 5 s",
            Self::Resume => "An endpoint with a backlog is resumed",
            Self::Recovery => "Failed deliveries are retried by a recovery",
            Self::Limited => "An organization with a limit of 10 events a second publishes 500",
        }
    }

    /// Events per second while it goes on; 0 if it is another kind of trouble.
    fn rate(self) -> u32 {
        match self {
            Self::Hangs | Self::FailsMostly => 100,
            Self::Slow => 50,
            Self::FailsAtOnce | Self::Limited => 500,
            Self::FanOut | Self::Resume | Self::Recovery => 0,
        }
    }

    fn receiver(self) -> Behaviour {
        let (delay, fails) = match self {
            Self::Hangs => (Duration::from_secs(3_600), Fails::Never),
            Self::Slow => (Duration::from_secs(9), Fails::Never),
            Self::FailsMostly => (Duration::ZERO, Fails::AllButOneIn(9)),
            Self::FailsAtOnce => (Duration::ZERO, Fails::Always),
            Self::FanOut | Self::Resume | Self::Recovery | Self::Limited => (Duration::ZERO, Fails::Never),
        };
        Behaviour { delay, fails }
    }
}

/// A tenant who is ready to make trouble, or makes it. It ends when this is dropped.
pub(crate) struct Neighbour {
    trouble: Trouble,
    publisher: Publisher,
    receiver: Receiver,
    endpoint: String,
    publishing: Option<JoinHandle<()>>,
    requests_before: usize,
}

impl Neighbour {
    /// A new tenant with what it needs. The host is started again if its table has to be filled.
    pub(crate) async fn prepare(
        trouble: Trouble,
        other: &Publisher,
        host: &mut Host,
        data: &Path,
        backlog: u32,
    ) -> anyhow::Result<Self> {
        let publisher = other.another("neighbour").await?;
        let receiver = Receiver::start(trouble.receiver()).await?;
        let mut neighbour =
            Self { trouble, publisher, receiver, endpoint: String::new(), publishing: None, requests_before: 0 };
        match trouble {
            Trouble::Resume => neighbour.prepare_parked(host, data, backlog).await?,
            Trouble::Recovery => neighbour.prepare_failed(host, data, backlog).await?,
            _ => neighbour.prepare_endpoints().await?,
        }
        neighbour.requests_before = neighbour.receiver.count();
        Ok(neighbour)
    }

    async fn prepare_endpoints(&mut self) -> anyhow::Result<()> {
        let endpoints = if self.trouble == Trouble::FanOut { FAN_OUT } else { 1 };
        for _ in 0..endpoints {
            self.endpoint = self.publisher.endpoint(&self.receiver.url(), EVENT_TYPE, json!({})).await?;
        }
        if self.trouble == Trouble::Limited {
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
        ensure!(failing.wait_for(1, PATIENCE).await, "the delivery fails");
        // The record follows the request.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.publisher.change_endpoint(&self.endpoint, json!({"url": self.receiver.url()})).await?;
        self.multiply(host, data, backlog).await
    }

    /// Copies the tenant's one delivery until there are as many as the backlog is large.
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

    /// Begins to make trouble.
    pub(crate) async fn begin(&mut self) -> anyhow::Result<()> {
        let publisher = self.publisher.clone();
        match self.trouble {
            Trouble::Resume => self.publisher.change_endpoint(&self.endpoint, json!({"status": "active"})).await?,
            Trouble::Recovery => self.publisher.recover(&self.endpoint).await?,
            Trouble::FanOut => self.publishing = Some(tokio::spawn(publish_every(publisher, FAN_OUT_EVERY))),
            _ => {
                let every = Duration::from_secs(1) / self.trouble.rate();
                self.publishing = Some(tokio::spawn(publish_every(publisher, every)));
            }
        }
        Ok(())
    }

    /// Stops, and returns how many requests its receiver got.
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

/// Publishes an event at each tick, whether or not the earlier ones were answered.
async fn publish_every(publisher: Publisher, every: Duration) {
    let (mut ticks, mut under_way) = (interval(every), tokio::task::JoinSet::new());
    loop {
        ticks.tick().await;
        let publisher = publisher.clone();
        let event = publisher.next_events(&[EVENT_TYPE.to_owned()], 1);
        under_way.spawn(async move {
            for event in event {
                // Whether it was accepted is its own matter.
                let _ = publisher.publish_lightly(event).await;
            }
        });
        while under_way.try_join_next().is_some() {}
    }
}
