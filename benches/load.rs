//! The whole local host under load, and idle.

use std::time::Duration;

use anyhow::{Context, bail};

use crate::host::Host;
use crate::latency::Latencies;
use crate::report::{Report, print};
use crate::trial::{PUBLISHERS, Trial};

/// Events per second where they come at a fixed rate.
const RATE: u32 = 200;
/// Events and endpoints where each event has many deliveries.
const FAN_OUTS: [(usize, usize); 2] = [(1_000, 10), (100, 100)];
/// How many fresh hosts are started to tell how long it takes.
const STARTS: usize = 10;
/// How long a host is watched that has nothing to do.
const IDLE: Duration = Duration::from_secs(10);

/// What of it is measured, and how often.
pub(crate) struct Extent {
    /// One part alone, by its name on the command line.
    pub(crate) part: Option<String>,
    pub(crate) events: usize,
    pub(crate) seconds: usize,
    pub(crate) repeat: usize,
}

pub(crate) async fn run(extent: &Extent) -> anyhow::Result<Report> {
    let mut report = Report::new("The local host under load");
    report.figure("load of the machine before", machine_load()?);
    report.figure("runs of each part; shown are medians", extent.repeat);
    let wanted = |name: &str| extent.part.as_deref().is_none_or(|part| part == name);
    let (repeat, mut measured) = (extent.repeat, 0);
    if wanted("throughput") {
        report.part(medians(repeat, async || throughput(extent.events).await).await?);
        measured += 1;
    }
    if wanted("rate") {
        let title = format!("{RATE} events a second to 1 endpoint");
        report.part(medians(repeat, async || Trial::new(1).await?.at_rate(&title, RATE, extent.seconds).await).await?);
        measured += 1;
    }
    if wanted("fanout") {
        for (events, endpoints) in FAN_OUTS {
            let title = format!("{events} events to {endpoints} endpoints each, {PUBLISHERS} publishers");
            let trial = async || Trial::new(endpoints).await?.at_full_speed(&title, events).await;
            report.part(medians(repeat, trial).await?);
        }
        measured += 1;
    }
    if wanted("idle") {
        report.part(idle().await?);
        measured += 1;
    }
    if measured == 0 {
        bail!("there is no such part; see bench --help");
    }
    Ok(report)
}

/// The same with more and more events, each number on a fresh host.
pub(crate) async fn growth(events: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("The local host under more and more events");
    report.figure("load of the machine before", machine_load()?);
    for events in [events / 100, events / 10, events] {
        report.part(announced(throughput(events).await?));
    }
    Ok(report)
}

async fn throughput(events: usize) -> anyhow::Result<Report> {
    let title = format!("{events} events to 1 endpoint, {PUBLISHERS} publishers");
    Trial::new(1).await?.at_full_speed(&title, events).await
}

async fn medians(repeat: usize, part: impl AsyncFn() -> anyhow::Result<Report>) -> anyhow::Result<Report> {
    let mut repeated = Vec::new();
    for _ in 0..repeat {
        repeated.push(announced(part().await?));
    }
    Report::medians(repeated).context("--repeat must be 1 or more")
}

fn announced(report: Report) -> Report {
    print(&report.line());
    report
}

async fn idle() -> anyhow::Result<Report> {
    let (mut starts, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let data = tempfile::tempdir()?;
        let host = Host::start(data.path()).await?;
        starts.push(host.started_in());
        memory.push(host.process()?.pss_mib()?);
    }
    memory.sort_by(f64::total_cmp);
    let data = tempfile::tempdir()?;
    let host = Host::start(data.path()).await?;
    let process = host.process()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = process.cpu()?;
    tokio::time::sleep(IDLE).await;
    let used = process.cpu()? - before;

    let mut report = Report::new("A fresh host without anything to do");
    report.figure("fresh starts; shown are medians", STARTS);
    report.figure("start until healthy, ms", starts.into_iter().collect::<Latencies>().percentile(0.5));
    report.figure("memory after the start (PSS), MiB", memory[STARTS / 2].round());
    report.figure(&format!("CPU in {} idle seconds, ms", IDLE.as_secs()), u64::try_from(used.as_millis())?);
    Ok(report)
}

/// What else keeps the machine busy makes figures worse.
fn machine_load() -> anyhow::Result<String> {
    Ok(std::fs::read_to_string("/proc/loadavg")?.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
