//! Whether costs stay flat: what publishing, delivering and lists use as endpoints and stored deliveries become many.

use anyhow::ensure;
use axum::http::Method;
use fastrand::Rng;
use serde_json::{Value, json};
use shared::domain::ids::DeliveryId;

use crate::deployment::{Deployment, EVENT_TYPE, Used};
use crate::filler::Filler;
use crate::payload;
use crate::report::Report;

/// How many endpoints an organization has.
const ENDPOINTS: [u32; 4] = [1, 10, 100, 1_000];
/// How often something is measured; the median counts.
const REPEATED: usize = 5;
/// How often an event is published beside so many endpoints that do not want it.
const PUBLISHED: usize = 300;
/// How many of the others there are in the smaller organization of two.
const SOME_ENDPOINTS: u32 = 500;
/// Beside 500 endpoints publishing may take so many times as long as to one alone, and beside 8,000 so many ms longer.
const PROMISED: (f64, f64) = (1.3, 10.0);
/// The `pages` dialect reads all deliveries at every page, and is not tried with more.
const MOST_COUNTED: u32 = 100_000;

pub(crate) async fn run(most_stored: u32, most_endpoints: u32) -> anyhow::Result<Report> {
    let mut report = Report::new("What is used as there is more; ms are this machine's, on the embedded engines");
    beside_others(&mut report, most_endpoints).await?;
    let (mut least, mut greatest) = (f64::MAX, 0.0_f64);
    for endpoints in ENDPOINTS {
        let units = endpoints_in_organization(&mut report, endpoints).await?;
        (least, greatest) = (least.min(units), greatest.max(units));
    }
    report.promise("a delivery uses as much however many endpoints there are", greatest <= least * 1.5);
    let deployment = Deployment::new().await?;
    let endpoint = deployment.endpoint(EVENT_TYPE).await?;
    let (mut filler, mut first, mut stored) = (Filler::new(&deployment).await?, None, 1_000);
    while stored <= most_stored {
        filler.fill(&deployment.dynamodb, stored).await?;
        let units = stored_deliveries(&mut report, &deployment, &endpoint, stored, filler.middle()?).await?;
        let first = *first.get_or_insert(units);
        report.promise("a page of deliveries reads as much however many are stored", units <= first * 1.2);
        stored *= 10;
    }
    Ok(report)
}

/// Events for one of an organization's endpoints, beside others, in turns.
async fn beside_others(report: &mut Report, most_endpoints: u32) -> anyhow::Result<()> {
    let (mut deployments, mut random) = (Vec::new(), Rng::with_seed(7));
    let some = SOME_ENDPOINTS.min(most_endpoints);
    for endpoints in [1, some, most_endpoints] {
        let deployment = Deployment::new().await?;
        deployment.endpoint(EVENT_TYPE).await?;
        for _ in 1..endpoints {
            deployment.endpoint("order.cancelled").await?;
        }
        deployments.push(deployment);
    }
    let mut used = [const { Vec::new() }; 3];
    for number in 0..PUBLISHED {
        for (deployment, used) in deployments.iter().zip(&mut used) {
            // A process that has just read the targets. They are read again after 30 s, which is seldom here.
            if number == 0 {
                publish(deployment, &mut random).await?;
            }
            used.push(publish(deployment, &mut random).await?);
        }
    }
    let [alone, beside_some, beside_most] = used.map(|used| median(used).took.as_secs_f64() * 1e3);
    let name = |endpoints: u32, what: &str| format!("publishing to one of {endpoints} endpoints, in turns: {what}");
    report.figure(&name(1, "ms"), rounded(alone));
    report.figure(&name(some, "ms"), rounded(beside_some));
    report.figure(&name(some, "times as long"), rounded(beside_some / alone));
    report.figure(&name(most_endpoints, "ms"), rounded(beside_most));
    report.figure(&name(most_endpoints, "ms more"), rounded(beside_most - alone));
    let (times, more) = PROMISED;
    report.promise("500 endpoints do not slow down publishing to one of them", beside_some <= alone * times);
    report.promise("nor do 8,000", beside_most <= alone + more);
    Ok(())
}

/// An event for one of the organization's endpoints, and one for all of them. Returns the units that a delivery of the
/// latter uses, but for reading the endpoints.
async fn endpoints_in_organization(report: &mut Report, endpoints: u32) -> anyhow::Result<f64> {
    let deployment = Deployment::new().await?;
    deployment.endpoint(EVENT_TYPE).await?;
    for _ in 1..endpoints {
        deployment.endpoint("order.cancelled").await?;
    }
    let mut random = Rng::with_seed(7);
    let mut used = Vec::new();
    for _ in 0..REPEATED {
        used.push(publish(&deployment, &mut random).await?);
        while deployment.deliver().await?.is_some() {}
    }
    let name = |what: &str| format!("{endpoints} endpoints: {what}");
    let one = median(used);
    report.figure(&name("publishing to one of them, read units"), one.bill.read_units);
    report.figure(&name("publishing to one of them, write units"), one.bill.write_units);
    report.figure(&name("publishing to one of them, ms"), millis(&one));

    let deployment = Deployment::new().await?;
    for _ in 0..endpoints {
        deployment.endpoint(EVENT_TYPE).await?;
    }
    // The first publishing also reads the organization.
    publish(&deployment, &mut random).await?;
    while deployment.deliver().await?.is_some() {}
    let all = publish(&deployment, &mut random).await?;
    let (mut delivered, mut units, mut took) = (0.0, all.bill.write_units, all.took);
    while let Some((handled, used)) = deployment.deliver().await? {
        delivered += f64::from(u32::try_from(handled)?);
        units += used.bill.write_units;
        took += used.took;
    }
    ensure!((delivered - f64::from(endpoints)).abs() < 0.5, "{delivered} deliveries");
    // The event itself is paid for once.
    let per_delivery = (units - 1.0) / delivered;
    report.figure(&name("publishing to all, read units"), all.bill.read_units);
    report.figure(&name("publishing to all and delivering, write units per delivery"), rounded(per_delivery));
    report.figure(
        &name("publishing to all and delivering, ms per delivery"),
        rounded(took.as_secs_f64() * 1e3 / delivered),
    );
    Ok(per_delivery)
}

/// What lists of one endpoint with so many deliveries use. Returns the read units of a page.
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
    if stored <= MOST_COUNTED {
        let path = format!("/v1/webhook-endpoints/{endpoint}/deliveries?page_size=50");
        let (_, used) = deployment.measure(Method::GET, &path, &Value::Null).await?;
        report.figure(&name("a numbered page of 50, which counts all, read units"), used.bill.read_units);
        report.figure(&name("a numbered page of 50, which counts all, ms"), millis(&used));
    }
    let mut random = Rng::with_seed(u64::from(stored));
    let mut used = Vec::new();
    for _ in 0..REPEATED {
        publish(deployment, &mut random).await?;
        used.extend(deployment.deliver().await?.map(|(_, used)| used));
    }
    report.figure(&name("delivering one more, ms"), millis(&median(used)));
    Ok(units)
}

async fn repeated(deployment: &Deployment, path: &str) -> anyhow::Result<Used> {
    let mut all = Vec::new();
    for _ in 0..REPEATED {
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
