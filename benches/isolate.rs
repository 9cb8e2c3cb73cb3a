//! Measures the isolation of tenants: the time from publishing to arrival at a healthy endpoint, alone and while
//! another tenant causes as much load as one tenant can.

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
pub(crate) use neighbour::Problem;

const HEALTHY: &str = "bench.healthy";
/// Events per second for the healthy endpoint.
const RATE: u32 = 50;
/// The number of windows in each measured phase. The report has their medians.
const WINDOWS: usize = 5;
/// After this time the neighbour's effect must be within [`MAX_INCREASE`].
const SETTLE_TIME: Duration = Duration::from_secs(60);
/// How long the benchmark waits for missing deliveries at the end.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);
/// The 99th percentile with a neighbour may be this many times the one alone, or this many milliseconds longer.
const MAX_INCREASE: (f64, f64) = (1.5, 10.0);

/// The parameters from the command line.
pub(crate) struct Parameters {
    /// Runs only the problem with this name; `None` runs all.
    pub(crate) part: Option<String>,
    /// The length of a window.
    pub(crate) window: Duration,
    /// The time from the start of the neighbour's load to the first measured window.
    pub(crate) settle: Duration,
    /// How many parked or failed deliveries the neighbour has.
    pub(crate) backlog: u32,
}

pub(crate) async fn run(parameters: &Parameters) -> anyhow::Result<Report> {
    let mut report = Report::new("A healthy endpoint with 50 events a second, while another tenant causes load");
    report.figure("windows of each phase; the figures are medians", WINDOWS);
    report.figure("length of a window, s", parameters.window.as_secs());
    for problem in Problem::ALL {
        if parameters.part.as_deref().is_none_or(|part| part == problem.name()) {
            let part = measure(problem, parameters).await.with_context(|| problem.name())?;
            print(&part.line());
            report.part(part);
        }
    }
    Ok(report)
}

async fn measure(problem: Problem, parameters: &Parameters) -> anyhow::Result<Report> {
    let data = tempfile::tempdir()?;
    let mut host = Host::start_with(data.path(), &[], &[("MAX_ENDPOINTS", "2000")]).await?;
    let receiver = Receiver::start(Behaviour::HEALTHY).await?;
    let publisher = Publisher::new(host.credentials()?);
    publisher.remove_demo().await?;
    publisher.endpoint(&receiver.url(), HEALTHY, json!({})).await?;
    let mut neighbour = Neighbour::prepare(problem, &publisher, &mut host, data.path(), parameters.backlog).await?;
    publisher.publish_at(RATE, Duration::from_secs(2), HEALTHY).await?;

    let mut published = Vec::new();
    for _ in 0..WINDOWS {
        published.push(publisher.publish_at(RATE, parameters.window, HEALTHY).await?);
    }
    neighbour.begin().await?;
    published.push(publisher.publish_at(RATE, parameters.settle, HEALTHY).await?);
    for _ in 0..WINDOWS {
        published.push(publisher.publish_at(RATE, parameters.window, HEALTHY).await?);
    }
    let requests = neighbour.end();
    let expected = published.iter().map(Vec::len).sum::<usize>() + RATE as usize * 2;
    let all_arrived = receiver.wait_for(expected, ARRIVAL_TIMEOUT).await;

    let windows: Vec<_> = published.iter().map(|accepted| latencies(accepted, &receiver)).collect();
    let (alone, rest) = windows.split_at(WINDOWS);
    let (first, settled) = rest.split_first().context("the neighbour's first minute")?;
    let (alone_p99, settled_p99) = (median(alone, 0.99), median(settled, 0.99));
    let mut report = Report::new(problem.title());
    report.figure("requests of the neighbour", requests);
    report.figure("alone, p50 ms", median(alone, 0.5));
    report.figure("alone, p99 ms", alone_p99);
    report.figure("first minute of the load, p50 ms", first.percentile(0.5));
    report.figure("first minute of the load, p99 ms", first.percentile(0.99));
    report.figure("after it, p50 ms", median(settled, 0.5));
    report.figure("after it, p99 ms", settled_p99);
    report.promise("every healthy delivery arrives", all_arrived);
    if parameters.settle >= SETTLE_TIME {
        let (times, more) = MAX_INCREASE;
        let is_kept = settled_p99 <= (alone_p99 * times).max(alone_p99 + more);
        report.promise(
            "after the first minute, the 99th percentile is at most 1.5 times as long or 10 ms longer",
            is_kept,
        );
    }
    Ok(report)
}

fn latencies(accepted: &[Accepted], receiver: &Receiver) -> Latencies {
    let arrived: HashMap<_, _> = receiver.arrivals().into_iter().map(|arrival| (arrival.number, arrival.at)).collect();
    let time = |accepted: &Accepted| Some(arrived.get(&accepted.number)?.duration_since(accepted.at));
    accepted.iter().filter_map(time).collect()
}

/// The median of a percentile over the windows.
fn median(windows: &[Latencies], share: f64) -> f64 {
    let mut all: Vec<_> = windows.iter().map(|window| window.percentile(share)).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
