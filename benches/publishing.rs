//! Measures publishing alone: requests to the router of PublishFunction, one after the other. A stub answers the calls
//! to DynamoDB and SQS immediately.

use std::time::{Duration, Instant};

use anyhow::ensure;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use fastrand::Rng;
use tower::ServiceExt;

use crate::latency::Latencies;
use crate::report::Report;
use crate::stage::{EVENT_TYPE, Stage};
use crate::{cpu, payload};

/// The URL of the endpoints. The benchmark delivers nothing.
const NOWHERE: &str = "http://127.0.0.1:9/hooks/orders";
/// The seed of the payloads, so that they are the same in every run.
const SEED: u64 = 11;

/// The endpoints and requests of one measurement.
#[derive(Debug, Clone, Copy)]
struct Scene {
    title: &'static str,
    endpoints: usize,
    /// The number of events in a batch; `None` for requests with a single event.
    batch: Option<usize>,
    with_key: bool,
}

const SCENES: [Scene; 5] = [
    Scene { title: "1 endpoint", endpoints: 1, batch: None, with_key: false },
    Scene { title: "10 endpoints", endpoints: 10, batch: None, with_key: false },
    Scene { title: "100 endpoints", endpoints: 100, batch: None, with_key: false },
    Scene { title: "1 endpoint, with an idempotency key", endpoints: 1, batch: None, with_key: true },
    Scene { title: "1 endpoint, batches of 100", endpoints: 1, batch: Some(100), with_key: false },
];

pub(crate) async fn run(deliveries: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("Publishing alone, one request after the other on one thread");
    for scene in SCENES {
        let deliveries_per_request = scene.endpoints * scene.batch.unwrap_or(1);
        let requests = (deliveries / deliveries_per_request).max(50);
        let (latencies, cpu) = cpu::on_one_thread(move || measure(scene, requests)).await?;
        let events = requests * scene.batch.unwrap_or(1);
        let name = |what: &str| format!("{}: {what}", scene.title);
        let latencies: Latencies = latencies.into_iter().collect();
        report.figure(&name("requests"), requests);
        report.figure(&name("p50 / p99 µs"), latencies.shown_in_micros());
        report.figure(&name("CPU µs per event"), (cpu.as_secs_f64() * 1e7 / events as f64).round() / 10.0);
    }
    Ok(report)
}

/// Returns the time of each request, and the processor time of all.
async fn measure(scene: Scene, requests: usize) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let stage = Stage::set(NOWHERE, scene.endpoints, 0).await?;
    let router = publish::router(stage.parts().publisher());
    let mut random = Rng::with_seed(SEED);
    let events: Vec<_> = (0..requests).map(|_| body(scene, &mut random)).collect();
    for number in 0..requests.div_ceil(10) {
        publish(&router, request(&stage, scene, &format!("warm-{number}"), body(scene, &mut random))?).await?;
    }
    let sent_before = stage.aws.sent();
    let mut latencies = Vec::with_capacity(requests);
    let cpu = cpu::of_process();
    for (number, event) in events.into_iter().enumerate() {
        let request = request(&stage, scene, &number.to_string(), event)?;
        let began = Instant::now();
        publish(&router, request).await?;
        latencies.push(began.elapsed());
    }
    let cpu = cpu::of_process().saturating_sub(cpu);
    let (sent, expected) = (stage.aws.sent() - sent_before, requests * scene.batch.unwrap_or(1) * scene.endpoints);
    ensure!(sent == expected, "{sent} of {expected} deliveries were sent to the queue");
    Ok((latencies, cpu))
}

async fn publish(router: &Router, request: Request<Body>) -> anyhow::Result<()> {
    let answer = router.clone().oneshot(request).await?;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await?;
    ensure!(status == StatusCode::ACCEPTED, "{status} {}", String::from_utf8_lossy(&body));
    Ok(())
}

fn body(scene: Scene, random: &mut Rng) -> String {
    let mut event = || format!(r#"{{"type":"{EVENT_TYPE}","data":{}}}"#, payload::data(random));
    match scene.batch {
        None => event(),
        Some(events) => {
            let events: Vec<_> = (0..events).map(|_| event()).collect();
            format!(r#"{{"events":[{}]}}"#, events.join(","))
        }
    }
}

fn request(stage: &Stage, scene: Scene, number: &str, body: String) -> anyhow::Result<Request<Body>> {
    let kind = if scene.batch.is_some() { "events/batch" } else { "events" };
    let request = Request::post(format!("/v1/organizations/{}/{kind}", stage.organization))
        .header("authorization", format!("Bearer {}", stage.key))
        .header("content-type", "application/json");
    let request = if scene.with_key { request.header("idempotency-key", number) } else { request };
    Ok(request.body(Body::from(body))?)
}
