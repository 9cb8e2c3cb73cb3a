//! Measures Pigeonpost and tests it under stress: from outside, against the release build of the local host with
//! publishers and receivers of its own, and single functions with in-memory responses for AWS.

mod bare;
mod consumer;
mod cost;
mod cpu;
mod deployment;
mod filler;
mod host;
mod instant;
mod isolate;
mod kill;
mod latency;
mod load;
mod payload;
mod portal;
mod process;
mod publisher;
mod publishing;
mod receiver;
mod release;
mod report;
mod restart;
mod sink;
mod stage;
mod stored;
mod trial;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};

use isolate::Problem;
use load::Parameters;
use report::Report;

/// Measures Pigeonpost and tests it under stress. Build the host first: cargo build --release
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
    /// Write the figures to this file as well
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The local host at full speed, with one and with many endpoints, and idle
    Load {
        /// Measure only this part
        #[arg(long, value_parser = load::PARTS)]
        part: Option<String>,
        /// The number of events to one endpoint at full speed
        #[arg(long, default_value_t = 30_000)]
        events: usize,
        /// The number of repetitions of each part; shown are medians
        #[arg(long, default_value_t = 3)]
        repeat: usize,
    },
    /// The local host at full speed with a hundredth, a tenth, and all of many events
    Growth {
        #[arg(long, default_value_t = 100_000)]
        events: usize,
    },
    /// The start of the local host with many deliveries in its table, after SIGKILL
    Restart {
        /// The maximum number of stored final deliveries; a hundredth and a tenth are measured first
        #[arg(long, default_value_t = 1_000_000)]
        deliveries: u32,
        /// The number of unfinished deliveries in addition
        #[arg(long, default_value_t = 10_000)]
        unfinished: usize,
    },
    /// Kills the host with SIGKILL under load repeatedly, and counts the arriving deliveries
    Kill {
        /// The number of kills
        #[arg(long, default_value_t = 10)]
        times: u32,
        /// The minimum number of published events
        #[arg(long, default_value_t = 30_000)]
        events: u64,
        /// The seed for the times of the kills; without it, a random one is used and printed
        #[arg(long)]
        seed: Option<u64>,
    },
    /// The effect of other tenants' problems on a healthy endpoint
    Isolate {
        /// Measure only this kind of problem
        #[arg(long, value_parser = Problem::NAMES)]
        part: Option<String>,
        /// The duration of each of the five windows, with and without the problem, in seconds
        #[arg(long, default_value_t = 20)]
        seconds: u64,
        /// The time for which the problem lasts before its effect is measured, in seconds
        #[arg(long, default_value_t = 60)]
        settle: u64,
        /// The number of resumed or recovered deliveries
        #[arg(long, default_value_t = 100_000)]
        backlog: u32,
    },
    /// Many paused endpoints with parked deliveries are resumed together; and one run of the sweep with AWS's latencies
    Release {
        #[arg(long, default_value_t = 200)]
        endpoints: usize,
        /// How many deliveries each has
        #[arg(long, default_value_t = 1_000)]
        parked: usize,
        /// The longest time, in milliseconds, that a call of AWS takes in the second part; the shortest is half of it
        #[arg(long, default_value_t = 10)]
        latency_ms: u64,
        /// One part alone
        #[arg(long, value_parser = release::PARTS)]
        part: Option<String>,
    },
    /// The pages of the portal on the local host
    Portal {
        /// The number of endpoints
        #[arg(long, default_value_t = 1_000)]
        endpoints: usize,
        /// The number of stored deliveries
        #[arg(long, default_value_t = 100_000)]
        deliveries: u32,
        /// How often each page is opened
        #[arg(long, default_value_t = 100)]
        repeat: usize,
    },
    /// Without the host: the price of a million deliveries on AWS
    Cost,
    /// Without the host: the cost of lists and deliveries with increasing numbers of endpoints and stored deliveries
    Stored {
        /// The maximum number of stored deliveries (a million take about 2 GB of memory)
        #[arg(long, default_value_t = 1_000_000)]
        deliveries: u32,
        /// The maximum number of endpoints of an organization in which publishing to one of them is measured
        #[arg(long, default_value_t = 8_000)]
        endpoints: u32,
    },
    /// Without the host, with in-memory responses for AWS: delivering, compared with the bare HTTP client
    Consumer {
        /// The number of deliveries in a round
        #[arg(long, default_value_t = 10_000)]
        deliveries: usize,
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// Without the host, with in-memory responses for AWS: publishing to 1, 10 and 100 endpoints, with a key, and in
    /// batches
    Publish {
        /// The number of published deliveries in each scene
        #[arg(long, default_value_t = 10_000)]
        deliveries: usize,
    },
    /// A receiver, which `consumer` starts in a process of its own
    #[command(name = sink::COMMAND, hide = true)]
    Sink {
        #[arg(long, default_value_t = 0)]
        delay_ms: u64,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options { command, json } = Options::parse();
    let report = match command {
        Command::Sink { delay_ms } => {
            return cpu::on_one_thread(move || sink::run(Duration::from_millis(delay_ms))).await;
        }
        command => run(command).await?,
    };
    report.show();
    if let Some(file) = &json {
        std::fs::write(file, report.json()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    report.verdict()
}

async fn run(command: Command) -> anyhow::Result<Report> {
    match command {
        Command::Load { part, events, repeat } => load::run(&Parameters { part, events, repeat }).await,
        Command::Growth { events } => load::growth(events).await,
        Command::Restart { deliveries, unfinished } => restart::run(deliveries, unfinished).await,
        Command::Kill { times, events, seed } => kill::run(times, events, seed).await,
        Command::Isolate { part, seconds, settle, backlog } => {
            let [window, settle] = [seconds, settle].map(Duration::from_secs);
            isolate::run(&isolate::Parameters { part, window, settle, backlog }).await
        }
        Command::Release { endpoints, parked, latency_ms, part } => {
            release::run(&release::Parameters { endpoints, parked, latency_ms, part }).await
        }
        Command::Portal { endpoints, deliveries, repeat } => portal::run(endpoints, deliveries, repeat).await,
        Command::Cost => cost::run(),
        Command::Stored { deliveries, endpoints } => stored::run(deliveries, endpoints).await,
        Command::Consumer { deliveries, rounds } => consumer::run(deliveries, rounds).await,
        Command::Publish { deliveries } => publishing::run(deliveries).await,
        Command::Sink { .. } => unreachable!("this command has no report"),
    }
}
