//! The observable state of a `World`: its table, its queue and its receivers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use shared::domain::time::Timestamp;

use super::states::Status;
use crate::support::{Receiver, Requests, World, pending_ids, text};

/// The attributes of a stored item.
pub(super) type Item = HashMap<String, AttributeValue>;

/// A snapshot of a `World`.
pub(super) struct Seen {
    /// The deliveries, by id.
    pub(super) deliveries: BTreeMap<String, SeenDelivery>,
    listed: Vec<(String, SeenDelivery)>,
    /// The endpoints that are not deleted, by id.
    pub(super) endpoints: HashMap<String, SeenEndpoint>,
    /// The ids of the organizations that are neither deleted nor being deleted.
    pub(super) organizations: BTreeSet<String>,
    /// The endpoints with an open job that releases or fails their held deliveries.
    pub(super) releasing: Vec<String>,
    /// The events with an open job that fails their deliveries.
    pub(super) expunging: BTreeSet<String>,
    /// Whether a recovery, or a replay of failed deliveries or of everything, is open.
    pub(super) recovering: bool,
    /// Whether a replay of everything is open.
    pub(super) replaying: bool,
    /// Whether a job of the kind `send_all` is open.
    pub(super) sending_again: bool,
    /// The messages and dead letters, by the id of their delivery.
    pub(super) messages: HashMap<String, Vec<SeenMessage>>,
    pub(super) requests: Requests,
    /// The number of recorded resends with a response, by the id of their delivery.
    pub(super) resends: HashMap<String, usize>,
    /// All stored items.
    pub(super) items: Vec<Item>,
}

/// The stored state of a delivery.
#[derive(Debug)]
pub(super) struct SeenDelivery {
    pub(super) endpoint: String,
    pub(super) status: Status,
    pub(super) attempts: usize,
    pub(super) retries_used: usize,
    /// The attempts without resends.
    pub(super) log: Vec<SeenAttempt>,
    /// Whether the data of its event was removed before it succeeded.
    pub(super) is_expunged: bool,
    /// Whether a resend made the delivery successful.
    pub(super) is_resent: bool,
    /// The kind of the mark: the part of the index's partition key before `#`.
    pub(super) mark: Option<String>,
    /// The ticket of the message that owns the delivery.
    pub(super) ticket: Option<String>,
}

/// A message in a queue, which may be the dead-letter queue.
#[derive(Debug)]
pub(super) struct SeenMessage {
    pub(super) organization: String,
    pub(super) delivery: String,
    pub(super) ticket: Option<String>,
    pub(super) body: String,
}

/// An entry of a delivery's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenAttempt {
    pub(super) at: Timestamp,
    pub(super) answer: Option<u16>,
}

/// An endpoint's record.
#[derive(Debug)]
pub(super) struct SeenEndpoint {
    pub(super) status: String,
    pub(super) suspended: bool,
}

impl Seen {
    pub(super) async fn of(world: &World, receivers: &[Receiver]) -> Self {
        let mut seen = Self {
            deliveries: BTreeMap::new(),
            listed: Vec::new(),
            endpoints: HashMap::new(),
            organizations: BTreeSet::new(),
            releasing: Vec::new(),
            expunging: BTreeSet::new(),
            recovering: false,
            replaying: false,
            sending_again: false,
            messages: HashMap::new(),
            resends: HashMap::new(),
            requests: Requests::of(&receivers.iter().collect::<Vec<_>>()),
            items: Vec::new(),
        };
        let items = world.all_items().await;
        items.iter().for_each(|item| seen.add(item));
        seen.items = items;
        for (id, pending) in std::mem::take(&mut seen.listed) {
            seen.deliveries.entry(id).or_insert(pending);
        }
        let dead_letters = world.dead_letters().await;
        for body in world.messages().into_iter().chain(dead_letters) {
            let message = SeenMessage::of(body);
            seen.messages.entry(message.delivery.clone()).or_default().push(message);
        }
        seen
    }

