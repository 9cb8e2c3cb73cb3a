//! Recoveries: manual retries of an endpoint's failed deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::support::{
    Answer, Endpoint, Fate, Gate, Process, Receiver, Tenant, World, delivery_ids, eventually, over_network_by_call,
    text, without_lists,
};

/// The number of queries that read a page of an endpoint's failed deliveries, one for each partition.
const SHARDS: usize = 8;

/// Publishes this many events in requests of at most a hundred, and lets their deliveries fail.
async fn fail(world: &World, tenant: &Tenant, count: usize) {
    for start in (0..count).step_by(100) {
        let size = (count - start).min(100);
        let events: Vec<_> = (0..size).map(|index| json!({"type": "a", "data": {"n": start + index}})).collect();
        tenant.post("/events/batch", &json!({"events": events})).await.data(202);
        world.drain().await;
    }
    world.advance(Duration::from_secs(1));
}

async fn recover(tenant: &Tenant, endpoint: &Endpoint, body: &Value) -> Value {
    tenant.post(&format!("{}/recover", endpoint.path()), body).await.data(202)
}

fn all() -> Value {
    json!({"since": "2020-01-01T00:00:00Z"})
}

#[tokio::test]
async fn the_sweep_continues_a_recovery_and_retries_each_delivery_once() {
    const COUNT: usize = 520;
    let (world, receiver) = (World::new().await, Receiver::always(Answer::status(500)).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    fail(&world, &tenant, COUNT).await;
    assert_eq!(receiver.received().len(), COUNT);

    let recovery = recover(&tenant, &endpoint, &all()).await;
    assert_eq!((&recovery["recovered"], &recovery["finished"]), (&json!(500), &json!(false)));
    world.drain().await;
    assert_eq!(receiver.received().len(), COUNT + 500);
    for _ in 0..3 {
        // This is too short for the endpoint's suspension.
        world.advance(Duration::from_secs(1));
        world.sweep().await;
        world.drain().await;
    }
    let mut attempts = BTreeMap::new();
    for request in receiver.received() {
        *attempts.entry(request.header("x-webhook-delivery").to_owned()).or_insert(0) += 1;
    }
    assert_eq!(attempts.len(), COUNT);
    assert!(attempts.values().all(|count| *count == 2), "a delivery that fails again is not retried again");
}

#[tokio::test]
async fn a_recovery_whose_process_dies_is_completed_by_the_sweep() {
    let (world, receiver) = (World::new().await, Receiver::scripted((0..120).map(|_| Answer::status(500))).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    fail(&world, &tenant, 120).await;
    recover(&tenant, &endpoint, &all()).await;
    // The messages are lost, as if the process had died before it sent them.
    world.purge().await;
    world.advance(Duration::from_secs(15 * 60));
    world.sweep().await;
    world.drain().await;
    assert_eq!(receiver.received().len(), 240);
    let listed = tenant.get(&format!("{}/deliveries?status=success&limit=100", endpoint.path())).await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_recovery_retries_only_the_requested_span_and_statuses() {
    let (world, receiver) = (World::new().await, Receiver::scripted((0..3).map(|_| Answer::status(500))).await);
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        let event = tenant.publish_data(&json!({})).await;
        deliveries.push((text(&event["created_at"]).to_owned(), delivery_ids(&event).remove(0)));
        world.drain().await;
        world.advance(Duration::from_secs(1));
    }
    // This delivery fails because its endpoint is disabled.
    let failed = tenant.publish_one().await;
    tenant.set_status(&endpoint, "disabled").await;
    world.advance(Duration::from_secs(5));
    world.drain().await;
    assert_eq!(tenant.delivery_status(&failed).await, "failed");
    tenant.post(&format!("{}/recover", endpoint.path()), &all()).await.is_error(409, "conflict");
    tenant.set_status(&endpoint, "active").await;
    world.advance(Duration::from_secs(5));

    let middle = deliveries[1].0.clone();
    for (body, recovered) in [
        (json!({"since": "2199-01-01T00:00:00Z"}), 0),
        (json!({"since": middle, "until": deliveries[2].0, "statuses": ["failed"]}), 0),
        (json!({"since": middle, "until": deliveries[2].0}), 1),
        (json!({"since": middle, "until": deliveries[2].0}), 0),
        (json!({"since": "2020-01-01T00:00:00Z", "statuses": ["failed"]}), 1),
        (json!({"since": "2020-01-01T00:00:00Z", "statuses": ["failed", "exhausted"]}), 2),
        (all(), 0),
    ] {
        let recovery = recover(&tenant, &endpoint, &body).await;
        assert_eq!((&recovery["recovered"], &recovery["finished"]), (&json!(recovered), &json!(true)), "{body}");
        world.drain().await;
    }
    assert!(tenant.deliveries(&endpoint).await.iter().all(|delivery| delivery["status"] == "success"));
    for (body, name) in [
        (json!({}), "since"),
        (json!({"since": "yesterday"}), "since"),
        (json!({"since": middle, "until": middle}), "until"),
        (json!({"since": middle, "statuses": ["success"]}), "statuses"),
        (json!({"since": middle, "statuses": []}), "statuses"),
        (json!({"since": middle, "endpoint": "x"}), "endpoint"),
    ] {
        let refused = tenant.post(&format!("{}/recover", endpoint.path()), &body).await;
        refused.is_error(400, "validation_failed");
        assert_eq!(refused.body["error"]["details"]["fields"][0]["name"], name, "{body}");
    }
}

/// Three endpoints whose recoveries are left to the sweep. The oldest recovery's item is unreadable.
async fn three_under_way(world: &World, tenant: &Tenant) -> Vec<(Endpoint, Receiver)> {
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        let receiver = Receiver::scripted([Answer::status(500)]).await;
        let fields = json!({"url": receiver.url(), "retry_schedule": []});
        endpoints.push((tenant.endpoint_with(fields).await, receiver));
    }
    fail(world, tenant, 1).await;
    let hasty = world.process_on(&over_network_by_call(&world.sdk(), without_lists));
    for (endpoint, _) in &endpoints {
        tenant.at(&hasty).post(&format!("{}/recover", endpoint.path()), &all()).await.is_error(503, "unavailable");
        world.advance(Duration::from_secs(1));
    }
    let oldest = AttributeValue::S(endpoints[0].0.id.clone());
    let mut item = world.begun_jobs("recover").await.into_iter().find(|item| item["endpoint"] == oldest).unwrap();
    item.insert("from_id".to_owned(), AttributeValue::S("unreadable".to_owned()));
    world.dynamodb().put_item().table_name(world.table()).set_item(Some(item)).send().await.unwrap();
    endpoints
}

#[tokio::test]
async fn neither_an_unreadable_nor_a_failing_recovery_stops_the_others() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let endpoints = three_under_way(&world, &tenant).await;
    let arrived = || endpoints.iter().map(|(_, receiver)| receiver.received().len()).collect::<Vec<_>>();
    assert_eq!(arrived(), [1, 1, 1]);

    let failed = format!("failed#{}#", endpoints[1].0.id);
    let network = over_network_by_call(&world.sdk(), move |call| {
        let partition = call.body["ExpressionAttributeValues"][":partition"]["S"].as_str();
        if partition.is_some_and(|partition| partition.starts_with(&failed)) {
            Fate::Error(400, "AccessDeniedException")
        } else {
            Fate::Pass
        }
    });
    world.process_on(&network).try_sweep().await.unwrap_err();
    world.drain().await;
    assert_eq!(arrived(), [1, 1, 2]);

    world.sweep().await;
    world.drain().await;
    assert_eq!(arrived(), [1, 2, 2]);
    assert_eq!(world.begun_jobs("recover").await.len(), 1, "the unreadable item is unchanged");
}

