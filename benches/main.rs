//! Measures Pigeonpost and tries to break it: from outside, against the release build of the local host, with
//! publishers and receivers of its own; and function by function, with AWS answered at once.

mod bare;
mod consumer;
mod cost;
mod cpu;
mod deployment;
mod fanout;
mod host;
mod instant;
mod kill;
mod latency;
mod load;
mod neighbour;
mod payload;
mod process;
mod publisher;
mod publishing;
mod receiver;
mod report;
mod sink;
mod stage;
mod stored;
mod trial;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use lexopt::prelude::{Long, Short, Value, ValueExt};

use load::Extent;
use report::Report;

const USAGE: &str = "\
Measures Pigeonpost and tries to break it. Build the host first: cargo build --release

Usage: bench COMMAND [--json FILE] [OPTIONS]

  load       throughput, a fixed rate, many endpoints, and a host that has nothing to do
               --part NAME    throughput, rate, fanout or idle alone
               --events N     how many at full speed (default 30000)
               --seconds N    how long at a fixed rate (default 15)
               --repeat N     how often each part is measured; shown are medians (default 3)
  growth     the same at full speed with a hundredth, a tenth, and all of many events
               --events N     how many (default 100000)
  kill       kills the host with SIGKILL under load, again and again, and counts what arrives
               --times N    how often (default 10)
               --events N   how many events are published meanwhile, at least (default 30000)
               --seed N     which moments (default: other ones each time; printed)
  neighbour  what an endpoint that hangs under heavy traffic does to another one
               --seconds N  how long each part takes, at least (default 15)
  fanout     one event for many endpoints
               --endpoints N  how many (default 500)

Without the host, in this process:

  cost       what a million deliveries cost on AWS, at list prices
  stored     what lists and deliveries use as endpoints and stored deliveries become many
               --deliveries N  how many are stored at most (default 1000000; some 2 GB of memory)

Without the host, and with AWS answered at once, so that our own code is what is measured:

  consumer   delivering, beside a bare loop of the same HTTP client
               --deliveries N  how many in a round (default 10000)
               --rounds N      how many rounds (default 7)
  publish    publishing to 1, 10 and 100 endpoints, with an idempotency key, and in batches
               --deliveries N  how many are published in each scene (default 10000)

  --json FILE  writes the figures there as well";

/// What the command line asks for.
struct Options {
    command: String,
    json: Option<PathBuf>,
    times: u32,
    events: Option<u64>,
    seed: Option<u64>,
    seconds: u64,
    endpoints: u32,
    deliveries: Option<usize>,
    part: Option<String>,
    repeat: usize,
    rounds: usize,
    delay: Duration,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(options) = parse(lexopt::Parser::from_env())? else {
        report::print(USAGE);
        return Ok(());
    };
    if options.command == sink::COMMAND {
        return cpu::on_one_thread(move || sink::run(options.delay)).await;
    }
    let report = run(&options).await?;
    report.show();
    if let Some(file) = &options.json {
        std::fs::write(file, report.json()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    report.verdict()
}

async fn run(options: &Options) -> anyhow::Result<Report> {
    match options.command.as_str() {
        "load" => {
            let (events, seconds) = (usize::try_from(options.events.unwrap_or(30_000))?, options.seconds.try_into()?);
            load::run(&Extent { part: options.part.clone(), events, seconds, repeat: options.repeat }).await
        }
        "growth" => load::growth(usize::try_from(options.events.unwrap_or(100_000))?).await,
        "kill" => kill::run(options.times, options.events.unwrap_or(30_000), options.seed).await,
        "consumer" => consumer::run(options.deliveries.unwrap_or(10_000), options.rounds).await,
        "publish" => publishing::run(options.deliveries.unwrap_or(10_000)).await,
        "fanout" => fanout::run(options.endpoints).await,
        "neighbour" => neighbour::run(options.seconds).await,
        "cost" => cost::run().await,
        "stored" => stored::run(u32::try_from(options.deliveries.unwrap_or(1_000_000))?).await,
        other => bail!("there is no command {other}; see bench --help"),
    }
}

fn parse(mut arguments: lexopt::Parser) -> anyhow::Result<Option<Options>> {
    let mut options = Options {
        command: String::new(),
        json: None,
        times: 10,
        events: None,
        seed: None,
        seconds: 15,
        endpoints: 500,
        deliveries: None,
        part: None,
        repeat: 3,
        rounds: 7,
        delay: Duration::ZERO,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("json") => options.json = Some(arguments.value()?.into()),
            Long("times") => options.times = arguments.value()?.parse()?,
            Long("events") => options.events = Some(arguments.value()?.parse()?),
            Long("part") => options.part = Some(arguments.value()?.string()?),
            Long("repeat") => options.repeat = arguments.value()?.parse()?,
            Long("seed") => options.seed = Some(arguments.value()?.parse()?),
            Long("seconds") => options.seconds = arguments.value()?.parse()?,
            Long("deliveries") => options.deliveries = Some(arguments.value()?.parse()?),
            Long("rounds") => options.rounds = arguments.value()?.parse()?,
            Long("delay-ms") => options.delay = Duration::from_millis(arguments.value()?.parse()?),
            Long("endpoints") => options.endpoints = arguments.value()?.parse()?,
            Value(command) if options.command.is_empty() => options.command = command.string()?,
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok((!options.command.is_empty()).then_some(options))
}
