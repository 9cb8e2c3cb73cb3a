//! A publisher: the demo organization's, with endpoints of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use pigeonpost::Credentials;
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// A publisher; clones number their events together.
#[derive(Clone)]
pub(crate) struct Publisher {
    http: Client,
    credentials: Arc<Credentials>,
    numbers: Arc<AtomicU64>,
    padding: Arc<str>,
}

/// An event that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    /// The event's id.
    pub(crate) event: String,
    /// `data.number`.
    pub(crate) number: u64,
    /// When it was begun to be published.
    pub(crate) at: Instant,
}

impl Publisher {
    /// A publisher of events whose data has about so many bytes.
    pub(crate) fn new(credentials: Credentials, bytes: usize) -> Self {
        let (credentials, padding) = (Arc::new(credentials), "x".repeat(bytes).into());
        Self { http: Client::new(), credentials, numbers: Arc::default(), padding }
    }

    /// Switches the demo endpoint off, which subscribes to everything.
    pub(crate) async fn silence_demo(&self) -> anyhow::Result<()> {
        let endpoints = self.call(Method::GET, "/webhooks/endpoints", None).await?;
        for endpoint in endpoints.as_array().into_iter().flatten() {
            let path = format!("/webhooks/endpoints/{}", endpoint["id"].as_str().unwrap_or_default());
            self.call(Method::PATCH, &path, Some(json!({"status": "disabled"}))).await?;
        }
        Ok(())
    }

    /// Makes an endpoint for one type of event.
    pub(crate) async fn endpoint(&self, url: &str, event_type: &str, more: Value) -> anyhow::Result<()> {
        let mut endpoint = json!({"name": "Bench", "url": url, "event_types": [event_type]});
        if let (Some(endpoint), Value::Object(more)) = (endpoint.as_object_mut(), more) {
            endpoint.extend(more);
        }
        self.call(Method::POST, "/webhooks/endpoints", Some(endpoint)).await?;
        Ok(())
    }

    /// Publishes an event, again and again with the same idempotency key until it is accepted: so does a publisher
    /// whose server dies.
    pub(crate) async fn publish(&self, event_type: &str) -> anyhow::Result<Accepted> {
        let (number, at) = (self.next_number(), Instant::now());
        Ok(Accepted { at, ..self.insist(event_type, number).await? })
    }

    /// The number of an event that was not published yet.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Publishes the event of this number until it is accepted.
    pub(crate) async fn insist(&self, event_type: &str, number: u64) -> anyhow::Result<Accepted> {
        let mut last = None;
        for _ in 0..2_000 {
            match self.try_once(event_type, number).await {
                Ok(accepted) => return Ok(accepted),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(last.context("never accepted")?)
    }

    /// Publishes the event of this number, with a key of its own.
    pub(crate) async fn try_once(&self, event_type: &str, number: u64) -> anyhow::Result<Accepted> {
        let (at, key) = (Instant::now(), format!("bench-{number}"));
        let event = json!({"type": event_type, "data": {"number": number, "padding": &*self.padding}});
        let published = self.send(Method::POST, "/events", Some(&event), Some(&key)).await?;
        let event = published["id"].as_str().context("an event has an id")?.to_owned();
        Ok(Accepted { event, number, at })
    }

    /// Publishes at a fixed rate for a while, each event on time whether or not the earlier ones were answered.
    pub(crate) async fn publish_at(
        &self,
        per_second: u32,
        duration: Duration,
        event_type: &'static str,
    ) -> anyhow::Result<Vec<Accepted>> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
        let (end, mut sent) = (Instant::now() + duration, tokio::task::JoinSet::new());
        while Instant::now() < end {
            ticks.tick().await;
            let publisher = self.clone();
            sent.spawn(async move { publisher.publish(event_type).await });
        }
        sent.join_all().await.into_iter().collect()
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        self.send(method, path, body.as_ref(), None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        idempotency_key: Option<&str>,
    ) -> anyhow::Result<Value> {
        let Credentials { base_url, organization_id, api_key, .. } = &*self.credentials;
        let url = format!("{base_url}/v1/organizations/{organization_id}{path}");
        let mut request = self.http.request(method, url).bearer_auth(api_key);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await?;
        let (status, mut body) = (answer.status(), answer.json::<Value>().await?);
        if !status.is_success() {
            bail!("{path}: {status} {body}");
        }
        Ok(body["data"].take())
    }
}
