//! What other tenants' traffic does to a healthy endpoint: the time from publishing to arrival, alone and beside a tenant
//! who makes as much trouble as one can.

mod neighbour;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::host::Host;
use crate::latency::Latencies;
use crate::publisher::{Accepted, Publisher};
use crate::receiver::{Behaviour, Receiver};
use crate::report::{Report, print};
use neighbour::Neighbour;
pub(crate) use neighbour::Trouble;

const HEALTHY: &str = "bench.healthy";
/// Events per second for the healthy endpoint.
const RATE: u32 = 50;
/// How often each phase but the first minute is measured; the medians count.
const WINDOWS: usize = 5;
/// After how long the neighbour must no longer be noticed.
const NOTICED: Duration = Duration::from_secs(60);
/// How long missing deliveries are waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// The 99th percentile beside a neighbour may be so many times the one alone, or so many milliseconds more.
const PROMISED: (f64, f64) = (1.5, 10.0);

/// What is measured.
pub(crate) struct Extent {
    /// One kind of trouble alone, by its name on the command line.
    pub(crate) part: Option<String>,
    /// How long each window is.
    pub(crate) window: Duration,
    /// How long the neighbour goes on before its effect counts.
    pub(crate) settle: Duration,
    /// How many deliveries the neighbour has parked or failed.
    pub(crate) backlog: u32,
}

pub(crate) async fn run(extent: &Extent) -> anyhow::Result<Report> {
    let mut report = Report::new("A healthy endpoint with 50 events a second, beside another tenant's trouble");
    report.figure("windows of each phase; shown are medians", WINDOWS);
    report.figure("length of a window, s", extent.window.as_secs());
    for trouble in Trouble::ALL {
        if extent.part.as_deref().is_none_or(|part| part == trouble.name()) {
            let part = beside(trouble, extent).await.with_context(|| trouble.name())?;
            print(&part.line());
            report.part(part);
        }
    }
    Ok(report)
}

async fn beside(trouble: Trouble, extent: &Extent) -> anyhow::Result<Report> {
    let data = tempfile::tempdir()?;
    let mut host = Host::start_with(data.path(), &[], &[("MAX_ENDPOINTS", "2000")]).await?;
    let receiver = Receiver::start(Behaviour::HEALTHY).await?;
    let publisher = Publisher::new(host.credentials()?);
    publisher.remove_demo().await?;
    publisher.endpoint(&receiver.url(), HEALTHY, json!({})).await?;
    let mut neighbour = Neighbour::prepare(trouble, &publisher, &mut host, data.path(), extent.backlog).await?;
    publisher.publish_at(RATE, Duration::from_secs(2), HEALTHY).await?;

    let mut published = Vec::new();
    for _ in 0..WINDOWS {
        published.push(publisher.publish_at(RATE, extent.window, HEALTHY).await?);
    }
    neighbour.begin().await?;
    published.push(publisher.publish_at(RATE, extent.settle, HEALTHY).await?);
    for _ in 0..WINDOWS {
        published.push(publisher.publish_at(RATE, extent.window, HEALTHY).await?);
    }
    let requests = neighbour.end();
    let expected = published.iter().map(Vec::len).sum::<usize>() + RATE as usize * 2;
    let all_arrived = receiver.wait_for(expected, PATIENCE).await;

    let windows: Vec<_> = published.iter().map(|accepted| latencies(accepted, &receiver)).collect();
    let (alone, rest) = windows.split_at(WINDOWS);
    let (first, beside) = rest.split_first().context("the neighbour's first minute")?;
    let (alone_p99, beside_p99) = (median(alone, 0.99), median(beside, 0.99));
    let mut report = Report::new(trouble.title());
    report.figure("requests of the neighbour", requests);
    report.figure("alone, p50 ms", median(alone, 0.5));
    report.figure("alone, p99 ms", alone_p99);
    report.figure("first minute beside it, p50 ms", first.percentile(0.5));
    report.figure("first minute beside it, p99 ms", first.percentile(0.99));
    report.figure("from then on, p50 ms", median(beside, 0.5));
    report.figure("from then on, p99 ms", beside_p99);
    report.promise("every healthy delivery arrives", all_arrived);
    if extent.settle >= NOTICED {
        let (times, more) = PROMISED;
        let is_kept = beside_p99 <= (alone_p99 * times).max(alone_p99 + more);
        report.promise("from the second minute on, the neighbour is hardly noticed", is_kept);
    }
    Ok(report)
}

fn latencies(accepted: &[Accepted], receiver: &Receiver) -> Latencies {
    let arrived: HashMap<_, _> = receiver.arrivals().into_iter().map(|arrival| (arrival.number, arrival.at)).collect();
    let time = |accepted: &Accepted| Some(arrived.get(&accepted.number)?.duration_since(accepted.at));
    accepted.iter().filter_map(time).collect()
}

/// The median of the windows' percentiles.
fn median(windows: &[Latencies], share: f64) -> f64 {
    let mut all: Vec<_> = windows.iter().map(|window| window.percentile(share)).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
