//! A tenant that publishes more than its limit allows while the host is killed.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use tokio::task::JoinSet;

use super::{FAILURE_PAUSE, dead_host};
use crate::publisher::{Publisher, is_rate_limited};
use crate::receiver::Receiver;
use crate::report::Report;

const EVENT_TYPE: &str = "bench.killed.limited";
/// The limit in events per second, far below the published rate. The burst is the minimum of a limit.
const RATE: u32 = 1;
const BURST: f64 = 100.0;
/// How many publishers publish concurrently.
const PUBLISHERS: usize = 8;
/// How long each publisher waits after a response.
const PAUSE: Duration = Duration::from_millis(20);

/// The tenant while it publishes.
pub(super) struct Limited {
    publisher: Publisher,
    began: Instant,
    publishing: JoinSet<anyhow::Result<Outcome>>,
}

/// The responses that the tenant got.
#[derive(Default)]
pub(super) struct Outcome {
    /// The ids of the accepted events.
    pub(super) accepted: HashSet<String>,
    /// The numbers of the refused events, which are not published again.
    refused: HashSet<u64>,
}

impl Limited {
    /// Creates the tenant with an endpoint at this receiver, and publishes while `is_killing` is set.
    pub(super) async fn begin(
        other: &Publisher,
        receiver: &Receiver,
        is_killing: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let publisher = other.another("limited").await?;
        publisher.endpoint(&receiver.url(), EVENT_TYPE, serde_json::json!({})).await?;
        publisher.limit(RATE).await?;
        let publishing = (0..PUBLISHERS).map(|_| publish(publisher.clone(), Arc::clone(&is_killing))).collect();
        Ok(Self { publisher, began: Instant::now(), publishing })
    }

    /// Waits until all requests are answered.
    pub(super) async fn end(self) -> anyhow::Result<Ended> {
        let mut outcome = Outcome::default();
        for of_one in self.publishing.join_all().await {
            let Outcome { accepted, refused } = of_one?;
            outcome.accepted.extend(accepted);
            outcome.refused.extend(refused);
        }
        Ok(Ended { organization: self.publisher.organization().to_owned(), duration: self.began.elapsed(), outcome })
    }
}

async fn publish(publisher: Publisher, is_killing: Arc<AtomicBool>) -> anyhow::Result<Outcome> {
    let (mut outcome, mut repeating) = (Outcome::default(), JoinSet::new());
    while is_killing.load(Ordering::Relaxed) {
        let number = publisher.next_number();
        match publisher.try_once(EVENT_TYPE, number).await {
            Ok(published) => drop(outcome.accepted.insert(published.event)),
            Err(error) if is_rate_limited(&error) => drop(outcome.refused.insert(number)),
            Err(_) => {
                let publisher = publisher.clone();
                repeating.spawn(async move { publisher.insist(EVENT_TYPE, number).await });
                tokio::time::sleep(FAILURE_PAUSE).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    for published in repeating.join_all().await {
        outcome.accepted.insert(published?.event);
    }
    Ok(outcome)
}

/// The tenant after it has published.
pub(super) struct Ended {
    organization: String,
    duration: Duration,
    pub(super) outcome: Outcome,
}

impl Ended {
    /// Compares the responses with the events that a killed host has stored and with those that arrived.
    pub(super) async fn report(&self, report: &mut Report, data: &Path, receivers: &[Receiver]) -> anyhow::Result<()> {
        let Outcome { accepted, refused } = &self.outcome;
        let stored = self.stored(data).await?;
        let arrived = receivers.iter().flat_map(Receiver::arrivals).filter(|it| refused.contains(&it.number)).count();
        report.figure("events accepted of the tenant with a limit", accepted.len());
        report.figure("events refused of it", refused.len());
        report.promise("exactly the accepted events of a tenant with a limit are stored", stored == *accepted);
        report.promise("no refused event arrives", arrived == 0);
        let most = BURST + f64::from(RATE) * self.duration.as_secs_f64();
        report.promise(
            "no more events are accepted than the limit allows",
            f64::from(u32::try_from(accepted.len())?) <= most,
        );
        Ok(())
    }

    /// The ids of the tenant's events in the table of the killed host.
    async fn stored(&self, data: &Path) -> anyhow::Result<HashSet<String>> {
        let scan = aws_sdk_dynamodb::Client::new(&dead_host(data)?).scan().table_name("pigeonpost");
        let scan = scan.filter_expression("entity = :event AND begins_with(pk, :own)");
        let scan = scan.expression_attribute_values(":event", AttributeValue::S("event".to_owned()));
        let own = format!("event#{}#", self.organization);
        let mut items =
            scan.expression_attribute_values(":own", AttributeValue::S(own)).into_paginator().items().send();
        let mut ids = HashSet::new();
        while let Some(item) = items.next().await {
            ids.insert(item?.get("sk").and_then(|sk| sk.as_s().ok()).context("an event has an id")?.clone());
        }
        Ok(ids)
    }
}
