//! A replay, the repair of a publish request and the removal of data at the same event, in every order of the calls that
//! change the event, its deliveries and the queue.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use serde_json::{Value, json};

use super::orders::{Actor, Exhaustive, Random, run};
use super::{OLD_ENOUGH, all_time};
use crate::support::{EVENT_TYPE, Endpoint, Fate, Receiver, Requests, Tenant, World, over_network_by_call, text};

const SECRET: &str = "xyzzy";
/// The number of random orders of three requests.
const RANDOM_ORDERS: u64 = 40;

/// What is done at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// The publish request is repeated with its key.
    Repair,
    /// The endpoint that received the event from the start replays everything.
    ReplayOfPlanned,
    /// The first endpoint that missed the event replays it.
    Replay,
    /// The second endpoint that missed the event replays it.
    ReplayOfOther,
    /// The data of the event is removed.
    Expunge,
}

struct Stage {
    world: World,
    tenant: Tenant,
    event: String,
    /// The endpoint that was planned, and two that missed the event.
    endpoints: Vec<(Endpoint, Receiver)>,
}

async fn publish(tenant: &Tenant) -> crate::support::Reply {
    let body = json!({"type": EVENT_TYPE, "data": {"secret": SECRET}}).to_string();
    tenant.call(Method::POST, "/events", &[("idempotency-key", "once")], Some(body)).await
}

impl Stage {
    /// A publish request wrote its event and died before it wrote the list of its deliveries. Then two more endpoints were
    /// created.
    async fn new(world: World) -> Self {
        let tenant = world.tenant().await;
        let mut endpoints = Vec::new();
        let receiver = Receiver::new().await;
        endpoints.push((tenant.endpoint(&receiver).await, receiver));
        let is_written = AtomicBool::new(false);
        let network = over_network_by_call(&world.sdk(), move |call| {
            let is_refused = call.operation == "BatchWriteItem" && is_written.swap(true, Ordering::SeqCst);
            if is_refused { Fate::Refuse } else { Fate::Pass }
        });
        publish(&tenant.at(&world.process_on(&network))).await.is_error(503, "unavailable");
        for _ in 0..2 {
            let receiver = Receiver::new().await;
            endpoints.push((tenant.endpoint(&receiver).await, receiver));
        }
        world.advance(OLD_ENOUGH);
        let events = tenant.get("/events").await.data(200);
        let event = text(&events[0]["id"]).to_owned();
        Self { world, tenant, event, endpoints }
    }

    fn start(&self, request: Request) -> Actor {
        let (tenant, event) = (self.tenant.clone(), self.event.clone());
        let endpoint = match request {
            Request::Replay => 1,
            Request::ReplayOfOther => 2,
            Request::Repair | Request::ReplayOfPlanned | Request::Expunge => 0,
        };
        let endpoint = self.endpoints[endpoint].0.path();
        Actor::start(&self.world, move |process, is_armed| async move {
            let tenant = tenant.at(&process);
            // The first request of a process records the use of the key.
            tenant.get("/webhooks/endpoints").await.data(200);
            is_armed.store(true, Ordering::SeqCst);
            match request {
                Request::Repair => drop(publish(&tenant).await.data(202)),
                Request::Expunge => drop(tenant.delete(&format!("/events/{event}/data")).await.data(202)),
                Request::ReplayOfPlanned | Request::Replay | Request::ReplayOfOther => {
                    drop(tenant.post(&format!("{endpoint}/replay"), &all_time("all")).await.data(202));
                }
            }
        })
    }