/// A process in which the call of this kind with number `nth`, counted from 0, and all later ones have this fate.
fn from_the_nth(world: &World, kind: &'static str, nth: usize, fate: Fate) -> Process {
    let seen = AtomicUsize::new(0);
    let network = over_network_by_call(&world.sdk(), move |call| {
        let is_meant = call.kind() == kind && seen.fetch_add(1, Ordering::SeqCst) >= nth;
        if is_meant { fate.clone() } else { Fate::Pass }
    });
    world.process_on(&network)
}

/// An endpoint without retries that has this many exhausted deliveries. Its receiver fails `more` further requests.
async fn exhausted(world: &World, count: usize, more: usize) -> (Tenant, Endpoint, Receiver) {
    let receiver = Receiver::scripted((0..count + more).map(|_| Answer::status(500))).await;
    let tenant = world.tenant().await;
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    fail(world, &tenant, count).await;
    (tenant, endpoint, receiver)
}

async fn exhausted_now(world: &World) -> usize {
    let marks = world.marks().await;
    marks.iter().filter(|(partition, _)| partition.starts_with("failed#")).count()
}

/// The request waits before it records its first page. Meanwhile a sweep records one more page and fails.
#[tokio::test]
async fn a_recovery_that_another_process_advanced_is_reported_as_finished_only_at_its_end() {
    let world = World::new().await;
    let (tenant, endpoint, _receiver) = exhausted(&world, 250, 0).await;
    let (noting, gate) = (Arc::new(AtomicUsize::new(0)), Gate::closed());
    let (counter, behind) = (Arc::clone(&noting), gate.clone());
    let network = over_network_by_call(&world.sdk(), move |call| {
        if call.kind() != "PutItem job, advanced" {
            return Fate::Pass;
        }
        counter.fetch_add(1, Ordering::SeqCst);
        Fate::Behind(behind.clone())
    });
    let slow = tenant.at(&world.process_on(&network));
    let meanwhile = async || {
        eventually("the first page is about to be recorded", async || noting.load(Ordering::SeqCst) > 0).await;
        from_the_nth(&world, "Query waiting failed", SHARDS, Fate::Refuse).try_sweep().await.unwrap_err();
        assert_eq!(exhausted_now(&world).await, 50, "each process retried one page");
        gate.open();
    };
    let all = all();
    let (recovery, ()) = tokio::join!(recover(&slow, &endpoint, &all), meanwhile());
    assert_eq!(json!([recovery["recovered"], recovery["finished"]]), json!([150, true]));
    assert_eq!(exhausted_now(&world).await, 0);
    assert_eq!(world.begun_jobs("recover").await.len(), 0);
}

