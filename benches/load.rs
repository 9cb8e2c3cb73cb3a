//! The complete local host under load and idle.

use std::time::Duration;

use anyhow::Context;

use crate::host::Host;
use crate::latency::Latencies;
use crate::report::{Report, print};
use crate::trial::{Fan, Trial};

/// The numbers of publishers at full speed, for one endpoint and for many.
const PUBLISHERS: [usize; 2] = [64, 32];
/// The names of the parts on the command line.
pub(crate) const PARTS: [&str; 8] =
    ["one", "one-durable", "ten", "hundred", "hundred-longer", "fan-out", "by-type", "idle"];
/// The number of fresh hosts whose start is measured.
const STARTS: usize = 10;
/// The time for which an idle host is measured.
const IDLE: Duration = Duration::from_secs(10);

/// The measured part, and the number of repetitions.
pub(crate) struct Parameters {
    /// The name of the only part to measure. `None` measures all.
    pub(crate) part: Option<String>,
    pub(crate) events: usize,
    pub(crate) repeat: usize,
}

pub(crate) async fn run(parameters: &Parameters) -> anyhow::Result<Report> {
    let mut report = Report::new("The local host under load");
    report.figure("load of the machine before", machine_load()?);
    report.figure("runs of each part; shown are medians", parameters.repeat);
    for part in PARTS.into_iter().filter(|name| parameters.part.as_deref().is_none_or(|part| part == *name)) {
        report.part(measure(part, parameters).await?);
    }
    Ok(report)
}

async fn measure(part: &str, parameters: &Parameters) -> anyhow::Result<Report> {
    let [_, publishers] = PUBLISHERS;
    let by_type = parameters.events / 6;
    let full_speed = async |what: &str, fan, events: usize| {
        let title = format!("{events} {what}, {publishers} publishers");
        Trial::new(fan, publishers).await?.at_full_speed(&title, events).await
    };
    let repeat = parameters.repeat;
    match part {
        "one" => medians(repeat, async || throughput(&[], parameters.events).await).await,
        "one-durable" => medians(repeat, async || throughput(&["--durable"], parameters.events).await).await,
        "ten" => medians(repeat, async || full_speed("to 10 endpoints", Fan::ToAll(10), 1_000).await).await,
        "hundred" => medians(repeat, async || full_speed("to 100 endpoints", Fan::ToAll(100), 100).await).await,
        "hundred-longer" => medians(repeat, async || full_speed("to 100 endpoints", Fan::ToAll(100), 300).await).await,
        "fan-out" => {
            let trial = async || {
                Trial::new(Fan::ToAll(500), 1).await?.one_by_one("20 to 500 endpoints, one after the other", 20).await
            };
            medians(repeat, trial).await
        }
        "by-type" => {
            medians(repeat, async || full_speed("to 1 of 100 endpoints, by type", Fan::ByType(100), by_type).await)
                .await
        }
        _ => idle().await,
    }
}

/// Measures full speed with increasing numbers of events, each with a fresh host.
pub(crate) async fn growth(events: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("The local host under more and more events");
    report.figure("load of the machine before", machine_load()?);
    for events in [events / 100, events / 10, events] {
        report.part(announced(throughput(&[], events).await?));
    }
    Ok(report)
}

async fn throughput(arguments: &[&str], events: usize) -> anyhow::Result<Report> {
    let [publishers, _] = PUBLISHERS;
    let title = format!("{events} to 1 endpoint, {publishers} publishers {}", arguments.join(" "));
    let trial = Trial::with_arguments(arguments, Fan::ToAll(1), publishers).await?;
    trial.at_full_speed(title.trim_end(), events).await
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

/// The load of the machine. Other processes make the figures worse.
fn machine_load() -> anyhow::Result<String> {
    Ok(std::fs::read_to_string("/proc/loadavg")?.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
