//! What an endpoint that hangs under heavy traffic does to a healthy one beside it: before it is suspended, after,
//! and without it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::host::Host;
use crate::latency::Latencies;
use crate::publisher::{Accepted, Publisher};
use crate::receiver::{Behaviour, Receiver};
use crate::report::Report;

const HEALTHY: &str = "bench.healthy";
const HANGING: &str = "bench.hanging";
/// Events per second for the healthy endpoint.
const HEALTHY_RATE: u32 = 50;
/// Events per second for the hanging one.
const HANGING_RATE: u32 = 100;
/// The hanging endpoint's timeout, in seconds: the default one.
const TIMEOUT_SECONDS: u64 = 10;

pub(crate) async fn run(seconds: u64) -> anyhow::Result<Report> {
    let data = tempfile::tempdir()?;
    let host = Host::start(data.path()).await?;
    let at_once = Behaviour { delay: Duration::ZERO, fails_one_of: 0 };
    let never = Behaviour { delay: Duration::from_secs(3_600), ..at_once };
    let (healthy, hanging) = (Receiver::start(at_once).await?, Receiver::start(never).await?);
    let publisher = Publisher::new(host.credentials()?);
    publisher.remove_demo().await?;
    publisher.endpoint(&healthy.url(), HEALTHY, json!({})).await?;
    publisher.endpoint(&hanging.url(), HANGING, json!({"timeout_seconds": TIMEOUT_SECONDS})).await?;

    let part = Duration::from_secs(seconds);
    let alone = publisher.publish_at(HEALTHY_RATE, part, HEALTHY).await?;
    let began = Instant::now();
    let whole = 3 * Duration::from_secs(TIMEOUT_SECONDS) + part;
    let (beside, _) = tokio::try_join!(
        publisher.publish_at(HEALTHY_RATE, whole, HEALTHY),
        publisher.publish_at(HANGING_RATE, whole, HANGING)
    )?;
    tokio::time::sleep(Duration::from_secs(2)).await;

    // Before the first timeouts nobody can know; probes come a minute after the breaker opened.
    let (timeout, opened) = (Duration::from_secs(TIMEOUT_SECONDS), last_request(&hanging, began));
    let (before, rest): (Vec<_>, Vec<_>) = beside.iter().cloned().partition(|it| it.at < opened.max(began + timeout));
    let (between, after): (Vec<_>, Vec<_>) = rest.into_iter().partition(|it| it.at < opened + timeout);
    let published = alone.len() + beside.len();
    let [alone, before, between, after] = [alone, before, between, after].map(|part| latencies(&part, &healthy));
    let arrived = alone.count() + before.count() + between.count() + after.count();

    let mut report = Report::new("A neighbour that hangs");
    report.figure("requests that hung", hanging.arrivals().len());
    report.figure("from the first event for it to the last request, s", opened.duration_since(began).as_secs());
    report.figure(
        "deliveries: alone, beside it, while it is suspended",
        [alone.count(), before.count(), after.count()].to_vec(),
    );
    report.figure("publish to receiver, alone, p50 / p99 ms", alone.shown());
    report.figure("publish to receiver, beside it, p50 / p99 ms", before.shown());
    report.figure("publish to receiver, it is suspended and its last requests time out, p50 / p99 ms", between.shown());
    report.figure("publish to receiver, it is suspended, p50 / p99 ms", after.shown());
    report.figure("p50 beside it to alone", ratio(&before, &alone, 0.5));
    report.figure("p99 beside it to alone", ratio(&before, &alone, 0.99));
    report.figure("p99 after to alone", ratio(&after, &alone, 0.99));
    report.promise("every healthy delivery arrives", arrived == published);
    report.promise("the neighbour is suspended", after.count() > 0);
    let slowest = before.percentile(1.0).max(between.percentile(1.0));
    report.promise("no healthy delivery waits for its neighbour's timeout", slowest < timeout.as_secs_f64() * 500.0);
    Ok(report)
}

/// When the last request began to hang.
fn last_request(hanging: &Receiver, otherwise: Instant) -> Instant {
    hanging.arrivals().iter().map(|arrival| arrival.at).max().unwrap_or(otherwise)
}

fn latencies(accepted: &[Accepted], receiver: &Receiver) -> Latencies {
    let arrived: HashMap<_, _> = receiver.arrivals().into_iter().map(|arrival| (arrival.number, arrival.at)).collect();
    let time = |accepted: &Accepted| Some(arrived.get(&accepted.number)?.duration_since(accepted.at));
    accepted.iter().filter_map(time).collect()
}

fn ratio(one: &Latencies, other: &Latencies, share: f64) -> f64 {
    (one.percentile(share) / other.percentile(share) * 100.0).round() / 100.0
}
