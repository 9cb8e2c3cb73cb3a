//! A fresh host with endpoints at one receiver, and its measured speed, latency and cost under a load.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::host::Host;
use crate::latency::Latencies;
use crate::process::{MemoryWatch, Process};
use crate::publisher::{Event, Publisher};
use crate::receiver::{Behaviour, Receiver};
use crate::report::Report;

/// The greatest numbers of events and of deliveries before the measured ones, which open connections and fill caches.
const WARM_UP: usize = 200;
const WARM_UP_DELIVERIES: usize = 20_000;
/// The time without an arrival after which missing deliveries count as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time for duplicates to arrive, and for the host to record attempts, which is a part of its cost.
const SETTLE: Duration = Duration::from_secs(1);
const MIB: f64 = 1024.0 * 1024.0;

/// A host, its receiver and its publisher.
pub(crate) struct Trial {
    host: Host,
    publisher: Publisher,
    receiver: Receiver,
    fan: Fan,
    publishers: usize,
    event_types: Vec<String>,
    data: TempDir,
}

/// The endpoints, and the ones that get an event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fan {
    /// This many endpoints, which all get every event.
    ToAll(usize),
    /// This many endpoints, each with an event type of its own.
    ByType(usize),
}

impl Fan {
    fn endpoints(self) -> usize {
        match self {
            Self::ToAll(endpoints) | Self::ByType(endpoints) => endpoints,
        }
    }

    fn deliveries(self) -> usize {
        match self {
            Self::ToAll(endpoints) => endpoints,
            Self::ByType(_) => 1,
        }
    }

    /// The event type to which an endpoint subscribes.
    fn event_type(self, endpoint: usize) -> String {
        match self {
            Self::ToAll(_) => "bench.load".to_owned(),
            Self::ByType(_) => format!("bench.load{endpoint}"),
        }
    }
}

/// An accepted event.
struct Published {
    number: u64,
    bytes: usize,
    at: Instant,
    took: Duration,
}

impl Trial {
    /// Starts and warms up a host with these endpoints. The publishers run concurrently, each on its own connection.
    pub(crate) async fn new(fan: Fan, publishers: usize) -> anyhow::Result<Self> {
        Self::with_arguments(&[], fan, publishers).await
    }

    /// Starts and warms up a host with additional arguments.
    pub(crate) async fn with_arguments(arguments: &[&str], fan: Fan, publishers: usize) -> anyhow::Result<Self> {
        let endpoints = fan.endpoints();
        let data = tempfile::tempdir()?;
        let host = Host::start_with(data.path(), arguments, &[("MAX_ENDPOINTS", &endpoints.to_string())]).await?;
        let receiver = Receiver::start(Behaviour::HEALTHY).await?;
        let publisher = Publisher::new(host.credentials()?);
        publisher.remove_demo().await?;
        let event_types: Vec<_> = (0..endpoints).map(|endpoint| fan.event_type(endpoint)).collect();
        for event_type in &event_types {
            publisher.endpoint(&receiver.url(), event_type, json!({})).await?;
        }
        let warm_up = WARM_UP.min(WARM_UP_DELIVERIES / fan.deliveries());
        all_at_once(&publisher, publishers, publisher.next_events(&event_types, warm_up)).await?;
        receiver.wait_for(warm_up * fan.deliveries(), PATIENCE).await;
        tokio::time::sleep(SETTLE).await;
        receiver.forget();
        Ok(Self { host, publisher, receiver, fan, publishers, event_types, data })
    }

    /// Publishes this many events. Each publisher sends its next one after its last one was accepted.
    pub(crate) async fn at_full_speed(self, title: &str, events: usize) -> anyhow::Result<Report> {
        let events = self.publisher.next_events(&self.event_types, events);
        self.measure(title, all_at_once(&self.publisher, self.publishers, events)).await
    }

    /// Publishes this many events, each after all deliveries of the last one have arrived.
    pub(crate) async fn one_by_one(self, title: &str, events: usize) -> anyhow::Result<Report> {
        let publishing = async {
            let mut published = Vec::new();
            for event in self.publisher.next_events(&self.event_types, events) {
                published.push(publish(self.publisher.clone(), event).await?);
                self.receiver.wait_for(published.len() * self.fan.deliveries(), PATIENCE).await;
            }
            Ok(published)
        };
        self.measure(title, publishing).await
    }

