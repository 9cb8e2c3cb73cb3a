//! The cost of a million deliveries on AWS: the calls of publishing and delivering, at list prices.

use std::time::Duration;

use crate::deployment::Bill;
use anyhow::{Context, ensure};
use axum::http::Method;
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
    pub(super) const HTTP_API_REQUEST: f64 = 1.00;
    pub(super) const INVOCATION: f64 = 0.20;
    /// The price of a million GB-seconds on arm64.
    pub(super) const GB_SECOND: f64 = 13.333_4;
}

/// The number of measured deliveries in each form of publishing.
const DELIVERIES: u32 = 2_000;
/// The maximum price of a million deliveries, published one by one and in batches of 100.
const FORMS: [(&str, u32, f64); 2] = [("published one by one", 1, 4.00), ("published in batches of 100", 100, 1.60)];
/// The time that AWS adds to measured times: a call of DynamoDB or SQS takes some milliseconds there, and a receiver's
/// response some more. Publishing waits for three sequential calls, delivering for two and the receiver.
const WAITS_TO_PUBLISH: Duration = Duration::from_millis(15);
const WAITS_TO_DELIVER: Duration = Duration::from_millis(110);
/// The memory, in MB, for which Lambda gives one complete CPU. With less memory, a function gets a part of it.
const MEMORY_OF_ONE_PROCESSOR: f64 = 1_769.0;

pub(crate) async fn run() -> anyhow::Result<Report> {
    let mut report = Report::new("US dollars for a million deliveries of events with 1 KB of data, to one endpoint");
    let mut random = Rng::with_seed(7);
    for (form, at_once, most) in FORMS {
        measure(&mut report, form, at_once, most, &mut random).await?;
    }
    Ok(report)
}

/// The invocations of one function.
struct Invocations {
    memory_mb: f64,
    count: u32,
    took: Duration,
    bill: Bill,
}

impl Invocations {
    fn of(function: &str) -> anyhow::Result<Self> {
        Ok(Self { memory_mb: memory_mb(function)?, count: 0, took: Duration::ZERO, bill: Bill::default() })
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
        let queue = f64::from(self.bill.queue_requests) * price::QUEUE_REQUEST;
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

async fn measure(report: &mut Report, form: &str, at_once: u32, most: f64, random: &mut Rng) -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    deployment.endpoint(EVENT_TYPE).await?;
    let (mut publish, mut deliver) = (Invocations::of("PublishFunction")?, Invocations::of("DeliverFunction")?);
    for _ in 0..DELIVERIES / at_once {
        let (path, body) = request(at_once, random)?;
        publish.add(&deployment.measure(Method::POST, &deployment.path(path), &body).await?.1);
    }
    let mut delivered = 0;
    while let Some((handled, used)) = deployment.deliver().await? {
        delivered += handled;
        deliver.add(&used);
    }
    ensure!(delivered == DELIVERIES as usize, "{delivered} deliveries of {DELIVERIES}");

    let api = price::HTTP_API_REQUEST / f64::from(at_once);
    let mut total = [api; 3];
    report.figure(&format!("{form}: HTTP API"), cents(api));
    for (name, function, waits) in [("publish", &publish, WAITS_TO_PUBLISH), ("deliver", &deliver, WAITS_TO_DELIVER)] {
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
