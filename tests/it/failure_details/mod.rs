//! The details of failures: each is caused by a real receiver and shown by the API. `hostile_receivers.rs` has more
//! receivers that break the protocol.

mod certificates;
mod connections;
mod documentation;
mod handshakes;
mod responses;

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
    /// Runs until the scene ends.
    _server: Option<RawServer>,
    expected: Vec<&'static str>,
}

impl Scene {
    fn new(situation: &str, process: &Process, url: String, expected: &'static str) -> Self {
        let (situation, process) = (situation.to_owned(), process.clone());
        Self { situation, process, url, _server: None, expected: vec![expected] }
    }

    fn at(server: RawServer, situation: &str, process: &Process, expected: &'static str) -> Self {
        let url = server.url();
        Self { _server: Some(server), ..Self::new(situation, process, url, expected) }
    }

    fn over_tls(server: RawServer, situation: &str, process: &Process, expected: &'static str) -> Self {
        let url = server.url().replace("http:", "https:");
        Self { url, ..Self::at(server, situation, process, expected) }
    }

    /// Delivers one event, checks that the API shows the same of the delivery and of its attempt, and returns it.
    async fn play(&self, tenant: &Tenant) -> Value {
        let endpoint = tenant.endpoint_with(json!({"url": self.url, "retry_schedule": []})).await;
        let id = tenant.publish_one().await;
        self.process.drain().await;
        let shown = |from: &Value| json!(["error", "error_detail", "docs_url"].map(|name| from[name].clone()));
        let delivery = tenant.delivery(&id).await;
        let listed = tenant.get(&format!("{}/deliveries", endpoint.path())).await.data(200);
        for other in [&delivery["attempt_log"][0], &listed[0]] {
            assert_eq!(shown(other), shown(&delivery), "{}", self.situation);
        }
        tenant.delete(&format!("{}?permanent=true", endpoint.path())).await.data(204);
        delivery
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
    let (mut surprises, mut seen) = (Vec::new(), BTreeSet::new());
    for scene in scenes {
        let delivery = scene.play(&tenant).await;
        let (error, detail) = (delivery["error"].as_str(), delivery["error_detail"].as_str());
        let result = match (error, detail) {
            (None, _) => "success".to_owned(),
            (Some(error), None) => error.to_owned(),
            (Some(error), Some(detail)) => format!("{error}: {detail}"),
        };
        if !scene.expected.contains(&result.as_str()) {
            surprises.push(format!("{}: {result} instead of {:?}", scene.situation, scene.expected));
        }
        let docs_url = detail.or(error).map(|name| format!("/docs#{name}"));
        assert_eq!(delivery["docs_url"], json!(docs_url), "{}", scene.situation);
        seen.extend(detail.map(str::to_owned));
    }
    assert_eq!(surprises, [""; 0]);
    assert_eq!(seen, Detail::ALL.iter().map(|detail| detail.as_str().to_owned()).collect());
}

#[test]
fn every_detail_has_a_unique_name_and_belongs_to_a_cause() {
    let names: BTreeSet<_> = Detail::ALL.iter().map(|detail| detail.as_str()).collect();
    assert_eq!(names.len(), Detail::ALL.len());
    for detail in Detail::ALL {
        assert_eq!(Detail::parse(detail.as_str()), Some(detail));
        let says_little = [Cause::Dns, Cause::Connect, Cause::Tls, Cause::InvalidResponse];
        assert!(!detail.causes().is_empty() && detail.causes().iter().all(|cause| says_little.contains(cause)));
    }
}
