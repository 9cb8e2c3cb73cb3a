//! The bare HTTP client, as the baseline for the cost of a delivery.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use shared::sender::{IDLE, IDLE_PER_HOST};
use tokio::task::JoinSet;

/// A client with the sender's configuration, and the bodies that it posts.
pub(crate) struct Bare {
    client: Client,
    url: Url,
    headers: HeaderMap,
    bodies: Arc<[Bytes]>,
}

impl Bare {
    /// Creates a client that posts these bodies with the headers of a recorded delivery.
    pub(crate) fn new(url: &str, seen: &HashMap<String, String>, bodies: Vec<Bytes>) -> anyhow::Result<Self> {
        let client = Client::builder()
            .http1_only()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build()?;
        let mut headers = HeaderMap::new();
        // The client sets these headers itself.
        let ours = |name: &str| !["host", "content-length", "accept"].contains(&name);
        for (name, value) in seen.iter().filter(|(name, _)| ours(name)) {
            headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        ensure!(headers.contains_key("webhook-signature"), "the receiver got no delivery");
        Ok(Self { client, url: url.parse()?, headers, bodies: bodies.into() })
    }

    /// The number of bodies.
    pub(crate) fn len(&self) -> usize {
        self.bodies.len()
    }

    /// Posts each body once with this many concurrent requests.
    pub(crate) async fn post_all(&self, at_once: usize) -> anyhow::Result<()> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut loops = JoinSet::new();
        for _ in 0..at_once {
            let (client, url, headers) = (self.client.clone(), self.url.clone(), self.headers.clone());
            let (bodies, next) = (Arc::clone(&self.bodies), Arc::clone(&next));
            loops.spawn(async move {
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let request = client.post(url.clone()).headers(headers.clone()).body(body.clone());
                    request.send().await?.error_for_status()?.bytes().await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = loops.join_next().await {
            ended??;
        }
        Ok(())
    }
}
