//! A program that publishes by the ingest queue while the host is killed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::task::JoinHandle;

use super::{ARRIVAL_TIMEOUT, EVENT_TYPE, FAILURE_PAUSE};
use crate::publisher::Publisher;
use crate::receiver::Receiver;
use crate::report::Report;

/// How long the program waits after it has sent a message.
const PAUSE: Duration = Duration::from_millis(10);

/// The program while it sends.
pub(super) struct Queued {
    publisher: Publisher,
    sending: JoinHandle<Vec<u64>>,
}

impl Queued {
    /// Sends messages while `is_killing` is set. A message that was not answered is sent again.
    pub(super) fn begin(publisher: &Publisher, is_killing: Arc<AtomicBool>) -> Self {
        let (publisher, sender) = (publisher.clone(), publisher.clone());
        let sending = tokio::spawn(async move {
            let mut sent = Vec::new();
            while is_killing.load(Ordering::Relaxed) {
                let number = sender.next_number();
                while sender.send_message(EVENT_TYPE, number).await.is_err() {
                    tokio::time::sleep(FAILURE_PAUSE).await;
                }
                sent.push(number);
                tokio::time::sleep(PAUSE).await;
            }
            sent
        });
        Self { publisher, sending }
    }

    /// Waits until the event of each message is published.
    pub(super) async fn end(self) -> anyhow::Result<Published> {
        let (mut events, until) = (HashMap::new(), Instant::now() + ARRIVAL_TIMEOUT);
        for number in self.sending.await? {
            let event = loop {
                match self.publisher.event_of_message(number).await {
                    Ok(event) => break event,
                    Err(error) if Instant::now() > until => bail!("the message {number} is not published: {error}"),
                    Err(_) => tokio::time::sleep(FAILURE_PAUSE).await,
                }
            };
            events.insert(number, event);
        }
        Ok(Published(events))
    }
}

/// The ids of the published events, by the numbers of their messages.
pub(super) struct Published(HashMap<u64, String>);

impl Published {
    pub(super) fn events(&self) -> impl Iterator<Item = String> {
        self.0.values().cloned()
    }

    pub(super) fn report(&self, report: &mut Report, receivers: &[Receiver]) {
        let mut arrived = HashMap::<_, HashSet<_>>::new();
        for arrival in receivers.iter().flat_map(Receiver::arrivals).filter(|it| self.0.contains_key(&it.number)) {
            arrived.entry(arrival.number).or_default().insert(arrival.event);
        }
        let is_once = |(number, event): (&u64, &String)| {
            arrived.get(number).is_some_and(|it| it.len() == 1 && it.contains(event))
        };
        report.figure("events published by the ingest queue", self.0.len());
        report.promise("each message of the ingest queue is published as one event", self.0.iter().all(is_once));
    }
}
