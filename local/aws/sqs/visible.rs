//! Whose turn it is: visible messages, handed out so that no message group takes more than its share.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

/// A message group's id. Messages without one are a group like any other.
type GroupId = Option<Arc<str>>;

/// The visible messages of a queue by group. The next one is the oldest of the groups that have the fewest in flight:
/// that is what SQS's fair queues come to, so a group with a large backlog does not make the others wait.
#[derive(Debug, Default)]
pub(crate) struct Visible {
    groups: HashMap<GroupId, Group>,
    /// The groups that have visible messages: by what they have in flight, then by the age of their oldest message.
    turns: BTreeSet<(usize, u64, GroupId)>,
    next_arrival: u64,
}

#[derive(Debug, Default)]
struct Group {
    in_flight: usize,
    /// By the order of arrival; may still name messages that were deleted meanwhile.
    messages: VecDeque<(u64, Uuid)>,
}

impl Visible {
    /// Adds a message at the end of its group.
    pub(crate) fn push(&mut self, group: Option<&str>, message: Uuid) {
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.change(group, |group| group.messages.push_back((arrival, message)));
    }

    /// How many messages there are in the groups that are wanted; those that were deleted meanwhile may be counted.
    pub(crate) fn count(&self, is_wanted: impl Fn(&str) -> bool) -> usize {
        let wanted = self.groups.iter().filter(|(id, _)| id.as_deref().is_some_and(&is_wanted));
        wanted.map(|(_, group)| group.messages.len()).sum()
    }

    /// Takes out the message whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<Uuid> {
        let (_, _, group) = self.turns.first().cloned()?;
        self.change(group.as_deref(), |group| group.messages.pop_front()).map(|(_, message)| message)
    }

    /// Notes that a message of this group is in flight now.
    pub(crate) fn took_off(&mut self, group: Option<&str>) {
        self.change(group, |group| group.in_flight += 1);
    }

    /// Notes that a message of this group is no longer in flight.
    pub(crate) fn landed(&mut self, group: Option<&str>) {
        self.change(group, |group| group.in_flight = group.in_flight.saturating_sub(1));
    }

    /// Keeps only the messages for which that holds.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Uuid) -> bool) {
        self.turns.clear();
        self.groups.retain(|id, group| {
            group.messages.retain(|(_, message)| keep(message));
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