#[tokio::test]
async fn a_recovery_that_another_process_completed_is_reported_as_finished() {
    let world = World::new().await;
    let (tenant, endpoint, _receiver) = exhausted(&world, 150, 0).await;
    let gate = Gate::closed();
    let performed = Gate::closed();
    let fate = Fate::AnswerBehind { performed: performed.clone(), gate: gate.clone() };
    // The messages of the first page are sent after the sweep has completed the rest.
    let slow = tenant.at(&from_the_nth(&world, "SendMessageBatch delivery", 9, fate));
    let meanwhile = async || {
        performed.pass().await;
        world.sweep().await;
        assert_eq!(world.begun_jobs("recover").await.len(), 0);
        gate.open();
    };
    let all = all();
    let (recovery, ()) = tokio::join!(recover(&slow, &endpoint, &all), meanwhile());
    assert_eq!(json!([recovery["recovered"], recovery["finished"]]), json!([100, true]));
    assert_eq!((exhausted_now(&world).await, world.begun_jobs("recover").await.len()), (0, 0));
}

#[tokio::test]
async fn a_repeated_request_joins_the_recovery_that_failed_midway() {
    let world = World::new().await;
    // Retried deliveries fail again.
    let (tenant, endpoint, receiver) = exhausted(&world, 150, 150).await;
    let path = format!("{}/recover", endpoint.path());
    let broken = tenant.at(&from_the_nth(&world, "PutItem job, advanced", 0, Fate::Refuse));
    broken.post(&path, &all()).await.is_error(503, "unavailable");
    world.advance(Duration::from_secs(1));
    world.drain().await;
    assert_eq!(receiver.received().len(), 250);
    world.advance(Duration::from_secs(1));

    let both = json!({"since": "2020-01-01T01:00:00+01:00", "statuses": ["exhausted", "failed", "exhausted"]});
    let unbuilt = tenant.at(&from_the_nth(&world, "Query waiting failed", 0, Fate::Refuse));
    unbuilt.post(&path, &both).await.is_error(503, "unavailable");
    let items = world.begun_jobs("recover").await;
    assert_eq!(items.len(), 1, "both requests mean the same deliveries");

    let joined = recover(&tenant, &endpoint, &all()).await;
    let shown = ["id", "joined", "recovered", "finished"].map(|name| &joined[name]);
    let id = items[0]["sk"].as_s().unwrap();
    assert_eq!(json!(shown), json!([id, true, 50, true]), "a delivery that fails again is not retried again");
    world.drain().await;
    assert_eq!(receiver.received().len(), 300);
    assert_eq!(world.begun_jobs("recover").await.len(), 0);

    world.advance(Duration::from_secs(1));
    let new = recover(&tenant, &endpoint, &all()).await;
    assert_eq!((&new["id"], new["created_at"] == joined["created_at"]), (&json!(id), false));
    assert_eq!(
        (&new["recovered"], new.get("joined")),
        (&json!(150), None),
        "a request after the first pass starts a new recovery"
    );
}