    async fn check(&self, requests: &[Request]) {
        let has = |wanted: Request| requests.contains(&wanted);
        let final_state = self.world.run_to_the_end().await;
        let receivers: Vec<_> = self.endpoints.iter().map(|(_, receiver)| receiver).collect();
        let arrived = Requests::of(&receivers);
        let event = self.tenant.get(&format!("/events/{}", self.event)).await.data(200);
        let deliveries = event["webhook_deliveries"].as_array().unwrap();
        let by_endpoint: BTreeMap<_, _> = deliveries.iter().map(|it| (text(&it["endpoint_id"]), it)).collect();
        assert_eq!(by_endpoint.len(), deliveries.len(), "an endpoint has one delivery: {deliveries:?}");
        for ((endpoint, receiver), wanted) in
            self.endpoints.iter().zip([has(Request::Repair), has(Request::Replay), has(Request::ReplayOfOther)])
        {
            assert!(receiver.received().len() <= 1, "a delivery arrives once");
            if wanted && !has(Request::Expunge) {
                assert_eq!(receiver.received().len(), 1, "a delivery arrives");
            }
            // An event whose data was removed first is not replayed, so it may have no such delivery.
            let Some(delivery) = by_endpoint.get(endpoint.id.as_str()) else {
                assert!(!wanted || has(Request::Expunge));
                continue;
            };
            let id = text(&delivery["id"]);
            let Some(record) = final_state.records.get(id) else {
                assert!(!wanted || has(Request::Expunge), "{id} has a record");
                continue;
            };
            assert_eq!((&record.endpoint, record.attempts), (&endpoint.id, arrived.count(id)), "{record:?}");
            let is_expunged = record.error.as_deref() == Some("expunged");
            match record.status.as_str() {
                "success" => {}
                "failed" => assert!(is_expunged && has(Request::Expunge), "{record:?}"),
                // Without its publish request, the delivery is not sent.
                _ => assert!(!wanted, "{record:?}"),
            }
        }
        if has(Request::Expunge) {
            assert_eq!((&event["data"], event["expunged_at"].is_string()), (&Value::Null, true));
            let before: usize = receivers.iter().map(|receiver| receiver.received().len()).sum();
            for request in [Request::Repair, Request::ReplayOfPlanned, Request::Replay, Request::ReplayOfOther] {
                run(vec![self.start(request)], &mut Random(0)).await;
            }
            self.world.run_to_the_end().await;
            let after: usize = receivers.iter().map(|receiver| receiver.received().len()).sum();
            assert_eq!(after, before, "nothing brings the event back");
            for delivery in deliveries {
                let shown = self.tenant.get(&format!("/webhooks/deliveries/{}", text(&delivery["id"]))).await.data(200);
                assert!(!shown.to_string().contains(SECRET));
            }
        }
    }
}

/// Plays these requests in every order of their calls, and returns the number of orders.
async fn in_every_order(requests: &[Request]) -> usize {
    let world = World::new().await;
    let (mut order, mut orders) = (Exhaustive::default(), 0);
    loop {
        let stage = Stage::new(world.new_world().await).await;
        run(requests.iter().map(|request| stage.start(*request)).collect(), &mut order).await;
        stage.check(requests).await;
        orders += 1;
        if !order.advance() {
            return orders;
        }
    }
}

#[tokio::test]
async fn a_replay_and_the_repair_of_a_publish_request_deliver_once_in_every_order() {
    assert!(in_every_order(&[Request::Replay, Request::Repair]).await >= 10);
}

#[tokio::test]
async fn a_replay_of_the_planned_endpoint_leaves_its_delivery_to_the_repair() {
    let requests = [Request::ReplayOfPlanned, Request::Repair];
    // The replay changes neither the event nor a delivery, so only the calls of the repair are ordered.
    assert_eq!(in_every_order(&requests).await, 1);
}

#[tokio::test]
async fn a_replay_and_the_removal_of_data_bring_nothing_back_in_every_order() {
    assert!(in_every_order(&[Request::Replay, Request::Expunge]).await >= 10);
}

#[tokio::test]
async fn two_endpoints_that_replay_one_event_get_it_once_in_every_order() {
    assert!(in_every_order(&[Request::Replay, Request::ReplayOfOther]).await >= 20);
}

#[tokio::test]
async fn one_endpoint_that_replays_an_event_twice_gets_it_once_in_every_order() {
    assert!(in_every_order(&[Request::Replay, Request::Replay]).await >= 10);
}

#[tokio::test]
async fn replays_the_repair_and_the_removal_bring_nothing_back_and_lose_nothing_in_random_orders() {
    let world = World::new().await;
    for seed in 0..RANDOM_ORDERS {
        let mut requests = vec![Request::Repair, Request::Replay, Request::ReplayOfOther, Request::Expunge];
        if seed % 3 == 0 {
            requests.pop();
        }
        let stage = Stage::new(world.new_world().await).await;
        run(requests.iter().map(|request| stage.start(*request)).collect(), &mut Random(seed)).await;
        stage.check(&requests).await;
    }
}
