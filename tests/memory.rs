//! The memory that hostile receivers and large pages cost. A counting allocator measures it in a process of its own.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may panic, and they print what they measured")]

#[path = "memory/pages.rs"]
mod pages;
#[path = "memory/publishing.rs"]
mod publishing;
#[path = "it/support/raw_server.rs"]
#[allow(dead_code, reason = "the other test binary uses the rest")]
mod raw_server;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use peak_alloc::PeakAlloc;
use shared::clock::Clock;
use shared::domain::delivery::attempt::{Answer, Cause};
use shared::domain::endpoint::destination::Destination;
use shared::domain::endpoint::headers::Headers;
use shared::domain::endpoint::url::EndpointUrl;
use shared::domain::event::event_type::EventType;
use shared::domain::ids::EventId;
use shared::domain::network::AddressPolicy;
use shared::domain::signing::key::{SigningKey, SigningKeyId};
use shared::domain::signing::secret::SigningSecret;
use shared::domain::time::Timestamp;
use shared::sender::{Attempt, Sender};
use tokio::sync::Mutex;

use raw_server::{RawServer, Step};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;
/// Locked by the test that measures, because the allocator counts the memory of the whole process.
static MEASURING: Mutex<()> = Mutex::const_new(());

const DELIVERIES: usize = 100;
/// The maximum number of bytes that a delivery may hold, whatever its receiver sends. A head can have 400 KiB and is
/// copied once when its buffer grows.
const MOST_PER_DELIVERY: usize = 1024 * 1024;
/// The size of one write of a receiver.
const BLOCK: usize = 64 * 1024;

#[tokio::test]
async fn a_hundred_deliveries_with_endless_responses_hold_a_bounded_amount_of_memory() {
    let _measuring = MEASURING.lock().await;
    let addresses = AddressPolicy::parse("127.0.0.0/8").unwrap();
    let sender = Sender::new(addresses, Clock::system()).unwrap();
    let endless = |head: &str, again: &str| {
        [Step::Read, Step::Say(head.into()), Step::Repeat(again.repeat(BLOCK / again.len()).into())]
    };
    for (situation, steps, expected) in [
        ("bodies", endless("HTTP/1.1 200 OK\r\n\r\n", "x"), Ok(200)),
        (
            "bodies with a content length",
            endless("HTTP/1.1 500 No\r\ncontent-length: 999999999999\r\n\r\n", "x"),
            Ok(500),
        ),
        ("chunks", endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"), Ok(200)),
        ("headers", endless("HTTP/1.1 200 OK\r\n", "x: y\r\n"), Err(Cause::InvalidResponse)),
        ("one header", endless("HTTP/1.1 200 OK\r\nx: ", "x"), Err(Cause::InvalidResponse)),
        ("interim responses", endless("", "HTTP/1.1 100 Continue\r\n\r\n"), Err(Cause::Timeout)),
        ("headers of interim responses", endless("", "HTTP/1.1 103 Hi\r\nlink: </x>\r\n\r\n"), Err(Cause::Timeout)),
        ("trailers", endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "x: y\r\n"), Ok(200)),
    ] {
        let server = RawServer::new(steps).await;
        let url = EndpointUrl::stored(&server.url()).unwrap().into();
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        // If the attempt ends by its timeout, three seconds suffice for gigabytes. Otherwise the timeout is long enough
        // for slow machines.
        let timeout = Duration::from_secs(if expected == Err(Cause::Timeout) { 3 } else { 30 });
        let outcomes = join_all((0..DELIVERIES).map(|_| deliver(&sender, &url, timeout))).await;
        let held = HEAP.peak_usage().saturating_sub(before);
        assert!(held < DELIVERIES * MOST_PER_DELIVERY, "{situation}: {held} bytes");
        for outcome in outcomes {
            assert_eq!(outcome, expected, "{situation}");
        }
        println!("{DELIVERIES} deliveries with endless {situation} held {} KiB at most", held / 1024);
        assert_eq!(server.connections(), DELIVERIES);
    }
}

/// Makes one attempt and returns its status or cause.
async fn deliver(sender: &Sender, destination: &Destination, timeout: Duration) -> Result<u16, Cause> {
    let now = Timestamp::from_unix_seconds(1_774_382_400);
    let secret = SigningKey::new(SigningKeyId::new([7; 8]), SigningSecret::generate([7; 16]));
    let attempt = Attempt {
        destination,
        headers: &Headers::default(),
        secrets: vec![&secret],
        delivery: EventId::new(now, [3; 8]).delivery(0).unwrap(),
        event_type: &EventType::parse("member.added").unwrap(),
        number: 1,
        body: Bytes::from_static(b"{}"),
        content_type: None,
        svix_headers: false,
        trace: None,
        timeout,
    };
    match sender.post(&attempt).await.answer {
        Answer::Response { status, .. } => Ok(status),
        Answer::None(failure) => Err(failure.cause),
    }
}
