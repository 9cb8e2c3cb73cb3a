//! The cost of a delivery in allocations, compared with the bare HTTP client and counted in a process of its own, and
//! in connections.
#![allow(dead_code, reason = "the commands use the rest of the modules")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may panic, and they print what they measured")]

mod bare;
mod cpu;
mod deployment;
mod instant;
mod payload;
mod report;
mod sink;
mod stage;

use std::net::Ipv4Addr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use allocation_counter::measure;
use shared::clock::Clock;
use shared::service::Deliverer;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use bare::Bare;
use sink::Seen;
use stage::Stage;

const DELIVERIES: usize = 200;
/// The number of concurrent deliveries, which is the size of a batch.
const CONCURRENT_DELIVERIES: usize = 10;
/// The maximum number of allocations of a delivery for each allocation of the bare client. The SDK makes most of them
/// in the call that records the attempt.
const MOST: u64 = 20;

/// A receiver, and a consumer that has made every delivery to it once, so it has connections and full caches.
struct Scene {
    runtime: Runtime,
    stage: Stage,
    deliverer: Arc<Deliverer>,
    url: String,
    seen: Seen,
}

impl Scene {
    fn set() -> Self {
        let (runtime, address) = (runtime(), receiver());
        let url = format!("http://{address}/hooks/orders");
        let stage = runtime.block_on(Stage::set(&url, 1, DELIVERIES)).unwrap();
        let deliverer = stage.deliverer().unwrap();
        let mut scene = Self { runtime, stage, deliverer, url, seen: Seen::default() };
        scene.deliver();
        scene.seen = scene.runtime.block_on(sink::seen(&reqwest::Client::new(), &address)).unwrap();
        assert_eq!(scene.seen.deliveries, DELIVERIES);
        scene
    }

    fn deliver(&self) {
        self.runtime.block_on(async {
            for batch in self.stage.batches() {
                let deadline = Clock::system().now().plus(Duration::from_secs(60));
                assert!(deliver::handle(&self.deliverer, batch, deadline).await.batch_item_failures.is_empty());
            }
        });
    }
}

#[test]
fn a_delivery_makes_at_most_twenty_times_the_allocations_of_the_bare_client() {
    let scene = Scene::set();
    let bare = Bare::new(&scene.url, &scene.seen.headers, scene.stage.bodies().unwrap()).unwrap();
    let post = || scene.runtime.block_on(bare.post_all(CONCURRENT_DELIVERIES)).unwrap();
    post();
    let (delivering, posting) = (measure(|| scene.deliver()).count_total, measure(post).count_total);
    let each = |count: u64| count / DELIVERIES as u64;
    println!("a delivery allocates {} times, and the bare client {} times", each(delivering), each(posting));
    assert!(posting > 0 && delivering > posting, "{delivering} and {posting} allocations were counted");
    assert!(delivering <= MOST * posting, "{delivering} allocations, and {posting} of the bare client");
}

#[test]
fn all_batches_reuse_the_connections_of_the_first() {
    let connections = Scene::set().seen.connections;
    assert!(connections <= 2 * CONCURRENT_DELIVERIES, "{connections} connections for {DELIVERIES} deliveries");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Starts a receiver on its own thread, whose allocations do not count, and returns its address.
fn receiver() -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            sender.send(listener.local_addr().unwrap().to_string()).unwrap();
            sink::serve(listener, Duration::ZERO).await.unwrap();
        });
    });
    receiver.recv().unwrap()
}
