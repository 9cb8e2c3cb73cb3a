//! A standard queue with its visible, delayed and in-flight messages. Callers pass the time to every method.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::error::SqsError;
use super::journal::Journal;
use super::limits::{MAX_IN_FLIGHT, MAX_VISIBILITY_SECONDS};
use super::message::{Draft, Message, Receipt, State};
use super::settings::Settings;
use super::stored::Stored;
use super::visible::Visible;

/// The interval at which expired messages are removed. In between, they are not delivered.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// The messages and settings of a queue.
#[derive(Debug)]
pub(crate) struct Queue {
    name: Arc<str>,
    journal: Journal,
    pub(crate) settings: Settings,
    pub(crate) created_at: SystemTime,
    pub(crate) modified_at: SystemTime,
    messages: HashMap<Uuid, Message>,
    /// Visible messages. It can contain ids of messages that were deleted since.
    visible: Visible,
    /// Delayed and in-flight messages by the time at which they become visible.
    delayed: BTreeSet<(SystemTime, Uuid)>,
    in_flight: BTreeSet<(SystemTime, Uuid)>,
    next_expiry: SystemTime,
    purged_at: Option<SystemTime>,
    /// Whether the receipt handle of an earlier receive can still delete and hide its message. SQS guarantees neither
    /// behavior.
    former_receipts_act: bool,
    received: u64,
    /// The number of sent messages by the first part of their group's id.
    sent: HashMap<Box<str>, u64>,
}

/// The messages of a queue whose group id begins with `<family>#`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    /// The number of visible messages of the family.
    pub(crate) visible: usize,
    /// The number of messages of the family that were sent since the process started.
    pub(crate) sent: u64,
    /// The number of receives of any message of the queue since the process started.
    pub(crate) received: u64,
}

/// The number of messages in each state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visible: usize,
    pub(crate) delayed: usize,
    pub(crate) in_flight: usize,
}

/// The result of a receive from one queue.
#[derive(Debug, Default)]
pub(crate) struct ReceivedBatch {
    /// The messages for the receiver. They are in flight now.
    pub(crate) received: Vec<Message>,
    /// The messages that were received too often. They are removed from this queue and belong to the dead-letter queue.
    pub(crate) dead_letters: Vec<Message>,
}

impl Queue {
    /// Creates an empty queue that records its changes in the journal.
    pub(crate) fn new(name: &str, journal: Journal, settings: Settings, now: SystemTime) -> Self {
        Self {
            name: name.into(),
            journal,
            settings,
            created_at: now,
            modified_at: now,
            messages: HashMap::new(),
            visible: Visible::default(),
            delayed: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            next_expiry: now + EXPIRY_INTERVAL,
            purged_at: None,
            former_receipts_act: false,
            received: 0,
            sent: HashMap::new(),
        }
    }

    /// Adds a message and returns its id.
    pub(crate) fn send(&mut self, draft: Draft, now: SystemTime) -> Uuid {
        self.expire(now);
        let delay = seconds(draft.delay_seconds.unwrap_or(self.settings.delay));
        let message = Message {
            number: self.journal.next_number(),
            id: Uuid::new_v4(),
            body: draft.body,
            attributes: draft.attributes,
            group_id: draft.group_id,
            sent_at: now,
            first_received_at: None,
            receive_count: 0,
            dead_letter_source: None,
            state: if delay.is_zero() { State::Visible } else { State::Delayed { until: now + delay } },
        };
        if let Some(family) = message.group_id.as_deref().and_then(family) {
            match self.sent.get_mut(family) {
                Some(sent) => *sent += 1,
                None => drop(self.sent.insert(family.into(), 1)),
            }
        }
        let id = message.id;
        self.journal.insert(&self.name, &message);
        self.insert(message);
        id
    }

    /// Adds a message that was in the journal when it was opened.
    pub(crate) fn restore(&mut self, stored: Stored, now: SystemTime) {
        let Stored { mut message, visible_at: until, .. } = stored;
        message.state = match message.receive_count {
            _ if until <= now => State::Visible,
            0 => State::Delayed { until },
            _ => State::InFlight { since: now, until },
        };
        self.insert(message);
    }

