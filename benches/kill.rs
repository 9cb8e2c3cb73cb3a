//! Kills the host with SIGKILL under load, and counts lost and repeated deliveries. No accepted event may be lost, and
//! only attempts that were in flight at a kill may be repeated. One of the two endpoints moves to the slow lane at the
//! first kill. Another tenant publishes more than its limit allows, and a program publishes by the ingest queue.

mod limited;
mod queued;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use pigeonpost::aws::{EmbeddedAws, Storage};
use shared::clock::Clock;
use shared::domain::endpoint::Endpoint;
use shared::domain::endpoint::circuit_breaker::{Counters, SlowTime};
use shared::domain::endpoint::lane::Lane;
use shared::domain::ids::{EndpointId, OrganizationId};
use shared::store::Store;

use crate::host::Host;
use crate::publisher::Publisher;
use crate::receiver::{Behaviour, Fails, Receiver};
use crate::report::{Report, print};
use limited::Limited;
use queued::Queued;

/// How many publishers publish concurrently.
const PUBLISHERS: u64 = 32;
/// The receiver's response time, so that many attempts are in flight.
const RECEIVER_DELAY: Duration = Duration::from_millis(50);
/// The response time of the receiver whose endpoint moves to the slow lane at the first kill.
const SLOW_RECEIVER_DELAY: Duration = Duration::from_millis(2_200);
/// One event in this number goes to the slow endpoint.
const SLOW_ONE_OF: u64 = 16;
/// The maximum time between two kills.
const LONGEST_LIFE: Duration = Duration::from_millis(1_500);
/// The time limit for the arrival of all events after the last kill. A publish request that a kill interrupted is
/// repeated. Its deliveries are parked until the interrupted request cannot write any more.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a publisher waits after a failed request.
const FAILURE_PAUSE: Duration = Duration::from_millis(50);
/// How long the slow endpoint stays in the slow lane after it was moved there.
const IN_SLOW_LANE: Duration = Duration::from_secs(20 * 60);
const EVENT_TYPE: &str = "bench.killed";
const SLOW_EVENT_TYPE: &str = "bench.killed.slow";
/// The retention time of events, which `Store` requires. The calls of this benchmark do not depend on it.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn run(times: u32, events: u64, seed: Option<u64>) -> anyhow::Result<Report> {
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let data = tempfile::tempdir()?;
    let mut host = Host::start(data.path()).await?;
    let often = Behaviour { fails: Fails::FirstAttemptOfOneIn(20), ..Behaviour::HEALTHY };
    let receiver = Receiver::start(Behaviour { delay: RECEIVER_DELAY, ..often }).await?;
    let publisher = Publisher::new(host.credentials()?);
    publisher.remove_demo().await?;
    publisher.endpoint(&receiver.url(), EVENT_TYPE, serde_json::json!({})).await?;
    let slow = Receiver::start(Behaviour { delay: SLOW_RECEIVER_DELAY, ..often }).await?;
    let slow_endpoint = publisher.endpoint(&slow.url(), SLOW_EVENT_TYPE, serde_json::json!({})).await?;
    let receivers = [receiver, slow];

    let (is_killing, requests) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let limited = Limited::begin(&publisher, &receivers[0], Arc::clone(&is_killing)).await?;
    let queued = Queued::begin(&publisher, Arc::clone(&is_killing));
    let mut publishing = tokio::task::JoinSet::new();
    for _ in 0..PUBLISHERS {
        let (publisher, is_killing, requests) = (publisher.clone(), Arc::clone(&is_killing), Arc::clone(&requests));
        publishing.spawn(async move {
            let (mut accepted, mut repeating) = (Vec::new(), tokio::task::JoinSet::new());
            while requests.fetch_add(1, Ordering::Relaxed) < events || is_killing.load(Ordering::Relaxed) {
                let number = publisher.next_number();
                match publisher.try_once(type_of(number), number).await {
                    Ok(published) => accepted.push(published.event),
                    // A task repeats the request, so that the publisher continues with the next event.
                    Err(_) => {
                        let publisher = publisher.clone();
                        repeating.spawn(async move { publisher.insist(type_of(number), number).await });
                        tokio::time::sleep(FAILURE_PAUSE).await;
                    }
                }
            }
            for published in repeating.join_all().await {
                accepted.push(published?.event);
            }
            anyhow::Ok(accepted)
        });
    }

    let (mut may_repeat, mut in_flight, mut starts) = (MayRepeat::new(), Vec::new(), Vec::new());
    for kill in 1..=times {
        tokio::time::sleep(LONGEST_LIFE.mul_f64(random.f64())).await;
        host.kill().await?;
        let caught = unrecorded(&receivers, data.path()).await?;
        print(&format!("kill {kill} of {times}: {} attempts were in flight", caught.len()));
        in_flight.push(caught.len());
        add(&mut may_repeat, caught);
        if kill == 1 {
            // From now on, the consumer of the fast lane forwards the endpoint's messages.
            let organization = host.credentials()?.organization_id;
            move_to_slow_lane(data.path(), &organization, &slow_endpoint).await?;
        }
        let down = Instant::now();
        host.start_again().await?;
        starts.push(down.elapsed());
    }
    is_killing.store(false, Ordering::Relaxed);
    let published: Vec<_> = publishing.join_all().await.into_iter().collect::<anyhow::Result<_>>()?;
    let (limited, queued) = (limited.end().await?, queued.end().await?);
    let of_limited = limited.outcome.accepted.iter().cloned();
    let accepted: HashSet<_> = published.into_iter().flatten().chain(of_limited).chain(queued.events()).collect();
    wait_for(&receivers, &accepted).await?;
    let recorded = wait_until_recorded(&mut host, data.path(), &receivers, &mut may_repeat).await?;

    let arrivals: Vec<_> = receivers.iter().flat_map(Receiver::arrivals).collect();
    let received: HashSet<_> = arrivals.iter().map(|arrival| arrival.event.clone()).collect();
    let mut times_received = HashMap::<_, u32>::new();
    for arrival in &arrivals {
        *times_received.entry((arrival.delivery.clone(), arrival.attempt)).or_default() += 1;
    }
    let lost = accepted.difference(&received).count();
    let repeats: u32 = times_received.values().map(|times| times - 1).sum();
    let is_unexplained =
        |(attempt, times): (&(String, u32), &u32)| *times - 1 > may_repeat.get(attempt).copied().unwrap_or(0);
    for (delivery, attempt) in times_received.iter().filter(|pair| is_unexplained(*pair)).map(|(attempt, _)| attempt) {
        print(&format!("attempt {attempt} of {delivery} was repeated and not in flight"));
    }
    let unexplained = times_received.iter().filter(|pair| is_unexplained(*pair)).count();

    let mut report = Report::new("Killed under load");
    report.figure("kills", times);
    report.figure("seed", seed);
    report.figure("events accepted", accepted.len());
    report.figure("events lost", lost);
    report.figure("requests to the slow endpoint", receivers[1].count());
    report.figure("attempts in flight at the kills", in_flight.iter().sum::<usize>());
    report.figure("attempts repeated", repeats);
    report.figure("attempts repeated that were not in flight", unexplained);
    report.figure("deliveries recorded as a success", recorded);
    let slowest = starts.iter().max().copied().unwrap_or_default();
    report.figure("slowest restart, ms", u64::try_from(slowest.as_millis())?);
    limited.report(&mut report, data.path(), &receivers).await?;
    queued.report(&mut report, &receivers);
    report.promise("every accepted event arrives", lost == 0);
    report.promise("only attempts in flight are repeated", unexplained == 0);
    report.promise("every delivery is recorded as a success", recorded == accepted.len());
    Ok(report)
}

