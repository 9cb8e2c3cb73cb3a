//! The details of failures: each is caused by a real receiver and shown by the API. `hostile_receivers.rs` has more
//! receivers that break the protocol.

mod certificates;
mod connections;
mod documentation;
mod handshakes;
mod responses;
mod services;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::domain::delivery::attempt::{Cause, Detail};

use crate::support::{Process, RawServer, Tenant, World};

/// A receiver, and what a delivery to it may show: `success`, or an error with its detail. There are several if the
/// receiver's reset can arrive at different points of the exchange.
struct Scene {
    situation: String,
    process: Process,
    url: String,
    /// Creates the endpoint, if it is not the tenant.
    owner: Option<Tenant>,
    /// Runs until the scene ends.
    _server: Option<RawServer>,
    expected: Vec<&'static str>,
}

impl Scene {
    fn new(situation: &str, process: &Process, url: String, expected: &'static str) -> Self {
        let (situation, process) = (situation.to_owned(), process.clone());
        Self { situation, process, url, owner: None, _server: None, expected: vec![expected] }
    }

    fn at(server: RawServer, situation: &str, process: &Process, expected: &'static str) -> Self {
        let url = server.url();
        Self { _server: Some(server), ..Self::new(situation, process, url, expected) }
    }

    fn over_tls(server: RawServer, situation: &str, process: &Process, expected: &'static str) -> Self {
        let url = server.url().replace("http:", "https:");
        Self { url, ..Self::at(server, situation, process, expected) }
    }

    /// Delivers one event, and returns what the API shows of the failure: in the delivery, its attempt, and the list.
    async fn play(&self, tenant: &Tenant) -> [Shown; 3] {
        let owner = self.owner.as_ref().unwrap_or(tenant);
        let endpoint = owner.endpoint_with(json!({"url": self.url, "retry_schedule": []})).await;
        let id = tenant.publish_one().await;
        self.process.drain().await;
        let delivery = tenant.delivery(&id).await;
        let listed = tenant.get(&format!("{}/deliveries", endpoint.path())).await.data(200);
        tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
        [&delivery, &delivery["attempt_log"][0], &listed[0]].map(Shown::of)
    }
}

/// A failure as the API shows it.
#[derive(Debug)]
struct Shown {
    error: Option<String>,
    detail: Option<String>,
    docs_url: Option<String>,
}

impl Shown {
    fn of(object: &Value) -> Self {
        let [error, detail, docs_url] =
            ["error", "error_detail", "docs_url"].map(|name| object[name].as_str().map(str::to_owned));
        Self { error, detail, docs_url }
    }

    /// `success`, or the error with its detail.
    fn result(&self) -> String {
        let names: Vec<_> = self.error.iter().chain(&self.detail).map(String::as_str).collect();
        if names.is_empty() { "success".to_owned() } else { names.join(": ") }
    }

    /// Whether the documentation of the detail, or else of the error, is linked.
    fn is_explained(&self) -> bool {
        let name = self.detail.as_ref().or(self.error.as_ref());
        self.docs_url == name.map(|name| format!("/docs#{name}"))
    }
}

#[tokio::test]
async fn every_detail_is_shown_for_a_receiver_that_causes_it() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let mut scenes = certificates::scenes(&world).await;
    scenes.extend(handshakes::scenes(&world).await);
    scenes.extend(connections::scenes(&world).await);
    scenes.extend(responses::scenes(&world).await);
    let (services, _server) = services::scenes(&world, &tenant).await;
    scenes.extend(services);
    let (mut surprises, mut seen) = (Vec::new(), BTreeSet::new());
    for scene in scenes {
        for shown in scene.play(&tenant).await {
            if !scene.expected.contains(&shown.result().as_str()) || !shown.is_explained() {
                surprises.push(format!("{}: {shown:?} instead of {:?}", scene.situation, scene.expected));
            }
            seen.extend(shown.detail);
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    assert_eq!(seen, Detail::ALL.iter().map(|detail| detail.as_str().to_owned()).collect());
}

#[test]
fn every_detail_has_a_unique_name_and_belongs_to_a_cause() {
    let names: BTreeSet<_> = Detail::ALL.iter().map(|detail| detail.as_str()).collect();
    assert_eq!(names.len(), Detail::ALL.len());
    for detail in Detail::ALL {
        assert_eq!(Detail::parse(detail.as_str()), Some(detail));
        let says_little = [Cause::Dns, Cause::Connect, Cause::Tls, Cause::InvalidResponse, Cause::AwsService];
        assert!(!detail.causes().is_empty() && detail.causes().iter().all(|cause| says_little.contains(cause)));
    }
}