    /// Adds a dead letter of the queue `source`. The message keeps its id, age and receive count.
    pub(crate) fn accept_dead(&mut self, mut message: Message, source: &str) {
        message.dead_letter_source = Some(source.to_owned());
        message.state = State::Visible;
        self.journal.move_to(&self.name, &message);
        self.insert(message);
    }

    /// Receives up to `most` visible messages and hides them for `visibility`. With `redrive`, messages that were
    /// received too often are removed and returned separately.
    pub(crate) fn receive(
        &mut self,
        most: usize,
        visibility: Duration,
        redrive: bool,
        now: SystemTime,
    ) -> ReceivedBatch {
        self.expire(now);
        self.show_what_is_due(now);
        let max_receive_count = self.settings.redrive.as_ref().filter(|_| redrive).map(|it| it.max_receive_count);
        let mut batch = ReceivedBatch::default();
        while batch.received.len() < most && !self.is_at_flight_limit() {
            let Some(id) = self.visible.pop() else { break };
            let Some(message) = self.messages.get_mut(&id) else { continue };
            if max_receive_count.is_some_and(|max| message.receive_count >= max) {
                batch.dead_letters.extend(self.messages.remove(&id));
                continue;
            }
            let until = now + visibility;
            message.receive_count += 1;
            self.received += 1;
            message.first_received_at.get_or_insert(now);
            message.state = State::InFlight { since: now, until };
            self.in_flight.insert((until, id));
            self.visible.took_off(message.group_id.as_deref());
            batch.received.push(message.clone());
        }
        batch
    }

    /// Deletes a message if the receipt is from its latest receive, even if the message has become visible again.
    /// Otherwise it does nothing, unless receipts of earlier receives have an effect.
    pub(crate) fn delete(&mut self, receipt: Receipt) {
        if self.messages.get(&receipt.message).is_some_and(|message| self.acts(receipt, message)) {
            self.remove(receipt.message);
        }
    }

    fn acts(&self, receipt: Receipt, message: &Message) -> bool {
        receipt == message.receipt() || self.former_receipts_act
    }

    /// Sets whether receipts of earlier receives have an effect.
    pub(crate) fn let_former_receipts_act(&mut self, act: bool) {
        self.former_receipts_act = act;
    }

    /// Makes every message in flight visible before its timeout, as SQS may deliver a message twice.
    pub(crate) fn redeliver(&mut self) {
        for (_, id) in std::mem::take(&mut self.in_flight) {
            self.show(id);
        }
    }

    /// Counts receives of the visible messages, which stay visible.
    pub(crate) fn receive_in_vain(&mut self, times: u32) {
        for message in self.messages.values_mut().filter(|message| message.state == State::Visible) {
            message.receive_count = message.receive_count.saturating_add(times);
        }
    }

    /// Hides a message in flight for `timeout` seconds from now. 0 makes it visible.
    pub(crate) fn change_visibility(
        &mut self,
        receipt: Receipt,
        timeout: i64,
        now: SystemTime,
    ) -> Result<(), SqsError> {
        self.show_what_is_due(now);
        let former_receipts_act = self.former_receipts_act;
        let acts = |message: &&mut Message| message.receipt() == receipt || former_receipts_act;
        let in_flight = self.messages.get_mut(&receipt.message).filter(acts);
        let Some((message, since, until)) = in_flight.and_then(|message| match message.state {
            State::InFlight { since, until } => Some((message, since, until)),
            State::Visible | State::Delayed { .. } => None,
        }) else {
            return Err(SqsError::new(
                "MessageNotInflight",
                "Message does not exist or is not available for visibility timeout change.",
            ));
        };
        let changed = now + seconds(timeout);
        if changed > since + seconds(MAX_VISIBILITY_SECONDS) {
            return Err(SqsError::invalid_parameter(format!(
                "Total VisibilityTimeout for the message is beyond the limit [{MAX_VISIBILITY_SECONDS} seconds]."
            )));
        }
        message.state = State::InFlight { since, until: changed };
        self.journal.hide(message, changed);
        self.in_flight.remove(&(until, receipt.message));
        self.in_flight.insert((changed, receipt.message));
        Ok(())
    }

