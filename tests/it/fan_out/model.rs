//! Random sequences of publish requests with cached targets, changes of endpoints, requests that are interrupted
//! between two of their calls, and transactions that readers see in part. In every sequence, no event misses an
//! endpoint whose creation was answered before its request began, and no delivery stays parked permanently for an
//! endpoint that was resumed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Process, Receiver, Splitter, Tenant, World, delivery_ids, text};

/// The number of random sequences. Each run has a different seed.
const RUNS: u64 = 6;
const ROUNDS: usize = 12;
const PROCESSES: usize = 3;
/// The number of concurrent requests.
const CONCURRENT_REQUESTS: usize = 6;
/// The maximum number of turns after which a request is interrupted. A whole request takes about this number.
const MOST_TURNS: usize = 60;

/// The model of an endpoint.
#[derive(Debug, Clone, Copy, Default)]
struct EndpointState {
    /// The request that creates it was answered.
    is_created: bool,
    /// A request that disables it, or sets a filter that excludes all events, may have begun.
    is_leaving: bool,
    /// The request for that filter was answered.
    is_excluded: bool,
}

/// A run: one organization, and processes that create and change its endpoints and publish.
struct Run {
    world: World,
    tenants: Vec<Tenant>,
    processes: Vec<Process>,
    receiver: Receiver,
    random: Mutex<Rng>,
    endpoints: Mutex<BTreeMap<String, EndpointState>>,
    accepted: Mutex<Vec<String>>,
}

impl Run {
    async fn new(world: World, seed: u64) -> Self {
        let rng = Arc::new(Mutex::new(Rng::with_seed(seed)));
        let (order, pauses) = (Arc::clone(&rng), Arc::clone(&rng));
        let splitter = Splitter::new(
            move || order.lock().unwrap().bool(),
            move || turns(pauses.lock().unwrap().usize(..20)).boxed(),
        );
        let processes: Vec<_> = (0..PROCESSES).map(|_| world.process_on(&splitter.over(&world.sdk()))).collect();
        let tenant = world.tenant().await;
        let tenants = processes.iter().map(|process| tenant.at(process)).collect();
        Self {
            world,
            tenants,
            processes,
            receiver: Receiver::new().await,
            random: Mutex::new(Rng::with_seed(seed + 1)),
            endpoints: Mutex::default(),
            accepted: Mutex::default(),
        }
    }

    fn below(&self, limit: usize) -> usize {
        self.random.lock().unwrap().usize(..limit)
    }

    fn tenant(&self) -> &Tenant {
        &self.tenants[self.below(PROCESSES)]
    }

    /// Sends some concurrent requests, and interrupts some of them.
    async fn play(&self) {
        let requests = (0..CONCURRENT_REQUESTS).map(|_| self.below(10)).map(async |what| {
            turns(self.below(20)).await;
            let request = async {
                match what {
                    0 | 1 => self.create().await,
                    2..5 => self.change().await,
                    _ => self.publish().await,
                }
            };
            if self.below(4) == 0 {
                interrupt_after(self.below(MOST_TURNS), request).await;
            } else {
                request.await;
            }
        });
        join_all(requests).await;
    }

    async fn create(&self) {
        let status = if self.below(3) == 0 { "paused" } else { "active" };
        let created = self.tenant().endpoint_with(json!({"url": self.receiver.url(), "status": status})).await;
        self.endpoints.lock().unwrap().entry(created.id).or_default().is_created = true;
    }

    async fn change(&self) {
        let ids: Vec<_> = self.endpoints.lock().unwrap().keys().cloned().collect();
        let Some(id) = ids.get(self.below(ids.len().max(1))) else { return };
        let change = match self.below(7) {
            0..3 => json!({"status": "active"}),
            3 | 4 => json!({"status": "paused"}),
            5 => json!({"status": "disabled"}),
            _ => json!({"filter": {"data": {"never": [true]}}}),
        };
        let excludes = change.get("filter").is_some();
        if excludes || change["status"] == "disabled" {
            self.endpoints.lock().unwrap().get_mut(id).unwrap().is_leaving = true;
        }
        let path = format!("/webhooks/endpoints/{id}");
        let reply = self.tenant().patch(&path, &change).await;
        // If concurrent requests change the endpoint too often, the request is answered 503.
        assert!([200, 503].contains(&reply.status), "{}", reply.body);
        if excludes && reply.status == 200 {
            self.endpoints.lock().unwrap().get_mut(id).unwrap().is_excluded = true;
        }
    }

    async fn publish(&self) {
        let is_there = |(_, known): &(&String, &EndpointState)| known.is_created && !known.is_leaving;
        let known = self.endpoints.lock().unwrap().clone();
        let there: BTreeSet<_> = known.iter().filter(is_there).map(|(id, _)| id.clone()).collect();
        let event = self.tenant().publish_data(&json!({})).await;
        let leaving = self.endpoints.lock().unwrap().clone();
        let deliveries = event["webhook_deliveries"].as_array().unwrap();
        let reached: BTreeSet<_> = deliveries.iter().map(|it| text(&it["endpoint_id"]).to_owned()).collect();
        let missed: Vec<_> = there.difference(&reached).filter(|id| !leaving[*id].is_leaving).collect();
        assert!(missed.is_empty(), "{missed:?} had been created before the event was published");
        let excluded: Vec<_> = reached.iter().filter(|id| known.get(*id).is_some_and(|it| it.is_excluded)).collect();
        assert!(excluded.is_empty(), "{excluded:?} had a filter that excludes the event before it was published");
        self.accepted.lock().unwrap().extend(delivery_ids(&event));
    }

    /// Resumes every endpoint that is not disabled, runs the system to its end, and checks the final state.
    async fn end(&self) {
        // Calls of interrupted requests may still be in progress.
        turns(1_000).await;
        // The table also contains endpoints whose creation was not answered.
        for endpoint in self.world.items("endpoint").await {
            if endpoint["status"].as_s().unwrap() == "paused" {
                let path = format!("/webhooks/endpoints/{}", endpoint["sk"].as_s().unwrap());
                self.tenants[0].patch(&path, &json!({"status": "active"})).await.data(200);
            }
        }
        let final_state = self.world.run_to_the_end().await;
        final_state.keeps_the_promise(&self.accepted.lock().unwrap(), &[&self.receiver]);
        let held: Vec<_> = self.world.marks().await.into_iter().filter(|(it, _)| it.starts_with("held#")).collect();
        assert!(held.is_empty(), "{held:?}");
    }
}

/// Yields to the other tasks this number of times.
async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Polls a request for this number of turns, and drops it if it has not ended by then.
async fn interrupt_after(count: usize, request: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = request => {}
        () = turns(count) => {}
    }
}

#[tokio::test]
async fn no_event_misses_an_endpoint_and_no_delivery_stays_parked_permanently() {
    let world = World::new().await;
    for seed in 0..RUNS {
        let run = Run::new(world.new_world().await, seed).await;
        for _ in 0..ROUNDS {
            Box::pin(run.play()).await;
            let process = &run.processes[run.below(PROCESSES)];
            match run.below(4) {
                0 => drop(Box::pin(process.drain()).await),
                1 => Box::pin(process.sweep()).await,
                2 => run.world.advance(Duration::from_secs(run.below(40) as u64)),
                _ => {}
            }
        }
        Box::pin(run.end()).await;
    }
}
