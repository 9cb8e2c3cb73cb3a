//! The cost of a million deliveries on AWS by each way to publish: the calls of publishing and delivering, at list prices.

use std::time::Duration;

use crate::deployment::Bill;
use anyhow::{Context, ensure};
use axum::http::{HeaderMap, Method};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::deployment::{Deployment, EVENT_TYPE, Used};
use crate::payload;
use crate::report::Report;

/// List prices in us-east-1, in US dollars for a million units.
mod price {
    pub(super) const WRITE_UNIT: f64 = 0.625;
    pub(super) const READ_UNIT: f64 = 0.125;
    /// The price includes the surcharge for fair queues. AWS charges it only for sends. Here it applies to all
    /// requests, as an upper bound.
    pub(super) const QUEUE_REQUEST: f64 = 0.40 + 0.10;
    /// A request to a queue without message groups.
    pub(super) const INGEST_QUEUE_REQUEST: f64 = 0.40;
    pub(super) const HTTP_API_REQUEST: f64 = 1.00;
    /// An event of a bus. Its rules and their calls of SQS cost nothing beyond SQS's own price.
    pub(super) const EVENT: f64 = 1.00;
    pub(super) const INVOCATION: f64 = 0.20;
    /// The price of a million GB-seconds on arm64.
    pub(super) const GB_SECOND: f64 = 13.333_4;
}

/// The number of measured deliveries in each form of publishing.
const DELIVERIES: u32 = 1_000;
/// The size of one billed request to SQS, in bytes.
const QUEUE_REQUEST_BYTES: usize = 64 * 1024;
/// The most messages of a request that sends to a queue, or of a batch of a function.
const FULL_BATCH: u32 = 10;

/// A way to publish.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    HttpApi,
    /// The Svix-compatible API, by the same way. Each message has an idempotency key, as that of every client, and an
    /// `eventId`.
    Svix,
    FunctionUrl,
    /// The ingest queue, whose function gets this number of messages at a time.
    Queue(u32),
    /// A bus, whose rule sends to the ingest queue. The function gets this number of messages at a time.
    Bus(u32),
}

/// A form of publishing.
struct Form {
    name: &'static str,
    entry: Entry,
    /// The number of events of a request or a message.
    events: u32,
    /// The maximum price of a million deliveries.
    most: f64,
}

const FORMS: [Form; 10] = [
    Form { name: "published one by one", entry: Entry::HttpApi, events: 1, most: 4.00 },
    Form { name: "published in batches of 100", entry: Entry::HttpApi, events: 100, most: 1.60 },
    Form { name: "messages of the Svix-compatible API", entry: Entry::Svix, events: 1, most: 5.25 },
    Form { name: "function URL, one by one", entry: Entry::FunctionUrl, events: 1, most: 3.00 },
    Form { name: "function URL, in batches of 100", entry: Entry::FunctionUrl, events: 100, most: 1.60 },
    Form { name: "queue, ten messages at a time", entry: Entry::Queue(FULL_BATCH), events: 1, most: 3.00 },
    Form { name: "queue, one message at a time", entry: Entry::Queue(1), events: 1, most: 5.00 },
    Form { name: "queue, messages of 100 events", entry: Entry::Queue(FULL_BATCH), events: 100, most: 1.60 },
    Form { name: "bus, ten messages at a time", entry: Entry::Bus(FULL_BATCH), events: 1, most: 4.50 },
    Form { name: "bus, one message at a time", entry: Entry::Bus(1), events: 1, most: 6.00 },
];
/// The time that AWS adds to measured times: a call of DynamoDB or SQS takes some milliseconds there, and a receiver's
/// response some more. Publishing waits for three sequential calls, ingesting for five, delivering for two and the receiver.
const WAITS_TO_PUBLISH: Duration = Duration::from_millis(15);
const WAITS_TO_INGEST: Duration = Duration::from_millis(25);
const WAITS_TO_DELIVER: Duration = Duration::from_millis(110);
/// The memory, in MB, for which Lambda gives one complete CPU. With less memory, a function gets a part of it.
const MEMORY_OF_ONE_PROCESSOR: f64 = 1_769.0;

/// Measures in a runtime of one thread, as the functions have. With several threads, fewer requests would share a call.
pub(crate) fn run() -> anyhow::Result<Report> {
    let measure = || tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure_all());
    let measured = std::thread::spawn(measure);
    measured.join().map_err(|_| anyhow::anyhow!("measuring panicked"))?
}

