//! The metrics of the functions.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};
use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::json;

use crate::support::{Answer, Fate, Receiver, World, over_network};

/// The metrics of the test's thread.
#[derive(Default)]
pub(crate) struct Counted {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    distributions: Mutex<BTreeMap<String, Arc<Mutex<Vec<f64>>>>>,
}

impl Counted {
    /// Counts metrics from now on until the end of the test.
    pub(crate) fn start() -> (&'static Self, LocalRecorderGuard<'static>) {
        let counted: &'static Self = Box::leak(Box::default());
        (counted, set_default_local_recorder(counted))
    }

    /// The counters by name, followed by the values of their dimensions.
    pub(crate) fn counters(&self) -> BTreeMap<String, u64> {
        let load = |(name, value): (&String, &Arc<AtomicU64>)| {
            (name.clone(), value.load(std::sync::atomic::Ordering::Relaxed))
        };
        self.counters.lock().unwrap().iter().map(load).collect()
    }

    /// The values recorded under a name since the last call.
    fn take(&self, name: &str) -> Vec<f64> {
        self.distributions.lock().unwrap().get(name).map_or_else(Vec::new, |it| std::mem::take(&mut it.lock().unwrap()))
    }
}

fn spelt(key: &Key) -> String {
    key.labels().fold(key.name().to_owned(), |name, label| format!("{name} {}", label.value()))
}

struct Distribution(Arc<Mutex<Vec<f64>>>);

impl HistogramFn for Distribution {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

impl Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::clone(self.counters.lock().unwrap().entry(spelt(key)).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("{key} would be repeated with every line")
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let values = Arc::clone(self.distributions.lock().unwrap().entry(spelt(key)).or_default());
        Histogram::from_arc(Arc::new(Distribution(values)))
    }
}

fn counters<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[tokio::test]
async fn metrics_count_events_deliveries_and_failures_by_cause_without_tenants() {
    let (world, receiver) = (World::new().await, Receiver::scripted([Answer::status(500), Answer::status(500)]).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    let (counted, _guard) = Counted::start();
    tenant.publish().await;
    let batch = json!({"events": [{"type": "a.b", "data": {}}, {"type": "a b", "data": {}}]});
    tenant.post("/events/batch", &batch).await.data(202);
    tenant.post(&format!("{}/test", endpoint.path()), &json!({})).await.data(200);
    world.drain().await;
    world.advance(Duration::from_secs(1));
    world.drain().await;
    assert_eq!(counted.counters(), counters([("Accepted", 3), ("Failed http_status", 2)]));
    assert_eq!(counted.take("Delivered"), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0], "each publish request records 0");
    assert_eq!(counted.take("AttemptLatency").len(), 5);
    let mut latencies = counted.take("EndToEndLatency");
    latencies.sort_by(f64::total_cmp);
    assert_eq!(latencies.iter().map(|ms| (ms / 1000.0).floor()).collect::<Vec<_>>(), [0.0, 1.0, 1.0]);

    let idempotent = [("idempotency-key", "k")];
    let event = json!({"type": "a.b", "data": {}}).to_string();
    for _ in 0..2 {
        tenant.call(Method::POST, "/events", &idempotent, Some(event.clone())).await.data(202);
    }
    tenant.set_status(&endpoint, "disabled").await;
    world.advance(Duration::from_secs(10));
    world.drain().await;
    let all = [("Accepted", 4), ("Failed endpoint_disabled", 1), ("Failed http_status", 2)];
    assert_eq!(counted.counters(), counters(all), "a retry is not another event, and nothing was attempted");
}

#[tokio::test]
async fn unreadable_messages_and_rejected_records_are_counted_immediately() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    tenant.endpoint(&receiver).await;
    world.send("not a task").await;
    tenant.publish().await;
    let refuses = |operation: &str| ["BatchExecuteStatement", "PutItem"].contains(&operation);
    let refused = over_network(&world.sdk(), move |operation| match operation {
        operation if refuses(operation) => Fate::Error(400, "ValidationException"),
        _ => Fate::Pass,
    });
    let (counted, _guard) = Counted::start();
    world.process_on(&refused).drain().await;
    assert_eq!(counted.counters(), counters([("Unreadable", 1), ("Unrecorded", 1)]));
    world.purge().await;
    let event = json!({"type": "a.b", "data": {"large": "x".repeat(60_000)}});
    tenant.post("/events", &event).await.data(202);
    world.delete_items("event").await;
    world.drain().await;
    assert_eq!(counted.counters()["Unreadable"], 2, "the event of a message without a body does not exist");
}

