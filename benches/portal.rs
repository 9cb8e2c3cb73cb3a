//! The pages of the portal on the local host, with many endpoints and deliveries stored.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::Client;
use pigeonpost::aws::{EmbeddedAws, Storage};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::filler::Filler;
use crate::host::Host;
use crate::latency::Latencies;
use crate::publisher::Publisher;
use crate::receiver::{Behaviour, Receiver};
use crate::report::{Report, print};

const EVENT_TYPE: &str = "bench.portal";
/// The pages, below the organization's path.
const PAGES: [&str; 11] = [
    "/endpoints",
    "/endpoints/{endpoint}",
    "/endpoints/{endpoint}/deliveries",
    "/endpoints/{endpoint}/settings",
    "/endpoints/{endpoint}/signing",
    "/deliveries/{delivery}",
    "/events",
    "/events/{event}",
    "/event-types",
    "/usage",
    "/access",
];
/// The longest time in milliseconds and the most kilobytes of a page.
const PROMISED: (f64, f64) = (50.0, 30.0);

pub(crate) async fn run(endpoints: usize, deliveries: u32, repeat: usize) -> anyhow::Result<Report> {
    let data = tempfile::tempdir()?;
    let most_endpoints = (endpoints + 10).to_string();
    let mut host = Host::start_with(data.path(), &[], &[("MAX_ENDPOINTS", &most_endpoints)]).await?;
    let publisher = Publisher::new(host.credentials()?);
    publisher.remove_demo().await?;
    let receiver = Receiver::start(Behaviour::HEALTHY).await?;
    let endpoint = publisher.endpoint(&receiver.url(), EVENT_TYPE, json!({})).await?;
    for _ in 1..endpoints {
        publisher.endpoint(&receiver.url(), "bench.other", json!({})).await?;
    }
    publisher.publish(EVENT_TYPE).await?;
    let first = delivered(&publisher, &endpoint).await?;
    host.kill().await?;
    fill(data.path(), publisher.organization(), &endpoint, deliveries).await?;
    host.start_again().await?;

    let visitor = Visitor::signed_in(&publisher).await?;
    let event = first["event_id"].as_str().context("the delivery has no event")?;
    let delivery = first["id"].as_str().context("the delivery has no id")?;
    let mut report = Report::new(&format!("Pages with {endpoints} endpoints and {deliveries} deliveries"));
    for page in PAGES {
        let path = page.replace("{endpoint}", &endpoint).replace("{delivery}", delivery).replace("{event}", event);
        report.part(visitor.measure(page, &path, repeat).await?);
    }
    Ok(report)
}

/// Waits until the endpoint's only delivery has succeeded, and returns it.
async fn delivered(publisher: &Publisher, endpoint: &str) -> anyhow::Result<Value> {
    for _ in 0..100 {
        let list = publisher.get(&format!("/webhooks/endpoints/{endpoint}/deliveries?status=success")).await?;
        if let Some(delivery) = list.get(0) {
            return Ok(delivery.clone());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the event was not delivered")
}

/// Stores copies of the endpoint's delivery while the host is not running.
async fn fill(data: &Path, organization: &str, endpoint: &str, deliveries: u32) -> anyhow::Result<()> {
    let storage = Storage::Directory { path: data.to_owned(), durable: false };
    let aws = EmbeddedAws::open(&storage, "127.0.0.1:1", Arc::new(|| SystemTime::UNIX_EPOCH))?;
    let dynamodb = Client::new(&aws.sdk_config());
    let mut filler =
        Filler::of_stored(&dynamodb, |partition| partition.contains(organization) || partition.contains(endpoint))
            .await?;
    filler.fill(&dynamodb, deliveries).await?;
    Ok(aws.flush().await?)
}

/// A person with a session.
struct Visitor {
    http: reqwest::Client,
    base_url: String,
    /// The path of the organization's pages.
    home: String,
    cookie: String,
}

impl Visitor {
    async fn signed_in(publisher: &Publisher) -> anyhow::Result<Self> {
        let session = publisher.post("/portal-sessions", json!({"role": "owner"})).await?;
        let link = session["url"].as_str().context("the session has no link")?;
        let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
        let answer = http.get(link).send().await?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let cookie = header(SET_COOKIE).split(';').next().unwrap_or_default().to_owned();
        let home = header(LOCATION).rsplit_once('/').context("signing in leads nowhere")?.0.to_owned();
        ensure!(!cookie.is_empty(), "signing in sets no cookie");
        let base_url = link.split("/portal/").next().unwrap_or_default().to_owned();
        Ok(Self { http, base_url, home, cookie })
    }

    /// Opens a page repeatedly.
    async fn measure(&self, name: &str, path: &str, repeat: usize) -> anyhow::Result<Report> {
        let (mut times, mut bytes) = (Vec::new(), 0);
        // The first request fills the caches, as that of a person who has opened another page before.
        for number in 0..=repeat {
            let began = Instant::now();
            let request = self.http.get(format!("{}{}{path}", self.base_url, self.home)).header(COOKIE, &self.cookie);
            let answer = request.send().await?;
            ensure!(answer.status().is_success(), "{path}: {}", answer.status());
            bytes = answer.bytes().await?.len();
            if number > 0 {
                times.push(began.elapsed());
            }
        }
        let times: Latencies = times.into_iter().collect();
        let kilobytes = f64::from(u32::try_from(bytes)?) / 1_000.0;
        let mut report = Report::new(name);
        report.figure("median, ms", times.percentile(0.5));
        report.figure("99th percentile, ms", times.percentile(0.99));
        report.figure("size, KB", kilobytes);
        report.promise("the 99th percentile is at most 50 ms", times.percentile(0.99) <= PROMISED.0);
        report.promise("a page has at most 30 KB", kilobytes <= PROMISED.1);
        print(&report.line());
        Ok(report)
    }
}