#[tokio::test]
async fn recoveries_of_other_spans_statuses_and_endpoints_do_not_join() {
    let world = World::new().await;
    let (tenant, first, _one) = exhausted(&world, 1, 0).await;
    let second = tenant.endpoint_with(json!({"url": "http://127.0.0.1:9/", "retry_schedule": []})).await;
    let broken = tenant.at(&from_the_nth(&world, "Query waiting failed", 0, Fate::Refuse));
    for (endpoint, body) in [
        (&first, all()),
        (&second, all()),
        (&first, json!({"since": "2020-01-01T00:00:00.001Z"})),
        (&first, json!({"since": "2020-01-01T00:00:00Z", "until": "2199-01-01T00:00:00Z"})),
        (&first, json!({"since": "2020-01-01T00:00:00Z", "statuses": ["failed"]})),
    ] {
        for _ in 0..2 {
            broken.post(&format!("{}/recover", endpoint.path()), &body).await.is_error(503, "unavailable");
        }
    }
    assert_eq!(world.begun_jobs("recover").await.len(), 5);
    world.sweep().await;
    assert_eq!(world.begun_jobs("recover").await.len(), 0);
}

#[tokio::test]
async fn two_concurrent_requests_share_one_recovery_and_retry_each_delivery_once() {
    let world = World::new().await;
    let (tenant, endpoint, receiver) = exhausted(&world, 250, 0).await;
    let (one, two) = (tenant.at(&world.another_process()), tenant.at(&world.another_process()));
    let all = all();
    let (one, two) = tokio::join!(recover(&one, &endpoint, &all), recover(&two, &endpoint, &all));
    let recovered = [&one, &two].map(|recovery| recovery["recovered"].as_u64().unwrap());
    assert_eq!(recovered.iter().sum::<u64>(), 250, "{recovered:?}");
    assert_eq!(one["id"], two["id"]);
    assert_eq!(json!([one["finished"], two["finished"]]), json!([true, true]));
    world.drain().await;
    let ids: BTreeSet<_> =
        receiver.received().iter().map(|request| request.header("x-webhook-delivery").to_owned()).collect();
    assert_eq!((ids.len(), receiver.received().len()), (250, 500));
}

#[tokio::test]
async fn a_recovery_ends_when_its_endpoint_or_organization_is_stopped_and_keeps_the_causes() {
    for stopped in ["disabled", "deleted", "suspended"] {
        let world = World::new().await;
        let (tenant, endpoint, _receiver) = exhausted(&world, 3, 0).await;
        let broken = tenant.at(&from_the_nth(&world, "Query waiting failed", 0, Fate::Refuse));
        broken.post(&format!("{}/recover", endpoint.path()), &all()).await.is_error(503, "unavailable");
        match stopped {
            "disabled" => tenant.set_status(&endpoint, "disabled").await,
            "deleted" => drop(tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204)),
            _ => {
                let path = format!("/v1/organizations/{}", tenant.id);
                drop(world.platform().patch(&path, &json!({"status": "suspended"})).await.data(200));
            }
        }
        world.advance(Duration::from_secs(6));
        let before = world.items("delivery").await;
        world.sweep().await;
        world.drain().await;
        assert_eq!(world.items("delivery").await, before, "{stopped}: the recorded causes are unchanged");
        assert_eq!(world.begun_jobs("recover").await.len(), 0, "{stopped}");
    }
}

/// Every retry fails at once.
#[tokio::test]
async fn two_recoveries_of_the_same_deliveries_retry_each_once() {
    let world = World::new().await;
    let (tenant, receiver) = (world.tenant().await, Receiver::always(Answer::status(500)).await);
    let endpoint = tenant.endpoint_with(json!({"url": receiver.url(), "retry_schedule": []})).await;
    fail(&world, &tenant, 5).await;
    let attempts = receiver.received().len();
    for since in ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00.001Z"] {
        recover(&tenant, &endpoint, &json!({"since": since})).await;
        world.drain().await;
        world.advance(Duration::from_secs(1));
    }
    for _ in 0..8 {
        world.sweep().await;
        world.drain().await;
        world.advance(Duration::from_secs(31));
    }
    assert_eq!(world.begun_jobs("recover").await.len(), 0);
    assert_eq!(receiver.received().len(), attempts + 2 * 5);
}