#[tokio::test]
async fn deliveries_that_the_sweep_fails_are_counted_by_cause() {
    let (world, receiver) = (World::new().await, Receiver::new().await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint(&receiver).await;
    tenant.set_status(&endpoint, "paused").await;
    for _ in 0..3 {
        tenant.publish().await;
    }
    tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
    let (counted, _guard) = Counted::start();
    world.sweep().await;
    assert_eq!(counted.counters(), counters([("Failed endpoint_deleted", 3)]));
}

#[tokio::test]
async fn every_sweep_reports_the_longest_delay_of_a_due_delivery() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [3600]})).await;
    let (counted, _guard) = Counted::start();
    world.sweep().await;
    assert_eq!(counted.take("SweepOverdueSeconds"), [0.0], "nothing is parked");
    for _ in 0..3 {
        tenant.publish().await;
        world.drain().await;
        world.advance(Duration::from_secs(600));
    }
    world.sweep().await;
    assert_eq!(counted.take("SweepOverdueSeconds"), [0.0], "nothing is due");
    // Jitter delayed the first delivery by up to a tenth of an hour.
    world.advance(Duration::from_secs(3600 + 600));
    world.sweep().await;
    let late = counted.take("SweepOverdueSeconds");
    assert!(late.len() == 1 && (2030.0..=2400.0).contains(&late[0]), "{late:?}");
    world.sweep().await;
    assert_eq!(counted.take("SweepOverdueSeconds"), [0.0], "deliveries that were sent are no longer due");
}

#[tokio::test]
async fn a_sweep_that_cannot_read_does_not_report_that_nothing_is_late() {
    let world = World::new().await;
    let broken = over_network(&world.sdk(), |operation| if operation == "Query" { Fate::Refuse } else { Fate::Pass });
    let process = world.process_on(&broken);
    let (counted, _guard) = Counted::start();
    process.try_sweep().await.unwrap_err();
    assert_eq!(counted.take("SweepOverdueSeconds"), [0.0; 0]);
}

#[tokio::test]
async fn a_sweep_without_time_to_read_every_partition_does_not_report_that_nothing_is_late() {
    let world = World::new().await;
    let (counted, _guard) = Counted::start();
    world.process.sweep_until(world.clock.now()).await.unwrap();
    assert_eq!(counted.take("SweepOverdueSeconds"), [0.0; 0]);
}

#[tokio::test]
async fn every_fifth_sweep_counts_parked_deliveries_and_suspended_endpoints() {
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": [3600]})).await;
    let (counted, _guard) = Counted::start();
    let five_runs = async || {
        for _ in 0..5 {
            world.sweep().await;
            world.advance(Duration::from_secs(60));
        }
        (counted.take("Parked"), counted.take("SuspendedEndpoints"))
    };
    assert_eq!(five_runs().await, (vec![0.0], vec![]), "without suspended endpoints there is no metric");
    for _ in 0..3 {
        tenant.publish().await;
    }
    world.drain().await;
    assert_eq!(five_runs().await, (vec![3.0], vec![]));

    suspend(&world, &tenant.id, &endpoint.id).await;
    let process = world.another_process();
    for _ in 0..2 {
        tenant.at(&process).publish().await;
    }
    assert_eq!(five_runs().await, (vec![5.0], vec![1.0]), "the suspended endpoint's deliveries are included");
}

/// Suspends an endpoint whose probe is due in a day.
pub(crate) async fn suspend(world: &World, organization: &str, endpoint: &str) {
    let text = |value: String| AttributeValue::S(value);
    let probe_at = world.clock.now().plus(Duration::from_secs(24 * 60 * 60)).rfc3339();
    let update = world.dynamodb().update_item().table_name(world.table());
    let update = update.set_key(Some(world.endpoint_key(organization, endpoint)));
    let set = "SET suspended_since = :now, probe_at = :at, probes = :one, waiting_pk = :half_open, waiting_sk = :mark";
    let update = update.update_expression(set).expression_attribute_values(":now", text(world.clock.now().rfc3339()));
    let update = update.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    let update = update.expression_attribute_values(":half_open", text("half_open#0".to_owned()));
    let update = update.expression_attribute_values(":mark", text(format!("{probe_at}#{endpoint}")));
    update.expression_attribute_values(":at", text(probe_at)).send().await.unwrap();
    let target = world.dynamodb().update_item().table_name(world.table()).key("sk", text(endpoint.to_owned()));
    let target = target.key("pk", text(format!("fanout#{organization}#0"))).update_expression("SET suspended = :true");
    target.expression_attribute_values(":true", AttributeValue::Bool(true)).send().await.unwrap();
}
