//! Measures Pigeonpost and tries to break it: from outside, against the release build of the local host, with
//! publishers and receivers of its own; and function by function, with AWS answered at once.

mod bare;
mod consumer;
mod cost;
mod cpu;
mod deployment;
mod fanout;
mod filler;
mod host;
mod instant;
mod isolate;
mod kill;
mod latency;
mod load;
mod payload;
mod process;
mod publisher;
mod publishing;
mod receiver;
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

use isolate::Trouble;
use load::Extent;
use report::Report;

/// Measures Pigeonpost and tries to break it. Build the host first: cargo build --release
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
    /// The local host at full speed and at a fixed rate, with one and with many endpoints, and idle
    Load {
        /// One part alone
        #[arg(long, value_parser = load::PARTS)]
        part: Option<String>,
        /// How many events to one endpoint, at full speed
        #[arg(long, default_value_t = 30_000)]
        events: usize,
        /// How long at a fixed rate, in seconds
        #[arg(long, default_value_t = 15)]
        seconds: usize,
        /// How often each part is measured; shown are medians
        #[arg(long, default_value_t = 3)]
        repeat: usize,
    },
    /// The same at full speed with a hundredth, a tenth, and all of many events
    Growth {
        #[arg(long, default_value_t = 100_000)]
        events: usize,
    },
    /// How long the local host takes to start with much in its table, after SIGKILL
    Restart {
        /// How many finished deliveries are stored at most; a hundredth and a tenth are tried first
        #[arg(long, default_value_t = 1_000_000)]
        deliveries: u32,
        /// How many unfinished deliveries there are beside them
        #[arg(long, default_value_t = 10_000)]
        unfinished: usize,
    },
    /// Kills the host with SIGKILL under load, again and again, and counts what arrives
    Kill {
        /// How often
        #[arg(long, default_value_t = 10)]
        times: u32,
        /// How many events are published meanwhile, at least
        #[arg(long, default_value_t = 30_000)]
        events: u64,
        /// Which moments; printed, and other ones each time without it
        #[arg(long)]
        seed: Option<u64>,
    },
    /// What other tenants' trouble does to a healthy endpoint
    Isolate {
        /// One kind of trouble alone
        #[arg(long, value_parser = Trouble::NAMES)]
        part: Option<String>,
        /// How long each of the five windows is, alone and beside the trouble, in seconds
        #[arg(long, default_value_t = 20)]
        seconds: u64,
        /// How long the trouble goes on before its effect counts, in seconds
        #[arg(long, default_value_t = 60)]
        settle: u64,
        /// How many deliveries are resumed or recovered
        #[arg(long, default_value_t = 100_000)]
        backlog: u32,
    },
    /// One event for many endpoints
    Fanout {
        #[arg(long, default_value_t = 500)]
        endpoints: u32,
    },
    /// Without the host: what a million deliveries cost on AWS, at list prices
    Cost,
    /// Without the host: what lists and deliveries use as endpoints and stored deliveries become many
    Stored {
        /// How many are stored at most (a million take some 2 GB of memory)
        #[arg(long, default_value_t = 1_000_000)]
        deliveries: u32,
    },
    /// Without the host, AWS answered at once: delivering, beside a bare loop of the same HTTP client
    Consumer {
        /// How many in a round
        #[arg(long, default_value_t = 10_000)]
        deliveries: usize,
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// Without the host, AWS answered at once: publishing to 1, 10 and 100 endpoints, with a key, and in batches
    Publish {
        /// How many are published in each scene
        #[arg(long, default_value_t = 10_000)]
        deliveries: usize,
    },
    /// A receiver, which `consumer` starts as a process of its own
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
        Command::Load { part, events, seconds, repeat } => load::run(&Extent { part, events, seconds, repeat }).await,
        Command::Growth { events } => load::growth(events).await,
        Command::Restart { deliveries, unfinished } => restart::run(deliveries, unfinished).await,
        Command::Kill { times, events, seed } => kill::run(times, events, seed).await,
        Command::Isolate { part, seconds, settle, backlog } => {
            let [window, settle] = [seconds, settle].map(Duration::from_secs);
            isolate::run(&isolate::Extent { part, window, settle, backlog }).await
        }
        Command::Fanout { endpoints } => fanout::run(endpoints).await,
        Command::Cost => cost::run().await,
        Command::Stored { deliveries } => stored::run(deliveries).await,
        Command::Consumer { deliveries, rounds } => consumer::run(deliveries, rounds).await,
        Command::Publish { deliveries } => publishing::run(deliveries).await,
        Command::Sink { .. } => unreachable!("it reports nothing"),
    }
}