    /// Deletes all messages. Returns an error if the last purge was less than 60 seconds ago.
    pub(crate) fn purge(&mut self, now: SystemTime) -> Result<(), SqsError> {
        if self.purged_at.is_some_and(|at| now < at + Duration::from_secs(60)) {
            let message = "Only one PurgeQueue operation on a queue is allowed every 60 seconds.";
            return Err(SqsError::new("PurgeQueueInProgress", message));
        }
        self.purged_at = Some(now);
        self.forget();
        Ok(())
    }

    /// Deletes all messages.
    pub(crate) fn forget(&mut self) {
        self.journal.purge(&self.name);
        self.messages.clear();
        self.visible = Visible::default();
        self.delayed.clear();
        self.in_flight.clear();
    }

    /// The visible, sent and received messages of a family of message groups.
    pub(crate) fn flow(&mut self, of: &str, now: SystemTime) -> Flow {
        self.expire(now);
        self.show_what_is_due(now);
        let visible = self.visible.count(|group| family(group) == Some(of));
        Flow { visible, sent: self.sent.get(of).copied().unwrap_or_default(), received: self.received }
    }

    /// The number of messages in each state.
    pub(crate) fn counts(&mut self, now: SystemTime) -> Counts {
        self.expire(now);
        self.show_what_is_due(now);
        let (delayed, in_flight) = (self.delayed.len(), self.in_flight.len());
        Counts { visible: self.messages.len() - delayed - in_flight, delayed, in_flight }
    }

    /// The bodies of all messages, including hidden ones.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &str> {
        self.messages.values().map(|message| message.body.as_str())
    }

    /// The time at which the next hidden message becomes visible, or `None` if no message is hidden.
    pub(crate) fn next_visible_at(&self) -> Option<SystemTime> {
        let first = |hidden: &BTreeSet<(SystemTime, Uuid)>| hidden.first().map(|(until, _)| *until);
        [first(&self.delayed), first(&self.in_flight)].into_iter().flatten().min()
    }

    /// Whether the number of messages in flight is at its limit, so that receives return nothing.
    pub(crate) fn is_at_flight_limit(&self) -> bool {
        self.in_flight.len() >= MAX_IN_FLIGHT
    }

    fn insert(&mut self, message: Message) {
        match message.state {
            State::Visible => self.visible.push(message.group_id.as_deref(), message.id),
            State::Delayed { until } => drop(self.delayed.insert((until, message.id))),
            State::InFlight { until, .. } => {
                self.in_flight.insert((until, message.id));
                self.visible.took_off(message.group_id.as_deref());
            }
        }
        self.messages.insert(message.id, message);
    }

    fn remove(&mut self, id: Uuid) {
        let Some(message) = self.messages.remove(&id) else { return };
        self.journal.delete(&message);
        match message.state {
            State::Visible => {}
            State::Delayed { until } => drop(self.delayed.remove(&(until, id))),
            State::InFlight { until, .. } => {
                self.in_flight.remove(&(until, id));
                self.visible.landed(message.group_id.as_deref());
            }
        }
    }

    fn show_what_is_due(&mut self, now: SystemTime) {
        let is_due = |hidden: &BTreeSet<(SystemTime, Uuid)>| hidden.first().is_some_and(|(until, _)| *until <= now);
        while is_due(&self.delayed) {
            let Some((_, id)) = self.delayed.pop_first() else { break };
            self.show(id);
        }
        while is_due(&self.in_flight) {
            let Some((_, id)) = self.in_flight.pop_first() else { break };
            self.show(id);
        }
    }

    fn show(&mut self, id: Uuid) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        if matches!(message.state, State::InFlight { .. }) {
            self.visible.landed(message.group_id.as_deref());
        }
        message.state = State::Visible;
        self.visible.push(message.group_id.as_deref(), id);
    }

    fn expire(&mut self, now: SystemTime) {
        if now < self.next_expiry {
            return;
        }
        self.next_expiry = now + EXPIRY_INTERVAL;
        let retention = self.settings.retention();
        let expired = self.messages.values().filter(|message| message.sent_at + retention <= now);
        for id in expired.map(|message| message.id).collect::<Vec<_>>() {
            self.remove(id);
        }
        self.visible.retain(|id| self.messages.contains_key(id));
    }
}

/// The first part of a group's id.
fn family(group: &str) -> Option<&str> {
    group.split_once('#').map(|(family, _)| family)
}

/// Converts a validated, non-negative number of seconds.
pub(crate) fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs())
}
