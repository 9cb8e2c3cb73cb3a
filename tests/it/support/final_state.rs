//! The end of a world: the time advances until nothing is left to do, and then no work may be left undone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use shared::queue::schema::VISIBILITY_SECONDS;

use super::{Receiver, World};

/// The first step by which the time advances. A message of a dead process is visible after it.
const FIRST_STEP: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64);
/// The longest step. The sum of all steps exceeds the five days after which a suspended endpoint is disabled.
const LONGEST_STEP: Duration = Duration::from_secs(6 * 60 * 60);
const MOST_STEPS: u32 = 40;

/// An item as it is stored.
type Item = HashMap<String, AttributeValue>;

/// The state when nothing is left to do.
#[derive(Debug)]
pub(crate) struct FinalState {
    /// The record of every delivery, by its id.
    pub(crate) records: BTreeMap<String, Record>,
}

/// The state of a delivery in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) endpoint: String,
    pub(crate) event_type: String,
    pub(crate) status: String,
    /// The number of recorded attempts, resends included.
    pub(crate) attempts: usize,
    pub(crate) error: Option<String>,
    /// The partition of the delivery's mark in the index.
    pub(crate) mark: Option<String>,
}

impl World {
    /// Advances the time and runs a healthy consumer and sweep until the queues are empty and no mark is left that only
    /// waits for time.
    pub(crate) async fn run_to_the_end(&self) -> FinalState {
        let process = self.another_process();
        for step in 0..MOST_STEPS {
            process.drain().await;
            // Without such a mark, a sweep would do nothing.
            if !self.restless_marks().await.is_empty() {
                process.sweep().await;
                process.drain().await;
            }
            if self.in_the_queue().await == 0 && self.restless_marks().await.is_empty() {
                process.meter.write_all_usage().await;
                return self.final_state().await;
            }
            self.advance(FIRST_STEP.saturating_mul(2_u32.saturating_pow(step)).min(LONGEST_STEP));
        }
        let (queued, marks) = (self.in_the_queue().await, self.restless_marks().await);
        panic!("the world does not end: {queued} messages and the marks {marks:?} are left");
    }

    /// The number of messages in the queues, including hidden ones.
    pub(crate) async fn in_the_queue(&self) -> usize {
        self.count(&[
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ])
        .await
    }

    /// The number of visible messages.
    pub(crate) async fn visible_in_the_queue(&self) -> usize {
        self.count(&[QueueAttributeName::ApproximateNumberOfMessages]).await
    }

    /// The number of messages in flight.
    pub(crate) async fn in_flight(&self) -> usize {
        self.count(&[QueueAttributeName::ApproximateNumberOfMessagesNotVisible]).await
    }

    async fn count(&self, counts: &[QueueAttributeName]) -> usize {
        let mut total = 0;
        for queue in self.queue_urls() {
            let wanted = self.sqs().get_queue_attributes().queue_url(queue);
            let found = wanted.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
            total += counts.iter().map(|name| found[name].parse::<usize>().unwrap()).sum::<usize>();
        }
        total
    }

    /// The partition and sort keys in the `waiting` index.
    pub(crate) async fn marks(&self) -> Vec<(String, String)> {
        let scan = self.dynamodb().scan().table_name(self.table()).index_name("waiting").into_paginator();
        let items: Vec<Item> = scan.items().send().collect::<Result<_, _>>().await.unwrap();
        let marks = items.iter().map(|item| (required(item, "waiting_pk"), required(item, "waiting_sk")));
        // The index also lists the organizations.
        marks.filter(|(partition, _)| !partition.starts_with("orgs#")).collect()
    }

    /// The stored items of the open jobs of this kind that are in their first pass.
    pub(crate) async fn begun_jobs(&self, kind: &str) -> Vec<Item> {
        let mut jobs = self.items("job").await;
        jobs.retain(|job| {
            let is = |name: &str, wanted: &str| text(job, name).as_deref() == Some(wanted);
            is("kind", kind) && is("status", "open") && job["passes"] == AttributeValue::N("0".to_owned())
        });
        jobs
    }

    /// The state of every delivery by its id: its record, or that a list names it as pending.
    pub(crate) async fn records(&self) -> BTreeMap<String, Record> {
        let mut records = BTreeMap::new();
        for list in self.items("pending").await {
            records.extend(pending_ids(&list).map(|id| (id, Record::pending(&list))));
        }
        records.extend(self.items("delivery").await.iter().map(|item| (required(item, "sk"), Record::of(item))));
        for item in self.items("resends").await {
            let id = required(&item, "sk").trim_start_matches("of#").to_owned();
            records.get_mut(&id).unwrap().attempts += item["starts"].as_ns().unwrap().len();
        }
        records
    }