async fn measure_all() -> anyhow::Result<Report> {
    let mut report = Report::new("US dollars for a million deliveries of events with 1 KB of data, to one endpoint");
    let mut random = Rng::with_seed(7);
    for form in &FORMS {
        measure(&mut report, form, &mut random).await?;
    }
    Ok(report)
}

/// The invocations of one function.
struct Invocations {
    memory_mb: f64,
    count: u32,
    took: Duration,
    bill: Bill,
    /// Requests to the ingest queue, which are not in the bill.
    ingest_requests: u32,
}

impl Invocations {
    fn of(function: &str) -> anyhow::Result<Self> {
        Ok(Self {
            memory_mb: memory_mb(function)?,
            count: 0,
            took: Duration::ZERO,
            bill: Bill::default(),
            ingest_requests: 0,
        })
    }

    fn add(&mut self, used: &Used) {
        self.count += 1;
        self.took += used.took;
        self.bill.write_units += used.bill.write_units;
        self.bill.read_units += used.bill.read_units;
        self.bill.queue_requests += used.bill.queue_requests;
    }

    /// The price in dollars for `deliveries` of them: of the table, the queue and the function. Each invocation takes
    /// `each`.
    fn dollars(&self, each: Duration) -> [f64; 3] {
        let table = self.bill.write_units * price::WRITE_UNIT + self.bill.read_units * price::READ_UNIT;
        let ingest_queue = f64::from(self.ingest_requests) * price::INGEST_QUEUE_REQUEST;
        let queue = f64::from(self.bill.queue_requests) * price::QUEUE_REQUEST + ingest_queue;
        let gb_seconds = each.as_secs_f64() * self.memory_mb / 1024.0;
        let function = f64::from(self.count) * (price::INVOCATION + gb_seconds * price::GB_SECOND);
        [table, queue, function].map(|for_all| for_all / f64::from(DELIVERIES))
    }

    /// The duration of an invocation on this machine. Lambda rounds up to milliseconds.
    fn measured(&self) -> Duration {
        let millis = (self.took.as_secs_f64() * 1e3 / f64::from(self.count)).ceil();
        Duration::from_secs_f64(millis / 1e3)
    }

    /// The duration of an invocation with a part of a CPU and with AWS's waits.
    fn in_lambda(&self, waits: Duration) -> Duration {
        let share = (self.memory_mb / MEMORY_OF_ONE_PROCESSOR).min(1.0);
        Duration::from_secs_f64(self.took.as_secs_f64() / f64::from(self.count) / share) + waits
    }
}

async fn measure(report: &mut Report, measured: &Form, random: &mut Rng) -> anyhow::Result<()> {
    let Form { name: form, entry, most, .. } = *measured;
    let deployment = Deployment::new().await?;
    deployment.endpoint(EVENT_TYPE).await?;
    let (publish, before) = match entry {
        Entry::HttpApi | Entry::Svix | Entry::FunctionUrl => publish(&deployment, measured, random).await?,
        Entry::Queue(messages) | Entry::Bus(messages) => ingest(&deployment, measured, messages, random).await?,
    };
    let mut deliver = Invocations::of("DeliverFunction")?;
    let mut delivered = 0;
    while let Some((handled, used)) = deployment.deliver().await? {
        delivered += handled;
        deliver.add(&used);
    }
    ensure!(delivered == DELIVERIES as usize, "{delivered} deliveries of {DELIVERIES}");

    let mut total = [before; 3];
    report.figure(&format!("{form}: before the function"), cents(before));
    let waits_to_publish = match entry {
        Entry::HttpApi | Entry::Svix | Entry::FunctionUrl => WAITS_TO_PUBLISH,
        Entry::Queue(_) | Entry::Bus(_) => WAITS_TO_INGEST,
    };
    for (name, function, waits) in [("publish", &publish, waits_to_publish), ("deliver", &deliver, WAITS_TO_DELIVER)] {
        let [table, queue, lambda] = function.dollars(function.measured());
        let [.., in_lambda] = function.dollars(function.in_lambda(waits));
        let [.., invocations] = function.dollars(Duration::ZERO);
        for (sum, of_function) in total.iter_mut().zip([invocations, lambda, in_lambda]) {
            *sum += table + queue + of_function;
        }
        let per_delivery = |units: f64| (units / f64::from(DELIVERIES) * 1e3).round() / 1e3;
        report.figure(&format!("{form}: {name}, write units per delivery"), per_delivery(function.bill.write_units));
        report.figure(&format!("{form}: {name}, read units per delivery"), per_delivery(function.bill.read_units));
        report.figure(&format!("{form}: {name}, table"), cents(table));
        report.figure(&format!("{form}: {name}, queue"), cents(queue));
        report.figure(&format!("{form}: {name}, ms of an invocation here"), function.measured().as_millis() as u64);
        report.figure(&format!("{form}: {name}, function, at the time it took here"), cents(lambda));
        report
            .figure(&format!("{form}: {name}, function, with AWS's waits and share of a processor"), cents(in_lambda));
    }
    let [counted, here, in_lambda] = total;
    report.figure(&format!("{form}: total of what is counted, without the functions' time"), cents(counted));
    report.figure(&format!("{form}: total at the time it took here"), cents(here));
    report.figure(&format!("{form}: total with AWS's waits and share of a processor"), cents(in_lambda));
    // Times are not promised, because they depend on the machine.
    report.promise(&format!("{form}: at most ${most:.2} for a million"), counted <= most);
    Ok(())
}

