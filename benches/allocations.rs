//! How often a delivery asks for memory, beside the bare HTTP client: counted in a process of its own.
#![allow(dead_code, reason = "the commands need more of the modules")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and says what it measured"
)]

mod bare;
mod cpu;
mod instant;
mod payload;
mod report;
mod sink;
mod stage;

use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::time::Duration;

use allocation_counter::measure;
use shared::clock::Clock;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use bare::Bare;
use stage::Stage;

const DELIVERIES: usize = 200;
/// How many requests are under way at once: a batch.
const AT_ONCE: usize = 10;
/// Most allocations of a delivery, for each that the bare client makes. Most of them are made by the SDK, for the call
/// that records the attempt.
const MOST: u64 = 12;

#[test]
fn a_delivery_allocates_only_a_few_times_as_often_as_the_bare_client() {
    let (runtime, address) = (runtime(), receiver());
    let url = format!("http://{address}/hooks/orders");
    let stage = runtime.block_on(Stage::set(&url, 1, DELIVERIES)).unwrap();
    let consumer = stage.consumer().unwrap();
    let deliver = || async {
        for batch in stage.batches() {
            let deadline = Clock::system().now().plus(Duration::from_secs(60));
            assert!(deliver::handle(&consumer, batch, deadline).await.batch_item_failures.is_empty());
        }
    };
    // The first time connects, and fills the caches.
    runtime.block_on(deliver());
    let seen = runtime.block_on(sink::seen(&reqwest::Client::new(), &address)).unwrap();
    assert_eq!(seen.deliveries, DELIVERIES);
    let bare = Bare::new(&url, &seen.headers, stage.bodies().unwrap()).unwrap();
    let post = || async { bare.post_all(AT_ONCE).await.unwrap() };
    runtime.block_on(post());

    let delivering = measure(|| runtime.block_on(deliver())).count_total;
    let posting = measure(|| runtime.block_on(post())).count_total;
    let each = |count: u64| count / DELIVERIES as u64;
    println!("a delivery allocates {} times, and the bare client {} times", each(delivering), each(posting));
    assert!(posting > 0 && delivering > posting, "{delivering} and {posting} allocations were counted");
    assert!(delivering <= MOST * posting, "{delivering} allocations, and {posting} of the bare client");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A receiver on a thread of its own, whose allocations do not count, and its address.
fn receiver() -> String {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            tell.send(listener.local_addr().unwrap().to_string()).unwrap();
            sink::serve(listener, Duration::ZERO).await.unwrap();
        });
    });
    told.recv().unwrap()
}
