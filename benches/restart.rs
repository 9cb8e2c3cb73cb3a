//! The start of the local host with an increasing number of final deliveries in its table.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use pigeonpost::aws::{EmbeddedAws, Storage};
use serde_json::json;

use crate::deployment::{Deployment, EVENT_TYPE};
use crate::filler::Filler;
use crate::host::Host;
use crate::latency::Latencies;
use crate::publisher::Publisher;
use crate::receiver::{Behaviour, Receiver};
use crate::report::{Report, print};

/// The number of starts of each host. The median is used.
const STARTS: usize = 7;
/// The number of events of a publish request.
const BATCH: usize = 100;
/// Longer than an attempt may take, so deliveries to this receiver never become final.
const HANGING: Duration = Duration::from_secs(60 * 60);
const UNFINISHED: &str = "bench.unfinished";
/// The maximum duration of a start in milliseconds, without and with unfinished deliveries.
const PROMISED: [f64; 2] = [300.0, 1_000.0];

pub(crate) async fn run(deliveries: u32, unfinished: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("The local host's start after SIGKILL");
    let data = tempfile::tempdir()?;
    let mut host = Host::start(data.path()).await?;
    let deployment = Deployment::new().await?;
    deployment.endpoint(EVENT_TYPE).await?;
    let mut filler = Filler::new(&deployment).await?;
    for stored in [deliveries / 100, deliveries / 10, deliveries] {
        host.kill().await?;
        fill(&mut filler, data.path(), stored).await?;
        let title = format!("{stored} finished deliveries stored");
        report.part(starts(&title, &mut host, PROMISED[0]).await?);
    }
    let receiver = Receiver::start(Behaviour { delay: HANGING, ..Behaviour::HEALTHY }).await?;
    let publisher = Publisher::new(host.credentials()?);
    publisher.endpoint(&receiver.url(), UNFINISHED, json!({"timeout_seconds": 30})).await?;
    for _ in 0..unfinished / BATCH {
        publisher.publish_batch(UNFINISHED, BATCH).await?;
    }
    let title = format!("{deliveries} finished deliveries stored, and {unfinished} unfinished ones");
    report.part(starts(&title, &mut host, PROMISED[1]).await?);
    Ok(report)
}

/// Writes final deliveries of an organization that the host does not know. A start reads neither kind.
async fn fill(filler: &mut Filler, data: &Path, stored: u32) -> anyhow::Result<()> {
    let storage = Storage::Directory { path: data.to_owned(), durable: false };
    let aws = EmbeddedAws::open(&storage, "127.0.0.1:1", Arc::new(|| SystemTime::UNIX_EPOCH))?;
    filler.fill(&Client::new(&aws.sdk_config()), stored).await?;
    Ok(aws.flush().await?)
}

async fn starts(title: &str, host: &mut Host, promised_ms: f64) -> anyhow::Result<Report> {
    let (mut took, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        host.kill().await?;
        host.start_again().await?;
        took.push(host.started_in());
        memory.push(host.process()?.pss_mib()?);
    }
    memory.sort_by(f64::total_cmp);
    let took: Latencies = took.into_iter().collect();
    let mut report = Report::new(title);
    report.figure("starts; shown are medians", STARTS);
    report.figure("start until healthy, ms", took.percentile(0.5));
    report.figure("start until healthy, longest ms", took.percentile(1.0));
    report.figure("memory after the start (PSS), MiB", memory[STARTS / 2].round());
    report.promise("a start takes at most the promised time", took.percentile(0.5) <= promised_ms);
    print(&report.line());
    Ok(report)
}
