//! Whether costs stay flat: what publishing, delivering and lists use as endpoints and stored deliveries become many.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use axum::http::Method;
use fastrand::Rng;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use shared::clock::{self, Clock};
use shared::domain::ids::{DeliveryId, EventId};
use shared::domain::time::Timestamp;

use crate::deployment::{Deployment, EVENT_TYPE, TABLE, Used};
use crate::payload;
use crate::report::Report;

/// How many endpoints an organization has.
const ENDPOINTS: [u32; 4] = [1, 10, 100, 1_000];
/// How often something is measured; the median counts.
const REPEATED: usize = 5;
/// The `pages` dialect reads all deliveries at every page, and is not tried with more.
const MOST_COUNTED: u32 = 100_000;
/// How many items DynamoDB takes at once.
const AT_ONCE: usize = 25;

/// What is stored lies so far apart: a million deliveries are two weeks of them.
const EVERY: Duration = Duration::from_millis(1_200);

type Item = HashMap<String, AttributeValue>;

pub(crate) async fn run(most_stored: u32) -> anyhow::Result<Report> {
    let mut report = Report::new("What is used as there is more; ms are this machine's, on the embedded engines");
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
        filler.fill(&deployment, stored).await?;
        let units = stored_deliveries(&mut report, &deployment, &endpoint, stored, filler.middle()?).await?;
        let first = *first.get_or_insert(units);
        report.promise("a page of deliveries reads as much however many are stored", units <= first * 1.2);
        stored *= 10;
    }
    Ok(report)
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

async fn publish(deployment: &Deployment, random: &mut Rng) -> anyhow::Result<Used> {
    let data: Value = serde_json::from_str(&payload::data(random))?;
    let event = json!({"type": EVENT_TYPE, "data": data});
    Ok(deployment.measure(Method::POST, &deployment.path("/events"), &event).await?.1)
}

/// Copies of one delivery that was really made, with ids of their own, ever further back in time.
struct Filler {
    items: Vec<Item>,
    stored: u32,
    now: Timestamp,
    ids: Vec<EventId>,
}

impl Filler {
    async fn new(deployment: &Deployment) -> anyhow::Result<Self> {
        publish(deployment, &mut Rng::with_seed(7)).await?;
        ensure!(deployment.deliver().await?.is_some(), "an event is delivered");
        let scan = deployment.dynamodb.scan().table_name(TABLE).send().await?.items.unwrap_or_default();
        let of_delivery =
            |item: &Item| string(item, "pk").starts_with("event#") || string(item, "pk").starts_with("delivery#");
        let items: Vec<_> = scan.into_iter().filter(of_delivery).collect();
        ensure!(items.len() == 3, "an event, its list and its record, not {}", items.len());
        Ok(Self { items, stored: 1, now: Clock::system().now(), ids: Vec::new() })
    }

    /// Makes copies until so many are stored.
    async fn fill(&mut self, deployment: &Deployment, stored: u32) -> anyhow::Result<()> {
        let mut writes = Vec::new();
        while self.stored < stored {
            let id = EventId::new(self.now.minus(EVERY * self.stored), clock::id_bytes());
            self.ids.push(id);
            self.stored += 1;
            for item in &self.items {
                let put = PutRequest::builder().set_item(Some(copy(item, id)?)).build()?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
        }
        let requests = writes.chunks(AT_ONCE).map(|chunk| {
            let write = deployment.dynamodb.batch_write_item().request_items(TABLE, chunk.to_vec());
            async move {
                let left = write.send().await?.unprocessed_items.is_some_and(|left| !left.is_empty());
                ensure!(!left, "the embedded engine leaves nothing undone");
                Ok(())
            }
        });
        stream::iter(requests).buffer_unordered(4).try_collect().await
    }

    /// A delivery with as many before as after it.
    fn middle(&self) -> anyhow::Result<DeliveryId> {
        let middle = self.ids.get(self.ids.len() / 2).context("something is stored")?;
        middle.delivery(0).context("an event has a first delivery")
    }
}

/// The same item of another event.
fn copy(item: &Item, id: EventId) -> anyhow::Result<Item> {
    let mut item = item.clone();
    let delivery = id.delivery(0).context("an event has a first delivery")?;
    let (partition, _) = string(&item, "pk").rsplit_once('#').context("partitions end with their shard")?;
    let (shard, sort) = match string(&item, "entity") {
        "event" => (id.shard(), id.to_string()),
        "pending" => (delivery.shard(), format!("{delivery}#pending")),
        _ => (delivery.shard(), delivery.to_string()),
    };
    let pk = format!("{partition}#{shard}");
    if item.contains_key("deliveries") {
        item.insert("deliveries".to_owned(), AttributeValue::B(Blob::new(delivery.uuid().into_bytes())));
    }
    item.insert("pk".to_owned(), AttributeValue::S(pk));
    item.insert("sk".to_owned(), AttributeValue::S(sort));
    Ok(item)
}

fn string<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
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