/// The type of the event with this number.
fn type_of(number: u64) -> &'static str {
    if number.is_multiple_of(SLOW_ONE_OF) { SLOW_EVENT_TYPE } else { EVENT_TYPE }
}

/// The SDK configuration for the table and queues of a killed host.
fn dead_host(data: &Path) -> anyhow::Result<SdkConfig> {
    let storage = Storage::Directory { path: data.to_owned(), durable: false };
    let epoch = std::sync::Arc::new(|| SystemTime::UNIX_EPOCH);
    Ok(EmbeddedAws::open(&storage, "127.0.0.1:1", epoch)?.sdk_config())
}

/// Moves an endpoint of a killed host to the slow lane, as the consumer does after slow attempts.
async fn move_to_slow_lane(data: &Path, organization: &str, endpoint: &str) -> anyhow::Result<()> {
    let store = Store::new(&dead_host(data)?, "pigeonpost", RETENTION);
    let (organization, id) = (OrganizationId::parse(organization)?, EndpointId::parse(endpoint)?);
    let found = store.endpoint(&organization, id).await?.context("the endpoint is there")?;
    let now = Clock::system().now();
    let slow_time = SlowTime { until: Some(now.plus(IN_SLOW_LANE)), lane: Lane::Slow };
    let count = |counters| Counters { slow_time, ..counters };
    store.change_counters(id, now, count).await?.context("the counters were changed meanwhile")?;
    let moved = Endpoint { lane: Lane::Slow, version: found.version + 1, ..found.clone() };
    Ok(store.change_endpoint(&found, &moved, now).await?)
}

