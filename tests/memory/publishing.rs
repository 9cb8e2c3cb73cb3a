//! A batch of large events for many endpoints, as the publish function stores and sends it. Table and queues are in
//! another process.

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::pages::{parts, start};
use crate::{HEAP, MEASURING};

const ENDPOINTS: usize = 100;
const EVENTS: usize = 20;
/// The size of an event's data. Its messages contain it.
const DATA_BYTES: usize = 40 * 1024;
/// The maximum number of bytes that the function may hold for the batch. All its messages have 80 MB.
const MOST: usize = 48 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_a_batch_does_not_grow_with_its_messages() {
    let _measuring = MEASURING.lock().await;
    let data = tempfile::tempdir().unwrap();
    let (_host, credentials) = start(data.path()).await;
    let organization = format!("{}/v1/organizations/{}", credentials.base_url, credentials.organization_id);
    let client = reqwest::Client::new();
    for _ in 1..ENDPOINTS {
        let endpoint = json!({"name": "Receiver", "url": credentials.base_url, "event_types": ["large.one"]});
        let request = client.post(format!("{organization}/webhooks/endpoints")).bearer_auth(&credentials.api_key);
        request.json(&endpoint).send().await.unwrap().error_for_status().unwrap();
    }
    let router = publish::router(parts(&credentials).0.publisher());
    let event = json!({"type": "large.one", "data": {"text": "x".repeat(DATA_BYTES)}});
    let body = json!({"events": vec![event; EVENTS]}).to_string();
    let path = format!("/v1/organizations/{}/events/batch", credentials.organization_id);
    let request = Request::post(path).header(header::AUTHORIZATION, format!("Bearer {}", credentials.api_key));
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body)).unwrap();

    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let response = router.oneshot(request).await.unwrap();
    let held = HEAP.peak_usage().saturating_sub(before);
    assert_eq!(response.status(), 202);
    let answer = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let results: Value = serde_json::from_slice(&answer).unwrap();
    let results = results["data"].as_array().unwrap();
    let deliveries = |result: &Value| result["event"]["delivery_ids"].as_array().map_or(0, Vec::len);
    assert_eq!(results.iter().map(deliveries).sum::<usize>(), EVENTS * ENDPOINTS, "{:.400}", results[0].to_string());
    println!("{EVENTS} events of {DATA_BYTES} bytes for {ENDPOINTS} endpoints: held {} KiB at most", held / 1024);
    assert!(held < MOST, "{held} bytes");
}
