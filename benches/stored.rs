//! Measures how the cost of publishing, delivering and lists depends on the number of endpoints and of stored
//! deliveries.

use anyhow::ensure;
use axum::http::Method;
use fastrand::Rng;
use serde_json::{Value, json};
use shared::domain::ids::DeliveryId;

use crate::deployment::{Deployment, EVENT_TYPE, Used};
use crate::filler::Filler;
use crate::payload;
use crate::report::Report;

/// The numbers of endpoints of the measured organizations.
const ENDPOINTS: [u32; 4] = [1, 10, 100, 1_000];
/// How often each measurement is repeated. The report has the medians.
const REPETITIONS: usize = 5;
/// How many events are published in the comparison of organizations whose other endpoints do not subscribe.
const PUBLISHED: usize = 300;
/// The number of endpoints in the second of the three compared organizations.
const SOME_ENDPOINTS: u32 = 500;
/// With 500 endpoints publishing may take this many times as long as with one, and with 8,000 this many ms longer.
const MAX_INCREASE: (f64, f64) = (1.3, 10.0);
/// The `pages` dialect reads all deliveries for every page, so it is measured up to this number of deliveries only.
const MAX_COUNTED: u32 = 100_000;

pub(crate) async fn run(most_stored: u32, most_endpoints: u32) -> anyhow::Result<Report> {
    let mut report = Report::new("Costs by the numbers of endpoints and deliveries; times with the embedded engines");
    publishing_to_one(&mut report, most_endpoints).await?;
    let (mut least, mut greatest) = (f64::MAX, 0.0_f64);
    for endpoints in ENDPOINTS {
        let units = endpoints_in_organization(&mut report, endpoints).await?;
        (least, greatest) = (least.min(units), greatest.max(units));
    }
    report.promise("the cost of a delivery does not depend on the number of endpoints", greatest <= least * 1.5);
    let deployment = Deployment::new().await?;
    let endpoint = deployment.endpoint(EVENT_TYPE).await?;
    let (mut filler, mut first, mut stored) = (Filler::new(&deployment).await?, None, 1_000);
    while stored <= most_stored {
        filler.fill(&deployment.dynamodb, stored).await?;
        let units = stored_deliveries(&mut report, &deployment, &endpoint, stored, filler.middle()?).await?;
        let first = *first.get_or_insert(units);
        report.promise("the cost of a page does not depend on the number of stored deliveries", units <= first * 1.2);
        stored *= 10;
    }
    Ok(report)
}

/// Publishes events for one endpoint, in turns to three organizations with different numbers of other endpoints.
async fn publishing_to_one(report: &mut Report, most_endpoints: u32) -> anyhow::Result<()> {
    let (mut deployments, mut random) = (Vec::new(), Rng::with_seed(7));
    let some = SOME_ENDPOINTS.min(most_endpoints);
    for endpoints in [1, some, most_endpoints] {
        deployments.push(deployment(1, endpoints.saturating_sub(1)).await?);
    }
    let mut used = [const { Vec::new() }; 3];
    for number in 0..PUBLISHED {
        for (deployment, used) in deployments.iter().zip(&mut used) {
            // This request is not counted: it fills the cache of targets. They are read again every 30 s.
            if number == 0 {
                publish(deployment, &mut random).await?;
            }
            used.push(publish(deployment, &mut random).await?);
        }
    }
    let [of_one, of_some, of_most] = used.map(|used| median(used).took.as_secs_f64() * 1e3);
    let name = |endpoints: u32, what: &str| format!("publishing to one of {endpoints} endpoints, in turns: {what}");
    report.figure(&name(1, "ms"), rounded(of_one));
    report.figure(&name(some, "ms"), rounded(of_some));
    report.figure(&name(some, "times as long"), rounded(of_some / of_one));
    report.figure(&name(most_endpoints, "ms"), rounded(of_most));
    report.figure(&name(most_endpoints, "ms more"), rounded(of_most - of_one));
    let (times, more) = MAX_INCREASE;
    report.promise("publishing to one of 500 endpoints takes at most 1.3 times as long", of_some <= of_one * times);
    report.promise("publishing to one of 8,000 endpoints takes at most 10 ms longer", of_most <= of_one + more);
    Ok(())
}

