//! The consumer alone: the benchmark passes batches directly to the delivery function's handler, and an in-memory
//! client responds for DynamoDB and SQS. A loop with the bare HTTP client posts the same bodies to the same receiver
//! for comparison.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use aws_lambda_events::event::sqs::SqsEvent;
use futures_util::{StreamExt, TryStreamExt, stream};
use shared::clock::Clock;
use shared::queue::schema::{CONSUMER_BATCH, CONSUMER_TIMEOUT_SECONDS};
use shared::service::Deliverer;

use crate::bare::Bare;
use crate::cpu;
use crate::latency::Latencies;
use crate::report::Report;
use crate::sink::{Seen, Sink};
use crate::stage::Stage;

/// The number of concurrent batches, in the local host and in a function.
const BATCHES_AT_ONCE: [usize; 2] = [16, 1];
/// The delay of a slow receiver, and the time limit for a batch of ten deliveries to slow receivers.
const SLOW: Duration = Duration::from_millis(200);
const SLOW_BATCH_MS: f64 = 215.0;
const SLOW_BATCHES: usize = 20;

pub(crate) async fn run(deliveries: usize, rounds: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("The consumer alone, on one thread; its receiver is a process of its own");
    report.figure("deliveries in a round", deliveries);
    report.figure("rounds, each of the consumer and of the bare client", rounds);
    for at_once in BATCHES_AT_ONCE {
        compare(&mut report, at_once, deliveries, rounds).await?;
    }
    slow(&mut report).await?;
    Ok(report)
}

/// The result of a round.
struct Round {
    took: Duration,
    cpu: Duration,
    seen: Seen,
}

async fn compare(report: &mut Report, at_once: usize, deliveries: usize, rounds: usize) -> anyhow::Result<()> {
    let sink = Sink::start(Duration::ZERO).await?;
    let stage = Stage::set(&sink.url(), 1, deliveries).await?;
    let measured = cpu::on_one_thread(move || async move {
        let deliverer = stage.deliverer()?;
        let warm = consume(&sink, &deliverer, stage.batches(), at_once).await?;
        let bare = Bare::new(&sink.url(), &warm.seen.headers, stage.bodies()?)?;
        post(&sink, &bare, at_once).await?;
        let mut pairs = Vec::new();
        for round in 0..rounds {
            // The order alternates between rounds.
            let early = if round % 2 == 0 { Some(post(&sink, &bare, at_once).await?) } else { None };
            let consumed = consume(&sink, &deliverer, stage.batches(), at_once).await?;
            let posted = match early {
                Some(posted) => posted,
                None => post(&sink, &bare, at_once).await?,
            };
            pairs.push((consumed, posted));
        }
        Ok(pairs)
    });
    let pairs = measured.await?;
    let of = |figure: &dyn Fn(&Round, &Round) -> f64| {
        median(pairs.iter().map(|(consumed, posted)| figure(consumed, posted)).collect())
    };
    let rate = |round: &Round| deliveries as f64 / round.took.as_secs_f64();
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / deliveries as f64;
    let name = |what: &str| format!("{at_once} batches at once: {what}");
    report.figure(&name("deliveries per second, consumer"), of(&|consumed, _| rate(consumed)).round());
    report.figure(&name("deliveries per second, bare client"), of(&|_, posted| rate(posted)).round());
    let share = of(&|consumed, posted| rate(consumed) / rate(posted));
    report.figure(&name("consumer to bare client"), hundredths(share));
    report.figure(&name("CPU µs per delivery, consumer"), tenths(of(&|consumed, _| micros(consumed.cpu))));
    report.figure(&name("CPU µs per delivery, bare client"), tenths(of(&|_, posted| micros(posted.cpu))));
    report.figure(&name("CPU µs per delivery, receiver"), tenths(of(&|consumed, _| micros(consumed.seen.cpu))));
    let connections = |seen: &Seen| seen.connections as f64 / deliveries as f64;
    report.figure(&name("connections per delivery"), hundredths(of(&|consumed, _| connections(&consumed.seen))));
    let all = pairs.iter().all(|(consumed, _)| consumed.seen.deliveries == deliveries);
    report.promise("every delivery arrives exactly once", all);
    Ok(())
}

/// Passes all batches to the handler, this many concurrently.
async fn consume(
    sink: &Sink,
    deliverer: &Arc<Deliverer>,
    batches: Vec<SqsEvent>,
    at_once: usize,
) -> anyhow::Result<Round> {
    let handled = |batch| {
        let deliverer = Arc::clone(deliverer);
        async move {
            let timeout = Duration::from_secs(u64::from(CONSUMER_TIMEOUT_SECONDS));
            let deadline = Clock::system().now().plus(timeout);
            let handling = tokio::spawn(async move { deliver::handle(&deliverer, batch, deadline).await });
            let failed = handling.await?.batch_item_failures;
            ensure!(failed.is_empty(), "{} messages stay in the queue", failed.len());
            Ok(())
        }
    };
    let work = stream::iter(batches).map(handled).buffer_unordered(at_once).try_collect::<()>();
    measure(sink, work).await
}

/// Posts the same bodies with the bare client.
async fn post(sink: &Sink, bare: &Bare, batches_at_once: usize) -> anyhow::Result<Round> {
    let round = measure(sink, bare.post_all(batches_at_once * CONSUMER_BATCH as usize)).await?;
    ensure!(round.seen.requests == bare.len(), "the receiver got {} requests", round.seen.requests);
    Ok(round)
}

async fn measure(sink: &Sink, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Round> {
    let before = sink.seen().await?;
    let (began, cpu) = (Instant::now(), cpu::of_process());
    work.await?;
    let (took, cpu) = (began.elapsed(), cpu::of_process().saturating_sub(cpu));
    let seen = sink.seen().await?;
    Ok(Round { took, cpu, seen: Seen { cpu: seen.cpu.saturating_sub(before.cpu), ..seen } })
}

/// Measures that ten slow receivers take no longer than one.
async fn slow(report: &mut Report) -> anyhow::Result<()> {
    let sink = Sink::start(SLOW).await?;
    let stage = Stage::set(&sink.url(), 1, SLOW_BATCHES * CONSUMER_BATCH as usize).await?;
    let measured = cpu::on_one_thread(move || async move {
        let deliverer = stage.deliverer()?;
        let mut took = Vec::new();
        for batch in stage.batches() {
            took.push(consume(&sink, &deliverer, vec![batch], 1).await?.took);
        }
        Ok(took)
    });
    let took: Latencies = measured.await?.into_iter().collect();
    report.figure("a batch to receivers that take 200 ms: median, ms", took.percentile(0.5));
    report.figure("a batch to receivers that take 200 ms: longest, ms", took.percentile(1.0));
    report.promise("a batch takes at most 15 ms longer than its receivers", took.percentile(0.5) <= SLOW_BATCH_MS);
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