/// The attempts that a receiver got and that are not recorded in the table of a killed host.
async fn unrecorded(receivers: &[Receiver], data: &Path) -> anyhow::Result<Vec<(String, u32)>> {
    let recorded = recorded(data).await?;
    let known = |delivery: &str| recorded.get(delivery).map_or(0, |(attempts, _)| *attempts);
    let received = receivers.iter().flat_map(|receiver| receiver.attempts_by(|arrival| arrival.delivery.clone()));
    Ok(received.filter(|(delivery, attempt)| *attempt > known(delivery)).collect())
}

/// The deliveries in the table of a killed host: their numbers of recorded attempts, and their statuses.
async fn recorded(data: &Path) -> anyhow::Result<HashMap<String, (u32, String)>> {
    let scan = aws_sdk_dynamodb::Client::new(&dead_host(data)?).scan().table_name("pigeonpost");
    let scan = scan.filter_expression("entity = :delivery AND begins_with(#type, :type)");
    let scan = scan.expression_attribute_names("#type", "type");
    let scan = scan.expression_attribute_values(":delivery", AttributeValue::S("delivery".to_owned()));
    let scan = scan.expression_attribute_values(":type", AttributeValue::S(EVENT_TYPE.to_owned()));
    let mut items = scan.into_paginator().items().send();
    let mut deliveries = HashMap::new();
    while let Some(item) = items.next().await {
        let item = item?;
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).context("an attribute is missing");
        let attempts = item.get("attempts").and_then(|value| value.as_n().ok());
        let attempts = attempts.map_or(Ok(0), |attempts| attempts.parse())?;
        deliveries.insert(text("sk")?.clone(), (attempts, text("status")?.clone()));
    }
    Ok(deliveries)
}

async fn wait_for(receivers: &[Receiver], accepted: &HashSet<String>) -> anyhow::Result<()> {
    let until = Instant::now() + ARRIVAL_TIMEOUT;
    while receivers.iter().map(Receiver::events).sum::<usize>() < accepted.len() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// How many times each attempt, a delivery's id and a number, was in flight at a kill.
type MayRepeat = HashMap<(String, u32), u32>;

fn add(may_repeat: &mut MayRepeat, in_flight: Vec<(String, u32)>) {
    for attempt in in_flight {
        *may_repeat.entry(attempt).or_default() += 1;
    }
}

/// Waits until all deliveries are recorded as successes, kills the host, and returns their number. The table can only be
/// read without the host, so each look at it is a kill too, and a retry can be in flight.
async fn wait_until_recorded(
    host: &mut Host,
    data: &Path,
    receivers: &[Receiver],
    may_repeat: &mut MayRepeat,
) -> anyhow::Result<usize> {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        host.kill().await?;
        let recorded = recorded(data).await?;
        if recorded.values().all(|(_, status)| status == "success") {
            return Ok(recorded.len());
        }
        add(may_repeat, unrecorded(receivers, data).await?);
        host.start_again().await?;
    }
    bail!("some deliveries have no success after a minute")
}