/// Measures an event for one of the organization's endpoints, and one for all of them. Returns the write units for each
/// delivery of the latter.
async fn endpoints_in_organization(report: &mut Report, endpoints: u32) -> anyhow::Result<f64> {
    let one_of_them = deployment(1, endpoints.saturating_sub(1)).await?;
    let mut random = Rng::with_seed(7);
    let mut used = Vec::new();
    for _ in 0..REPETITIONS {
        used.push(publish(&one_of_them, &mut random).await?);
        while one_of_them.deliver().await?.is_some() {}
    }
    let name = |what: &str| format!("{endpoints} endpoints: {what}");
    let one = median(used);
    report.figure(&name("publishing to one of them, read units"), one.bill.read_units);
    report.figure(&name("publishing to one of them, write units"), one.bill.write_units);
    report.figure(&name("publishing to one of them, ms"), millis(&one));

    let deployment = deployment(endpoints, 0).await?;
    // This event is not counted: it fills the caches.
    publish(&deployment, &mut random).await?;
    while deployment.deliver().await?.is_some() {}
    let all = publish(&deployment, &mut random).await?;
    let (mut delivered, mut units, mut time) = (0.0, all.bill.write_units, all.took);
    while let Some((handled, used)) = deployment.deliver().await? {
        delivered += f64::from(u32::try_from(handled)?);
        units += used.bill.write_units;
        time += used.took;
    }
    ensure!((delivered - f64::from(endpoints)).abs() < 0.5, "{delivered} deliveries");
    // The event's own item costs one unit.
    let per_delivery = (units - 1.0) / delivered;
    report.figure(&name("publishing to all, read units"), all.bill.read_units);
    report.figure(&name("publishing to all and delivering, write units per delivery"), rounded(per_delivery));
    report.figure(
        &name("publishing to all and delivering, ms per delivery"),
        rounded(time.as_secs_f64() * 1e3 / delivered),
    );
    Ok(per_delivery)
}

/// Measures the lists of an endpoint with this number of stored deliveries. Returns the most read units of a page.
async fn stored_deliveries(
    report: &mut Report,
    deployment: &Deployment,
    endpoint: &str,
    stored: u32,
    middle: DeliveryId,
) -> anyhow::Result<f64> {
    let name = |what: &str| format!("{stored} stored deliveries: {what}");
    let list = deployment.path(&format!("/webhooks/endpoints/{endpoint}/deliveries"));
    let mut units = 0.0;
    for (what, path) in [
        ("the first page of 50", format!("{list}?limit=50")),
        ("a page of 50 from the middle", format!("{list}?limit=50&cursor={middle}")),
        ("50 successes of a type", format!("{list}?limit=50&status=success&event_type={EVENT_TYPE}")),
        ("one delivery", deployment.path(&format!("/webhooks/deliveries/{middle}"))),
    ] {
        let used = repeated(deployment, &path).await?;
        report.figure(&name(&format!("{what}, read units")), used.bill.read_units);
        report.figure(&name(&format!("{what}, ms")), millis(&used));
        units = f64::max(units, used.bill.read_units);
    }
    if stored <= MAX_COUNTED {
        let path = format!("/v1/webhook-endpoints/{endpoint}/deliveries?page_size=50");
        let (_, used) = deployment.measure(Method::GET, &path, &Value::Null).await?;
        report.figure(&name("a numbered page of 50, which counts all, read units"), used.bill.read_units);
        report.figure(&name("a numbered page of 50, which counts all, ms"), millis(&used));
    }
    let mut random = Rng::with_seed(u64::from(stored));
    let mut used = Vec::new();
    for _ in 0..REPETITIONS {
        publish(deployment, &mut random).await?;
        used.extend(deployment.deliver().await?.map(|(_, used)| used));
    }
    report.figure(&name("delivering one more, ms"), millis(&median(used)));
    Ok(units)
}

/// A deployment with this many endpoints that get the published events, and others that do not.
async fn deployment(subscribers: u32, others: u32) -> anyhow::Result<Deployment> {
    let deployment = Deployment::new().await?;
    for _ in 0..subscribers {
        deployment.endpoint(EVENT_TYPE).await?;
    }
    for _ in 0..others {
        deployment.endpoint("order.cancelled").await?;
    }
    Ok(deployment)
}

async fn repeated(deployment: &Deployment, path: &str) -> anyhow::Result<Used> {
    let mut all = Vec::new();
    for _ in 0..REPETITIONS {
        all.push(deployment.measure(Method::GET, path, &Value::Null).await?.1);
    }
    Ok(median(all))
}

pub(crate) async fn publish(deployment: &Deployment, random: &mut Rng) -> anyhow::Result<Used> {
    let data: Value = serde_json::from_str(&payload::data(random))?;
    let event = json!({"type": EVENT_TYPE, "data": data});
    Ok(deployment.measure(Method::POST, &deployment.path("/events"), &event).await?.1)
}

fn median(mut used: Vec<Used>) -> Used {
    used.sort_by_key(|used| used.took);
    let middle = used.len() / 2;
    used.into_iter().nth(middle).unwrap_or_default()
}

fn millis(used: &Used) -> f64 {
    rounded(used.took.as_secs_f64() * 1e3)
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
