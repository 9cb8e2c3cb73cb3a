//! The fan-out of one event to many endpoints: the duration of the publish request, and the time until the last
//! delivery arrives.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::json;

use crate::host::Host;
use crate::latency::Latencies;
use crate::publisher::Publisher;
use crate::receiver::{Behaviour, Receiver};
use crate::report::Report;

const EVENT_TYPE: &str = "bench.fanout";
/// The number of measured events.
const EVENTS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(endpoints: u32) -> anyhow::Result<Report> {
    let data = tempfile::tempdir()?;
    let host = Host::start_with(data.path(), &[], &[("MAX_ENDPOINTS", &endpoints.to_string())]).await?;
    let receiver = Receiver::start(Behaviour::HEALTHY).await?;
    let publisher = Publisher::new(host.credentials()?);
    publisher.remove_demo().await?;
    for _ in 0..endpoints {
        publisher.endpoint(&receiver.url(), EVENT_TYPE, json!({})).await?;
    }
    let (mut publishing, mut arriving, mut expected) = (Vec::new(), Vec::new(), 0);
    for _ in 0..EVENTS {
        let began = Instant::now();
        publisher.publish(EVENT_TYPE).await?;
        publishing.push(began.elapsed());
        expected += endpoints as usize;
        if !receiver.wait_for(expected, PATIENCE).await {
            bail!("{} of {expected} deliveries arrived", receiver.count());
        }
        let last = receiver.arrivals().iter().map(|arrival| arrival.at).max().unwrap_or(began);
        arriving.push(last - began);
    }
    let whole: Duration = arriving.iter().sum();
    let (publishing, arriving) =
        (publishing.into_iter().collect::<Latencies>(), arriving.into_iter().collect::<Latencies>());
    let mut report = Report::new("One event for many endpoints");
    report.figure("endpoints", endpoints);
    report.figure("events, one after the other", EVENTS);
    report.figure("publish until 202, p50 / p99 ms", publishing.shown());
    report.figure("publish until the last endpoint has it, p50 / p99 ms", arriving.shown());
    report.figure("deliveries per second", (expected as f64 / whole.as_secs_f64()).round());
    // Duplicates would arrive within this time.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let different: HashSet<_> = receiver.arrivals().into_iter().map(|arrival| arrival.delivery).collect();
    report.promise("every endpoint gets every event", different.len() == expected);
    report.promise("nothing is delivered twice", receiver.arrivals().len() == expected);
    Ok(report)
}