/// Publishes over HTTP. Returns the invocations, and the price of the requests for a delivery in millionths.
async fn publish(deployment: &Deployment, form: &Form, random: &mut Rng) -> anyhow::Result<(Invocations, f64)> {
    let mut publish = Invocations::of("PublishFunction")?;
    for number in 0..DELIVERIES / form.events {
        let mut headers = HeaderMap::new();
        let (path, body) = if form.entry == Entry::Svix {
            headers.insert("idempotency-key", format!("auto_{number}").parse()?);
            (deployment.messages(), message(number, random)?)
        } else {
            let (path, body) = request(form.events, random)?;
            (deployment.path(path), body)
        };
        publish.add(&deployment.measure_with(Method::POST, &path, &headers, &body).await?.1);
    }
    let request = if form.entry == Entry::FunctionUrl { 0.0 } else { price::HTTP_API_REQUEST };
    Ok((publish, request / f64::from(form.events)))
}

/// Publishes by the ingest queue. Returns the invocations, and the price of sending the messages.
async fn ingest(
    deployment: &Deployment,
    form: &Form,
    messages: u32,
    random: &mut Rng,
) -> anyhow::Result<(Invocations, f64)> {
    let (mut ingest, mut sends, mut left) = (Invocations::of("IngestFunction")?, 0, DELIVERIES / form.events);
    while left > 0 {
        let count = messages.min(left);
        left -= count;
        let batch = (0..count).map(|_| Ok(request(form.events, random)?.1)).collect::<anyhow::Result<Vec<_>>>()?;
        // A publisher that sends ten messages with one request pays for their size together. EventBridge sends single ones.
        let at_once = if matches!(form.entry, Entry::Queue(_)) { FULL_BATCH.min(messages) as usize } else { 1 };
        for sent in batch.chunks(at_once) {
            sends += sent.iter().map(|message| message.to_string().len()).sum::<usize>().div_ceil(QUEUE_REQUEST_BYTES);
        }
        let mut used = deployment.ingest(&batch).await?;
        // The messages of deliveries are sent to a queue with message groups. Receiving and deleting are requests to the other.
        let deliveries = used.bill.calls.get("SendMessageBatch").copied().unwrap_or_default();
        ingest.ingest_requests += used.bill.queue_requests - deliveries;
        used.bill.queue_requests = deliveries;
        ingest.add(&used);
    }
    let events = if matches!(form.entry, Entry::Bus(_)) { price::EVENT } else { 0.0 };
    let sending = sends as f64 * price::INGEST_QUEUE_REQUEST / f64::from(DELIVERIES);
    Ok((ingest, events + sending))
}

fn request(events: u32, random: &mut Rng) -> anyhow::Result<(&'static str, Value)> {
    let mut event = || {
        let data: Value = serde_json::from_str(&payload::data(random))?;
        anyhow::Ok(json!({"type": EVENT_TYPE, "data": data}))
    };
    if events == 1 {
        return Ok(("/events", event()?));
    }
    let events = (0..events).map(|_| event()).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(("/events/batch", json!({"events": events})))
}

fn message(number: u32, random: &mut Rng) -> anyhow::Result<Value> {
    let payload: Value = serde_json::from_str(&payload::data(random))?;
    Ok(json!({"eventType": EVENT_TYPE, "eventId": format!("order-{number}"), "payload": payload}))
}

/// The memory of the function in the template.
fn memory_mb(function: &str) -> anyhow::Result<f64> {
    let template = include_str!("../template.yaml");
    let (_, block) =
        template.split_once(&format!("\n  {function}:\n")).context("the function is not in the template")?;
    let (_, memory) = block.split_once("MemorySize: ").context("the function has no memory size")?;
    let digits: String = memory.chars().take_while(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}

fn cents(dollars: f64) -> f64 {
    (dollars * 1e3).round() / 1e3
}
