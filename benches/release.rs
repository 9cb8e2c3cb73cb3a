//! Measures the release of parked deliveries when many paused endpoints are resumed: on the local host, and in one run
//! of the sweep with AWS's latencies.

mod distant;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::host::Host;
use crate::publisher::Publisher;
use crate::receiver::{Behaviour, Receiver};
use crate::report::Report;

/// The names of the parts on the command line.
pub(crate) const PARTS: [&str; 2] = ["host", "aws"];
const EVENT_TYPE: &str = "bench.parked";
/// How many events are published in a request. Each has a delivery for every endpoint.
const BATCH: usize = 10;
/// How many endpoints are resumed concurrently.
const CONCURRENT_REQUESTS: usize = 16;
/// Missing deliveries count as lost if nothing arrives for this time, which is longer than the interval of the sweep.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(90);
/// The maximum time from the first delivery of all to the first delivery of the last endpoint.
const MAX_SPREAD: Duration = Duration::from_secs(5);

/// The parameters from the command line.
pub(crate) struct Parameters {
    /// How many endpoints are resumed.
    pub(crate) endpoints: usize,
    /// How many parked deliveries each endpoint has.
    pub(crate) parked: usize,
    /// The maximum time of a call to AWS, in milliseconds.
    pub(crate) latency_ms: u64,
    /// Runs only the part with this name; `None` runs all.
    pub(crate) part: Option<String>,
}

pub(crate) async fn run(parameters: &Parameters) -> anyhow::Result<Report> {
    let title =
        format!("{} endpoints with {} parked deliveries each are resumed", parameters.endpoints, parameters.parked);
    let mut report = Report::new(&title);
    let is_wanted = |name| parameters.part.as_deref().is_none_or(|part| part == name);
    if is_wanted(PARTS[0]) {
        report.part(on_the_host(parameters).await?);
    }
    if is_wanted(PARTS[1]) {
        report.part(distant::run(parameters).await?);
    }
    Ok(report)
}

async fn on_the_host(parameters: &Parameters) -> anyhow::Result<Report> {
    let Parameters { endpoints, parked, .. } = *parameters;
    let data = tempfile::tempdir()?;
    let host = Host::start_with(data.path(), &[], &[("MAX_ENDPOINTS", "2000")]).await?;
    let receiver = Receiver::start(Behaviour::HEALTHY).await?;
    let publisher = Publisher::new(host.credentials()?);
    publisher.remove_demo().await?;
    let mut ids = Vec::new();
    for endpoint in 0..endpoints {
        let url = format!("{}/{endpoint}", receiver.url());
        ids.push(publisher.endpoint(&url, EVENT_TYPE, json!({"status": "paused"})).await?);
    }
    for start in (0..parked).step_by(BATCH) {
        publisher.publish_batch(EVENT_TYPE, (parked - start).min(BATCH)).await?;
    }

    let began = Instant::now();
    let resumes = ids.iter().map(|id| publisher.change_endpoint(id, json!({"status": "active"})));
    stream::iter(resumes).buffer_unordered(CONCURRENT_REQUESTS).try_collect::<Vec<()>>().await?;
    let resumed_in = began.elapsed();
    let all_arrived = receiver.wait_for(endpoints * parked, ARRIVAL_TIMEOUT).await;

    let arrivals = receiver.arrivals();
    let mut firsts = HashMap::new();
    for arrival in &arrivals {
        firsts.entry(arrival.path.as_str()).or_insert(arrival.at);
    }
    let first = firsts.values().min().context("something arrives")?.duration_since(began);
    let last_first = firsts.values().max().context("something arrives")?.duration_since(began);
    let delivered_in = arrivals.last().context("something arrives")?.at.duration_since(began);
    let mut report = Report::new("The local host");
    report.figure("all requests that resume, s", seconds(resumed_in));
    report.figure("first delivery of the first endpoint, s", seconds(first));
    report.figure("first delivery of the last endpoint, s", seconds(last_first));
    report.figure("all deliveries, s", seconds(delivered_in));
    let rate = per_second(arrivals.len(), delivered_in);
    report.figure("deliveries a second, from the first request to the last delivery", rate);
    report.figure("deliveries in the busiest ten seconds, a second", busiest(&receiver, began));
    report.promise("every delivery arrives", all_arrived);
    report.promise("every endpoint gets a delivery", firsts.len() == endpoints);
    report
        .promise("the last endpoint's first delivery comes within 5 s of the first", last_first <= first + MAX_SPREAD);
    Ok(report)
}

/// The deliveries per second in the ten seconds with the most deliveries.
fn busiest(receiver: &Receiver, began: Instant) -> u64 {
    let mut tens = HashMap::<u64, u64>::new();
    for arrival in receiver.arrivals() {
        *tens.entry(arrival.at.duration_since(began).as_secs() / 10).or_default() += 1;
    }
    tens.values().max().copied().unwrap_or(0) / 10
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100.0).round() / 100.0
}

fn per_second(count: usize, time: Duration) -> u64 {
    u64::try_from(count as u128 * 1_000 / time.as_millis().max(1)).unwrap_or(u64::MAX)
}
