//! The end of a scene, at which nothing fails any more.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::Stage;
use crate::support::FinalState;

impl Stage {
    /// Resumes a paused endpoint, and advances the world until nothing is left to do. Nothing fails any more.
    pub(in crate::failures) async fn end(&self) -> Ended {
        if self.endpoint_stands().await == "paused" {
            self.set_status("active").await;
        }
        let final_state = self.world.run_to_the_end().await;
        for process in [&self.world.process, &self.process] {
            process.meter.write_all_usage().await;
        }
        Ended {
            usage: (self.world.usage().await, self.done(&final_state).await),
            statuses: self.accepted.iter().fold(BTreeMap::new(), |mut counts, id| {
                *counts.entry(final_state.record(id).status.clone()).or_insert(0) += 1;
                counts
            }),
            repetitions: final_state.repetitions(&[&self.receiver, &self.listener]),
            announced: self.listener.received().iter().map(|it| it.header("x-webhook-event").to_owned()).collect(),
            endpoint: self.endpoint_stands().await,
            unfinished: self.check(&final_state),
        }
    }

    /// The actual numbers of events, deliveries and attempts, in the order of usage.
    async fn done(&self, final_state: &FinalState) -> [u64; 3] {
        let attempts = final_state.records.values().map(|record| record.attempts).sum();
        [self.world.items("event").await.len(), final_state.records.len(), attempts].map(|count| count as u64)
    }

    /// Checks the promise for the accepted deliveries. Returns the number of records that are not final.
    fn check(&self, final_state: &FinalState) -> usize {
        final_state.keeps_the_promise(&self.accepted, &[&self.receiver]);
        let unfinished = |status: &str| ["pending", "retrying"].contains(&status);
        final_state.records.values().filter(|record| unfinished(&record.status)).count()
    }

    pub(super) fn key(&self) -> HashMap<String, AttributeValue> {
        self.world.endpoint_key(&self.tenant.id, &self.endpoint.id)
    }

    pub(super) fn health_key(&self) -> HashMap<String, AttributeValue> {
        let key = [("pk", format!("health#{}", self.endpoint.id)), ("sk", "health".to_owned())];
        key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
    }

    async fn item(&self, key: HashMap<String, AttributeValue>) -> Option<HashMap<String, AttributeValue>> {
        let get = self.world.dynamodb().get_item().table_name(self.world.table()).set_key(Some(key));
        get.send().await.unwrap().item
    }

    async fn endpoint_stands(&self) -> String {
        let Some(item) = self.item(self.key()).await else { return String::new() };
        let counters = self.item(self.health_key()).await.unwrap_or_default();
        let status = item["status"].as_s().unwrap();
        match status.as_str() {
            "active" if item.contains_key("suspended_since") => "suspended".to_owned(),
            "active" if counters.contains_key("failures") => "failing".to_owned(),
            status => status.to_owned(),
        }
    }
}

/// The end of a scene.
#[derive(Debug)]
pub(in crate::failures) struct Ended {
    pub(in crate::failures) statuses: BTreeMap<String, usize>,
    pub(in crate::failures) repetitions: usize,
    pub(in crate::failures) announced: Vec<String>,
    pub(in crate::failures) endpoint: String,
    /// The number of deliveries that are not final. They were not accepted.
    pub(in crate::failures) unfinished: usize,
    /// The counted and the actual numbers of events, deliveries and attempts.
    pub(in crate::failures) usage: ([u64; 3], [u64; 3]),
}
