//! A publisher for the demo organization or another one, which also manages endpoints.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::body::Bytes;
use pigeonpost::Credentials;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::payload;

/// A publisher. Clones share the numbering of events.
#[derive(Clone)]
pub(crate) struct Publisher {
    http: Client,
    credentials: Arc<Credentials>,
    numbers: Arc<AtomicU64>,
}

/// An event that is ready to be published.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The event's `data.number`.
    pub(crate) number: u64,
    /// The body of the request.
    body: Bytes,
}

impl Event {
    /// Creates the event with this number. The same number always gives the same event.
    fn new(event_type: &str, number: u64) -> Self {
        let order = payload::data(&mut fastrand::Rng::with_seed(number));
        let body = format!(r#"{{"type":"{event_type}","data":{{"number":{number},"order":{order}}}}}"#).into();
        Self { number, body }
    }

    /// The size of the request's body in bytes.
    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }
}

/// An accepted event.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    /// The event's id.
    pub(crate) event: String,
    /// The event's `data.number`.
    pub(crate) number: u64,
    /// The time at which its publish request started.
    pub(crate) at: Instant,
}

impl Publisher {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { http: Client::new(), credentials: Arc::new(credentials), numbers: Arc::default() }
    }

    /// Creates a publisher of a new organization on the same host.
    pub(crate) async fn another(&self, slug: &str) -> anyhow::Result<Self> {
        let platform_key = &self.credentials.platform_key;
        let organization = json!({"name": slug, "slug": slug});
        let created = self.send_as(platform_key, "/v1/organizations", organization).await?;
        let organization_id = created["id"].as_str().context("the organization has no id")?.to_owned();
        let path = format!("/v1/organizations/{organization_id}/api-keys");
        let issued = self.send_as(platform_key, &path, json!({"name": slug, "role": "owner"})).await?;
        let api_key = issued["revealed_key"].as_str().context("the response has no key")?.to_owned();
        let credentials = Credentials { organization_id, api_key, ..Credentials::clone(&self.credentials) };
        Ok(Self { http: Client::new(), credentials: Arc::new(credentials), numbers: Arc::clone(&self.numbers) })
    }

    /// Limits how many events its organization may publish in a second.
    pub(crate) async fn limit(&self, events_per_second: u32) -> anyhow::Result<()> {
        let Credentials { base_url, organization_id, platform_key, .. } = &*self.credentials;
        let url = format!("{base_url}/v1/organizations/{organization_id}/limits");
        let limits = json!({"events_per_second": events_per_second}).to_string();
        let request = self.http.put(url).bearer_auth(platform_key).header(CONTENT_TYPE, "application/json");
        request.body(limits).send().await?.error_for_status()?;
        Ok(())
    }

    async fn send_as(&self, key: &str, path: &str, body: Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.credentials.base_url);
        let answer = self.http.post(url).bearer_auth(key).header(CONTENT_TYPE, "application/json");
        let answer = answer.body(body.to_string()).send().await?.error_for_status()?;
        data(&answer.bytes().await?)
    }

    /// The id of its organization.
    pub(crate) fn organization(&self) -> &str {
        &self.credentials.organization_id
    }

    /// Deletes the demo endpoint, which subscribes to all events.
    pub(crate) async fn remove_demo(&self) -> anyhow::Result<()> {
        let endpoints = self.call(Method::GET, "/webhooks/endpoints", None).await?;
        for endpoint in endpoints.as_array().into_iter().flatten() {
            let path = format!("/webhooks/endpoints/{}?permanent=true", endpoint["id"].as_str().unwrap_or_default());
            self.send(Method::DELETE, &path, None, None).await?;
        }
        Ok(())
    }

    /// Creates an endpoint for one event type and returns its id.
    pub(crate) async fn endpoint(&self, url: &str, event_type: &str, more: Value) -> anyhow::Result<String> {
        let mut endpoint = json!({"name": "Bench", "url": url, "event_types": [event_type]});
        if let (Some(endpoint), Value::Object(more)) = (endpoint.as_object_mut(), more) {
            endpoint.extend(more);
        }
        let created = self.call(Method::POST, "/webhooks/endpoints", Some(endpoint)).await?;
        Ok(created["id"].as_str().context("the endpoint has no id")?.to_owned())
    }

    /// Changes an endpoint.
    pub(crate) async fn change_endpoint(&self, endpoint: &str, change: Value) -> anyhow::Result<()> {
        self.call(Method::PATCH, &format!("/webhooks/endpoints/{endpoint}"), Some(change)).await.map(drop)
    }

    /// Starts a recovery of all failed deliveries of an endpoint since the year 2000.
    pub(crate) async fn recover(&self, endpoint: &str) -> anyhow::Result<()> {
        let all = json!({"since": "2000-01-01T00:00:00Z"});
        self.call(Method::POST, &format!("/webhooks/endpoints/{endpoint}/recover"), Some(all)).await.map(drop)
    }

    /// Starts a replay of all events since the year 2000 that an endpoint missed.
    pub(crate) async fn replay(&self, endpoint: &str) -> anyhow::Result<()> {
        let missed = json!({"since": "2000-01-01T00:00:00Z", "what": "missed"});
        self.call(Method::POST, &format!("/webhooks/endpoints/{endpoint}/replay"), Some(missed)).await.map(drop)
    }

    /// Publishes an event, with retries with the same idempotency key until it is accepted, like a publisher whose
    /// server crashes.
    pub(crate) async fn publish(&self, event_type: &str) -> anyhow::Result<Accepted> {
        let (number, at) = (self.next_number(), Instant::now());
        Ok(Accepted { at, ..self.insist(event_type, number).await? })
    }

    /// The number of the next event.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Publishes the event with this number until it is accepted.
    pub(crate) async fn insist(&self, event_type: &str, number: u64) -> anyhow::Result<Accepted> {
        let mut last = None;
        for _ in 0..2_000 {
            match self.try_once(event_type, number).await {
                Ok(accepted) => return Ok(accepted),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(last.context("no attempt was made")?)
    }

    /// Publishes the event with this number once, with an idempotency key.
    pub(crate) async fn try_once(&self, event_type: &str, number: u64) -> anyhow::Result<Accepted> {
        let (at, key) = (Instant::now(), format!("bench-{number}"));
        let event = Event::new(event_type, number);
        let published = data(&self.send(Method::POST, "/events", Some(event.body), Some(&key)).await?)?;
        let event = published["id"].as_str().context("the event has no id")?.to_owned();
        Ok(Accepted { event, number, at })
    }

    /// Sends the event with this number to the ingest queue, with an external id and an idempotency key.
    pub(crate) async fn send_message(&self, event_type: &str, number: u64) -> anyhow::Result<()> {
        let Credentials { aws_url, organization_id, .. } = &*self.credentials;
        let name = format!("message-{number}");
        let message = json!({
            "organization": organization_id, "type": event_type, "data": {"number": number}, "external_id": name,
            "idempotency_key": name,
        });
        let input = json!({"QueueUrl": format!("{aws_url}/000000000000/ingest"), "MessageBody": message.to_string()});
        let request = self.http.post(aws_url).header("x-amz-target", "AmazonSQS.SendMessage");
        request.body(input.to_string()).send().await?.error_for_status()?;
        Ok(())
    }

    /// The id of the event of the message with this number.
    pub(crate) async fn event_of_message(&self, number: u64) -> anyhow::Result<String> {
        let event = self.call(Method::GET, &format!("/events/ext:message-{number}"), None).await?;
        Ok(event["id"].as_str().context("the event has no id")?.to_owned())
    }

    /// New events, with these types in turn.
    pub(crate) fn next_events(&self, event_types: &[String], count: usize) -> Vec<Event> {
        event_types.iter().cycle().take(count).map(|event_type| Event::new(event_type, self.next_number())).collect()
    }

    /// Publishes an event once without a key, and checks only whether it was accepted, so that the publisher costs
    /// little.
    pub(crate) async fn publish_lightly(&self, event: Event) -> anyhow::Result<()> {
        self.send(Method::POST, "/events", Some(event.body), None).await.map(drop)
    }

    /// Publishes events in one request.
    pub(crate) async fn publish_batch(&self, event_type: &str, count: usize) -> anyhow::Result<()> {
        let events: Vec<_> =
            (0..count).map(|_| json!({"type": event_type, "data": {"number": self.next_number()}})).collect();
        self.call(Method::POST, "/events/batch", Some(json!({"events": events}))).await.map(drop)
    }

    /// Publishes at a fixed rate for a while. Each event is sent on time, independent of earlier responses.
    pub(crate) async fn publish_at(
        &self,
        per_second: u32,
        duration: Duration,
        event_type: &'static str,
    ) -> anyhow::Result<Vec<Accepted>> {
        let times = duration.as_secs() * u64::from(per_second);
        at_rate(per_second, 0..times, |_| {
            let publisher = self.clone();
            async move { publisher.publish(event_type).await }
        })
        .await
    }

    /// Reads a resource of its organization.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Sends a request of its organization that creates something.
    pub(crate) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        data(&self.send(method, path, body.map(|body| body.to_string().into()), None).await?)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        idempotency_key: Option<&str>,
    ) -> anyhow::Result<Bytes> {
        let Credentials { base_url, organization_id, api_key, .. } = &*self.credentials;
        let url = format!("{base_url}/v1/organizations/{organization_id}{path}");
        let mut request = self.http.request(method, url).bearer_auth(api_key);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        if !status.is_success() {
            let text = format!("{path}: {status} {}", String::from_utf8_lossy(&body));
            return Err(Refused { status, text }.into());
        }
        Ok(body)
    }
}

/// An answer that is no success.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    text: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refused {}

/// Whether a request was answered that its organization publishes too fast.
pub(crate) fn is_rate_limited(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == StatusCode::TOO_MANY_REQUESTS)
}

/// Runs a task for each item at a fixed rate. Each task starts on time, independent of earlier ones.
async fn at_rate<T, R: Send + 'static, F: Future<Output = anyhow::Result<R>> + Send + 'static>(
    per_second: u32,
    all: impl IntoIterator<Item = T>,
    mut begin: impl FnMut(T) -> F,
) -> anyhow::Result<Vec<R>> {
    let (mut ticks, mut begun) =
        (tokio::time::interval(Duration::from_secs(1) / per_second), tokio::task::JoinSet::new());
    for one in all {
        ticks.tick().await;
        begun.spawn(begin(one));
    }
    begun.join_all().await.into_iter().collect()
}

fn data(answer: &[u8]) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice::<Value>(answer)?["data"].take())
}
