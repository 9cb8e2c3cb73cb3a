//! The load of busy tenants against DynamoDB's limit for one partition key.
//!
//! Load and limits are scaled down equally: a twentieth of the events against a twentieth of the units. So the load
//! uses the same share of a key's budget as at full scale. Costs that do not depend on the load, such as the sweep's
//! reads, have twenty times their share, and small numbers are distributed less evenly over the partitions. So a load
//! that passes here also passes at full scale.

mod deletion;
mod fan_out;
mod limits;
mod throttling;

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::costs::event;
use crate::support::{Answer, Budget, Budgets, Endpoint, Process, Receiver, Tenant, UsedUp, World};
use crate::suspension::suspend;

const SCALE: u32 = 20;
/// One organization publishes events of 1 KB. At full scale their number per second is a tenth more than the thousand
/// of docs/storage.md, so that a key that uses a unit for each event exceeds its budget.
const BATCH: u32 = 25;
const SINGLES_PER_TICK: u32 = 3;
const TICKS_PER_SECOND: u32 = 10;
const EVENTS_PER_SECOND: u32 = BATCH + SINGLES_PER_TICK * TICKS_PER_SECOND;
const TICK: Duration = Duration::from_millis(100);

/// An organization with an endpoint of each kind.
struct Busy {
    tenant: Tenant,
    healthy: Receiver,
    suspended: Endpoint,
    paused: Endpoint,
    exhausting: Endpoint,
    _others: [Receiver; 3],
}

impl Busy {
    async fn new(world: &World) -> Self {
        let tenant = world.tenant().await;
        let down = Receiver::always(Answer::status(500)).await;
        let suspended = tenant.endpoint_with(json!({"url": down.url(), "retry_schedule": []})).await;
        suspend(world, &tenant).await;
        let healthy = Receiver::new().await;
        tenant.endpoint(&healthy).await;
        let paused = tenant.endpoint(&healthy).await;
        tenant.set_status(&paused, "paused").await;
        let halves = [500, 200].map(Answer::status);
        let failing = Receiver::scripted(halves.into_iter().cycle().take(4_000)).await;
        tenant.endpoint(&failing).await;
        let refusing = Receiver::always(Answer::status(500).body("x".repeat(100))).await;
        // Four attempts within three seconds, so that the attempts for the events of several seconds coincide.
        let schedule = json!({"url": refusing.url(), "retry_schedule": [1, 1, 1]});
        let exhausting = tenant.endpoint_with(schedule).await;
        Self { tenant, healthy, suspended, paused, exhausting, _others: [down, failing, refusing] }
    }

    /// Publishes the events of a tick: some single ones, and once in a second a batch.
    async fn publish(&self, publisher: &Process, tick: u32) {
        let tenant = self.tenant.at(publisher);
        let singles = (0..SINGLES_PER_TICK).map(async |n| {
            let number = SINGLES_PER_TICK * tick + n;
            let (key, body) = (format!("order-{number}"), event(number).to_string());
            tenant.call(Method::POST, "/events", &[("idempotency-key", &key)], Some(body)).await.data(202);
        });
        join_all(singles).await;
        if tick % TICKS_PER_SECOND == 5 {
            let events: Vec<_> = (0..BATCH).map(|n| event(10_000 + n)).collect();
            let results: Value = tenant.post("/events/batch", &json!({"events": events})).await.data(202);
            assert_eq!(results.as_array().unwrap().len(), BATCH as usize);
        }
    }
}

/// Lets the organizations publish for this number of seconds. The consumer processes all messages of a tick, and the
/// sweep runs once in a second.
async fn publish(world: &World, busy: &[Busy], budgets: &Budgets, seconds: u32) {
    let [publisher, consumer, sweep] = std::array::from_fn(|_| budgets.process(world));
    for tick in 0..seconds * TICKS_PER_SECOND {
        for organization in busy {
            organization.publish(&publisher, tick).await;
        }
        consumer.drain().await;
        if tick % TICKS_PER_SECOND == 9 {
            sweep.sweep().await;
        }
        world.advance(TICK);
    }
}

#[tokio::test]
async fn a_tenant_that_publishes_a_thousand_events_a_second_exceeds_the_limit_of_no_key() {
    const SECONDS: u32 = 5;
    let world = World::new().await;
    let busy = [Busy::new(&world).await];
    // A half-open probe of the suspended endpoint is due soon after the beginning.
    world.advance(Duration::from_secs(58));
    let budgets = Budgets::new(&world, Budget::FULL.scaled_down(SCALE), UsedUp::Recorded);
    publish(&world, &busy, &budgets, SECONDS).await;
    assert_eq!(budgets.used_up().await, [""; 0]);

    let published = (SECONDS * EVENTS_PER_SECOND) as usize;
    assert_eq!(busy[0].healthy.received().len(), published);
    let marks = world.marks().await;
    let marked = |prefix: String| marks.iter().filter(|(partition, _)| partition.starts_with(&prefix)).count();
    assert_eq!(marked(format!("held#{}#", busy[0].paused.id)), published);
    assert_eq!(marked(format!("held#{}#", busy[0].suspended.id)), published, "the failed probe is held again");
    assert!(marked(format!("failed#{}#", busy[0].exhausting.id)) > EVENTS_PER_SECOND as usize);
}

#[tokio::test]
async fn two_such_tenants_exceed_the_limit_of_no_key() {
    let world = World::new().await;
    let busy = [Busy::new(&world).await, Busy::new(&world).await];
    let budgets = Budgets::new(&world, Budget::FULL.scaled_down(SCALE), UsedUp::Recorded);
    publish(&world, &busy, &budgets, 2).await;
    assert_eq!(budgets.used_up().await, [""; 0]);
}

/// An outage of a provider that hosts the receivers of many tenants: 1,200 endpoints a second at full scale.
#[tokio::test]
async fn the_simultaneous_suspension_of_many_tenants_endpoints_exceeds_the_limit_of_no_key() {
    const TENANTS: usize = 24;
    let world = World::new().await;
    let down = Receiver::always(Answer::status(500)).await;
    let mut tenants = Vec::new();
    for _ in 0..TENANTS {
        let tenant = world.tenant().await;
        tenant.endpoint_with(json!({"url": down.url(), "retry_schedule": []})).await;
        tenants.push(tenant);
    }
    for _ in 0..9 {
        for tenant in &tenants {
            tenant.publish().await;
        }
        world.drain().await;
        world.advance(Duration::from_secs(1));
    }
    world.advance(Duration::from_secs(61));
    let budgets = Budgets::new(&world, Budget::FULL.scaled_down(50), UsedUp::Recorded);
    let process = budgets.process(&world);
    for tenant in &tenants {
        tenant.at(&process).publish().await;
    }
    process.drain().await;
    assert_eq!(budgets.used_up().await, [""; 0]);
    let marks = world.marks().await;
    assert_eq!(marks.iter().filter(|(partition, _)| partition.starts_with("half_open#")).count(), TENANTS);
}