    async fn measure(
        &self,
        title: &str,
        publishing: impl Future<Output = anyhow::Result<Vec<Published>>>,
    ) -> anyhow::Result<Report> {
        let (host, own) = (self.host.process()?, Process::own());
        let (host_before, own_before) = (host.cpu()?, own.cpu()?);
        let memory = MemoryWatch::over(host);
        let began = Instant::now();
        let published = publishing.await?;
        let answered = began.elapsed();
        let expected = published.len() * self.fan.deliveries();
        let soon = self.receiver.count();
        self.receiver.wait_for(expected, PATIENCE).await;
        tokio::time::sleep(SETTLE).await;
        let (host_cpu, own_cpu) = (host.cpu()? - host_before, own.cpu()? - own_before);

        let arrivals = self.receiver.arrivals();
        let last = arrivals.iter().map(|arrival| arrival.at).max().unwrap_or(began);
        let begun: HashMap<_, _> = published.iter().map(|published| (published.number, published.at)).collect();
        let times = arrivals.iter().filter_map(|arrival| Some(arrival.at - *begun.get(&arrival.number)?));
        let end_to_end: Latencies = times.collect();
        let mut last_of_event = HashMap::new();
        for arrival in &arrivals {
            let last = last_of_event.entry(arrival.number).or_insert(arrival.at);
            *last = arrival.at.max(*last);
        }
        let times = last_of_event.into_iter().filter_map(|(number, at)| Some(at - *begun.get(&number)?));
        let to_last: Latencies = times.collect();
        let publishing: Latencies = published.iter().map(|published| published.took).collect();
        let different: HashSet<_> = arrivals.iter().map(|arrival| &arrival.delivery).collect();

        let per_delivery = |cpu: Duration| rounded(cpu.as_secs_f64() * 1000.0 / expected as f64);
        let mut report = Report::new(title);
        report.figure("events", published.len());
        let bytes: usize = published.iter().map(|published| published.bytes).sum();
        report.figure("bytes of a request, on average", bytes / published.len().max(1));
        report.figure("publishes per second", (published.len() as f64 / answered.as_secs_f64()).round());
        report.figure("deliveries per second", (expected as f64 / (last - began).as_secs_f64()).round());
        report.figure("delivered when the last event is accepted, %", (soon as f64 * 100.0 / expected as f64).round());
        report.figure("publish, p50 ms", publishing.percentile(0.5));
        report.figure("publish, p99 ms", publishing.percentile(0.99));
        report.figure("publish to receiver, p50 ms", end_to_end.percentile(0.5));
        report.figure("publish to receiver, p99 ms", end_to_end.percentile(0.99));
        report.figure("publish to the last receiver, p50 ms", to_last.percentile(0.5));
        report.figure("publish to the last receiver, p99 ms", to_last.percentile(0.99));
        report.figure("CPU of the host per delivery, ms", per_delivery(host_cpu));
        report.figure("CPU of publishers and receiver per delivery, ms", per_delivery(own_cpu));
        report.figure("memory of the host, most seen (PSS), MiB", memory.most().round());
        report.figure("data on disk, MiB", (size(self.data.path())? as f64 / MIB).round());
        report.promise("every event arrives", different.len() == expected);
        report.promise("nothing is delivered twice", arrivals.len() == different.len());
        Ok(report)
    }
}

async fn all_at_once(publisher: &Publisher, publishers: usize, events: Vec<Event>) -> anyhow::Result<Vec<Published>> {
    let (events, next) = (Arc::new(events), Arc::new(AtomicUsize::new(0)));
    let mut publishing = JoinSet::new();
    for _ in 0..publishers {
        let (publisher, events, next) = (publisher.clone(), Arc::clone(&events), Arc::clone(&next));
        publishing.spawn(async move {
            let mut published = Vec::new();
            while let Some(event) = events.get(next.fetch_add(1, Ordering::Relaxed)) {
                published.push(publish(publisher.clone(), event.clone()).await?);
            }
            anyhow::Ok(published)
        });
    }
    let published: Vec<_> = publishing.join_all().await.into_iter().collect::<anyhow::Result<_>>()?;
    Ok(published.into_iter().flatten().collect())
}

async fn publish(publisher: Publisher, event: Event) -> anyhow::Result<Published> {
    let (number, bytes, at) = (event.number, event.size(), Instant::now());
    publisher.publish_lightly(event).await?;
    Ok(Published { number, bytes, at, took: at.elapsed() })
}

fn size(directory: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
