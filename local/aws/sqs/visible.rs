//! The order in which visible messages are received. Each message group gets a fair share.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

/// The id of a message group. All messages without one form a group.
type GroupId = Option<Arc<str>>;

/// The visible messages of a queue by group. The next message is the oldest of the groups with the fewest messages in
/// flight. SQS's fair queues have the same effect: a group with a large backlog does not delay the others.
#[derive(Debug, Default)]
pub(crate) struct Visible {
    groups: HashMap<GroupId, Group>,
    /// The groups with visible messages, ordered by their messages in flight and then by the age of their oldest
    /// message.
    turns: BTreeSet<(usize, u64, GroupId)>,
    next_arrival: u64,
}

#[derive(Debug, Default)]
struct Group {
    in_flight: usize,
    /// The messages in the order of arrival. It can contain ids of messages that were deleted since.
    messages: VecDeque<(u64, Uuid)>,
}

impl Visible {
    /// Adds a message at the end of its group.
    pub(crate) fn push(&mut self, group: Option<&str>, message: Uuid) {
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.change(group, |group| group.messages.push_back((arrival, message)));
    }

    /// The number of messages in the groups that match. It can include messages that were deleted since.
    pub(crate) fn count(&self, is_wanted: impl Fn(&str) -> bool) -> usize {
        let wanted = self.groups.iter().filter(|(id, _)| id.as_deref().is_some_and(&is_wanted));
        wanted.map(|(_, group)| group.messages.len()).sum()
    }

    /// Removes and returns the next message.
    pub(crate) fn pop(&mut self) -> Option<Uuid> {
        let (_, _, group) = self.turns.first().cloned()?;
        self.change(group.as_deref(), |group| group.messages.pop_front()).map(|(_, message)| message)
    }

    /// Records that a message of this group is in flight.
    pub(crate) fn took_off(&mut self, group: Option<&str>) {
        self.change(group, |group| group.in_flight += 1);
    }

    /// Records that a message of this group is no longer in flight.
    pub(crate) fn landed(&mut self, group: Option<&str>) {
        self.change(group, |group| group.in_flight = group.in_flight.saturating_sub(1));
    }

    /// Keeps only the messages for which `is_retained` returns true.
    pub(crate) fn retain(&mut self, is_retained: impl Fn(&Uuid) -> bool) {
        self.turns.clear();
        self.groups.retain(|id, group| {
            group.messages.retain(|(_, message)| is_retained(message));
            self.turns.extend(group.turn(id));
            group.in_flight > 0 || !group.messages.is_empty()
        });
    }

    fn change<T>(&mut self, id: Option<&str>, change: impl FnOnce(&mut Group) -> T) -> T {
        let id = id.map(Arc::from);
        let group = self.groups.entry(id.clone()).or_default();
        if let Some(turn) = group.turn(&id) {
            self.turns.remove(&turn);
        }
        let result = change(group);
        self.turns.extend(group.turn(&id));
        if group.in_flight == 0 && group.messages.is_empty() {
            self.groups.remove(&id);
        }
        result
    }
}

impl Group {
    fn turn(&self, id: &GroupId) -> Option<(usize, u64, GroupId)> {
        self.messages.front().map(|(arrival, _)| (self.in_flight, *arrival, id.clone()))
    }
}