    fn add(&mut self, item: &Item) {
        let sort_key = string(item, "sk").unwrap();
        match string(item, "entity") {
            Some("pending") => self.listed.extend(pending_ids(item).map(|id| (id, SeenDelivery::pending(item)))),
            Some("delivery") => drop(self.deliveries.insert(sort_key.to_owned(), SeenDelivery::of(item))),
            Some("attempt") if string(item, "trigger") == Some("resend") && item.contains_key("status") => {
                *self.resends.entry(string(item, "delivery").unwrap().to_owned()).or_default() += 1;
            }
            Some("endpoint") => {
                let endpoint = SeenEndpoint {
                    status: string(item, "status").unwrap().to_owned(),
                    suspended: item.contains_key("suspended_since"),
                };
                self.endpoints.insert(sort_key.to_owned(), endpoint);
            }
            Some("organization") if string(item, "status") != Some("deleting") => {
                self.organizations.insert(string(item, "pk").unwrap().trim_start_matches("org#").to_owned());
            }
            Some("job") if string(item, "status") == Some("open") => match string(item, "kind").unwrap() {
                "recover" => self.recovering = true,
                "replay" => {
                    let what = string(item, "what").unwrap();
                    self.recovering |= what != "missed";
                    self.replaying |= what == "all";
                }
                "send_all" => self.sending_again = true,
                "release" | "fail_held" => self.releasing.push(string(item, "endpoint").unwrap().to_owned()),
                "expunge" => drop(self.expunging.insert(string(item, "event").unwrap().to_owned())),
                _ => {}
            },
            _ => {}
        }
    }

    /// Whether a message in the queue has the ticket of this delivery.
    pub(super) fn is_owned(&self, id: &str, delivery: &SeenDelivery) -> bool {
        self.messages.get(id).is_some_and(|messages| messages.iter().any(|it| it.ticket == delivery.ticket))
    }

    /// Whether deliveries may be held for this endpoint: it is paused or suspended, or an open job processes them.
    pub(super) fn will_be_released(&self, endpoint: &str) -> bool {
        let parks = |endpoint: &SeenEndpoint| endpoint.status == "paused" || endpoint.suspended;
        self.endpoints.get(endpoint).is_some_and(parks) || self.releasing.iter().any(|released| released == endpoint)
    }
}

impl SeenDelivery {
    fn pending(list: &Item) -> Self {
        Self {
            endpoint: string(list, "pk").unwrap().split('#').nth(1).unwrap().to_owned(),
            status: Status::parse("pending"),
            attempts: 0,
            retries_used: 0,
            log: Vec::new(),
            is_expunged: false,
            is_resent: false,
            mark: None,
            ticket: None,
        }
    }

    fn of(item: &Item) -> Self {
        let number = |name: &str| item.get(name).map_or(0, |value| value.as_n().unwrap().parse().unwrap());
        let log = item.get("log").map_or(&[][..], |log| log.as_b().unwrap().as_ref());
        Self {
            endpoint: string(item, "pk").unwrap().split('#').nth(1).unwrap().to_owned(),
            status: Status::parse(string(item, "status").unwrap()),
            attempts: number("attempts"),
            retries_used: number("retries_used"),
            log: log.chunks(16).filter(|entry| !is_resend(entry)).map(SeenAttempt::of).collect(),
            is_expunged: string(item, "error") == Some("expunged"),
            is_resent: log.chunks(16).next_back().is_some_and(is_resend),
            mark: string(item, "waiting_pk").map(|mark| mark.split('#').next().unwrap().to_owned()),
            ticket: string(item, "ticket").map(str::to_owned),
        }
    }
}

impl SeenMessage {
    fn of(body: String) -> Self {
        let task: Value = serde_json::from_str(&body).unwrap();
        let task = task.get("resend_v1").unwrap_or(&task["deliver_v1"]);
        let named = |name: &str| text(&task[name]).to_owned();
        let ticket = task["ticket"].as_str().map(str::to_owned);
        Self { organization: named("organization"), delivery: named("delivery"), ticket, body }
    }
}

impl SeenAttempt {
    /// Reads the bytes of an entry: seven of its start in microseconds, three of its duration, and two of the status.
    fn of(entry: &[u8]) -> Self {
        let micros = entry[..7].iter().fold(0, |micros, byte| micros << 8 | i64::from(*byte));
        let status = u16::from_be_bytes([entry[10], entry[11]]);
        Self { at: Timestamp::from_unix_micros(micros), answer: (status > 0).then_some(status) }
    }
}

/// Whether the code of an entry's trigger is that of a resend.
const fn is_resend(entry: &[u8]) -> bool {
    entry[14] == 3
}

/// The value of a string attribute; `None` if it is absent.
pub(super) fn string<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}