    /// The marks of unfinished work. They do not include failed deliveries, deliveries held for a paused endpoint, and
    /// probes of a suspended endpoint without held deliveries.
    async fn restless_marks(&self) -> Vec<(String, String)> {
        let marks = self.marks().await;
        if marks.iter().all(|(partition, _)| partition.starts_with("failed#")) {
            return Vec::new();
        }
        let paused: Vec<_> = self
            .items("endpoint")
            .await
            .iter()
            .filter(|endpoint| text(endpoint, "status").as_deref() == Some("paused"))
            .map(|endpoint| format!("held#{}#", required(endpoint, "sk")))
            .collect();
        let is_probe_of_nothing = |(partition, key): &(String, String)| {
            let held = format!("held#{}#", key.split('#').next_back().unwrap_or_default());
            partition.starts_with("half_open#") && !marks.iter().any(|(other, _)| other.starts_with(&held))
        };
        let at_rest = |mark: &(String, String)| {
            let is_paused = paused.iter().any(|held| mark.0.starts_with(held));
            mark.0.starts_with("failed#") || is_paused || is_probe_of_nothing(mark)
        };
        marks.iter().filter(|mark| !at_rest(mark)).cloned().collect()
    }

    async fn final_state(&self) -> FinalState {
        assert_eq!(self.take_dead_letters().await, [""; 0], "dead letters");
        let records = self.records().await;
        for (id, record) in &records {
            let expected = match record.status.as_str() {
                "failed" | "exhausted" if record.error.as_deref() == Some("expunged") => None,
                "failed" | "exhausted" => Some(format!("failed#{}#{}", record.endpoint, shard_byte(id) % 8)),
                "success" => None,
                // The delivery is held for a paused endpoint, or its publish request got no 202.
                _ => record.mark.clone(),
            };
            assert_eq!(record.mark, expected, "the mark of {id}: {record:?}");
        }
        FinalState { records }
    }
}

impl FinalState {
    /// The record of a delivery. Panics if there is none.
    #[track_caller]
    pub(crate) fn record(&self, delivery: &str) -> &Record {
        self.records.get(delivery).unwrap_or_else(|| panic!("{delivery} has no record"))
    }

    /// Asserts that each of these accepted deliveries is final, and that one of these receivers got each delivery with
    /// the status `success`.
    #[track_caller]
    pub(crate) fn keeps_the_promise(&self, accepted: &[String], receivers: &[&Receiver]) {
        let requests = Requests::of(receivers);
        for id in accepted {
            let record = self.record(id);
            let is_final = ["success", "failed", "exhausted"].contains(&record.status.as_str());
            assert!(is_final, "{id} is not final: {record:?}");
            let arrived = requests.count(id) > 0;
            assert!(record.status != "success" || arrived, "{id} did not arrive: {record:?}");
        }
    }

    /// The number of requests for these deliveries that exceed the recorded attempts.
    pub(crate) fn repetitions(&self, receivers: &[&Receiver]) -> usize {
        let requests = Requests::of(receivers);
        self.records.iter().map(|(id, record)| requests.count(id).saturating_sub(record.attempts)).sum()
    }
}

/// The number of requests by delivery. Asserts that all requests of a delivery have the same event id and body.
pub(crate) struct Requests(HashMap<String, usize>);

impl Requests {
    #[track_caller]
    pub(crate) fn of(receivers: &[&Receiver]) -> Self {
        let (mut counts, mut same) = (HashMap::new(), HashMap::new());
        for request in receivers.iter().flat_map(|receiver| receiver.received()) {
            let delivery = request.header("x-webhook-delivery").to_owned();
            let content = (request.header("webhook-id").to_owned(), request.body.clone());
            assert_eq!(same.entry(delivery.clone()).or_insert_with(|| content.clone()), &content, "{delivery}");
            *counts.entry(delivery).or_insert(0) += 1;
        }
        Self(counts)
    }

    /// The ids of the received deliveries.
    pub(crate) fn deliveries(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(crate) fn count(&self, delivery: &str) -> usize {
        self.0.get(delivery).copied().unwrap_or(0)
    }
}

/// The byte of a delivery's id that determines its partitions.
fn shard_byte(id: &str) -> u8 {
    hex::decode(id.trim_start_matches("wdlv_")).unwrap()[13]
}

/// The ids of the deliveries in a list of pending ones.
pub(crate) fn pending_ids(list: &Item) -> impl Iterator<Item = String> {
    list["deliveries"].as_b().unwrap().as_ref().chunks(16).map(|id| format!("wdlv_{}", hex::encode(id)))
}

impl Record {
    fn pending(list: &Item) -> Self {
        Self {
            endpoint: required(list, "pk").split('#').nth(1).unwrap().to_owned(),
            event_type: required(list, "type"),
            status: "pending".to_owned(),
            attempts: 0,
            error: None,
            mark: None,
        }
    }

    fn of(item: &Item) -> Self {
        let attempts = item.get("attempts").and_then(|value| value.as_n().ok()).unwrap();
        Self {
            endpoint: required(item, "pk").split('#').nth(1).unwrap().to_owned(),
            event_type: required(item, "type"),
            status: required(item, "status"),
            attempts: attempts.parse().unwrap(),
            error: text(item, "error"),
            mark: text(item, "waiting_pk"),
        }
    }
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

#[track_caller]
fn required(item: &Item, name: &str) -> String {
    text(item, name).unwrap_or_else(|| panic!("no {name} in {item:?}"))
}
