//! The order in which work of several organizations is done. Organizations take turns, and so do the entries of each
//! organization, so an organization with much work gets one turn and then waits for the others.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use crate::domain::ids::OrganizationId;

/// A queue of work for each organization.
#[derive(Debug)]
pub struct Turns<T> {
    queues: HashMap<OrganizationId, VecDeque<T>>,
    /// The organizations that have a queue, in the order of their turns.
    order: VecDeque<OrganizationId>,
}

impl<T> Turns<T> {
    /// Adds work to the end of an organization's queue. An organization without a queue gets the last turn.
    pub fn push(&mut self, organization: &OrganizationId, work: T) {
        match self.queues.entry(organization.clone()) {
            Entry::Occupied(mut queue) => queue.get_mut().push_back(work),
            Entry::Vacant(queue) => {
                queue.insert(VecDeque::from([work]));
                self.order.push_back(organization.clone());
            }
        }
    }

    /// The amount of queued work.
    pub fn count_queued(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), order: VecDeque::new() }
    }
}

/// Removes and returns the work whose turn it is; `None` if nothing is queued.
impl<T> Iterator for Turns<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let organization = self.order.pop_front()?;
        let queue = self.queues.get_mut(&organization)?;
        let work = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&organization);
        } else {
            self.order.push_back(organization);
        }
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn organization(number: u8) -> OrganizationId {
        OrganizationId::new(Timestamp::from_unix_seconds(1_774_382_400), [number; 8])
    }

    #[test]
    fn organizations_take_turns_and_so_does_the_work_of_each() {
        let mut turns = Turns::default();
        for (of, work) in [(1, 11), (1, 12), (1, 13), (2, 21), (3, 31)] {
            turns.push(&organization(of), work);
        }
        let mut order = Vec::new();
        for _ in 0..9 {
            let next = turns.next().unwrap();
            order.push(next);
            turns.push(&organization(next / 10), next);
        }
        assert_eq!(order, [11, 21, 31, 12, 21, 31, 13, 21, 31]);
        assert_eq!(turns.count_queued(), 5);
        assert_eq!(turns.by_ref().count(), 5);
        assert_eq!((turns.next(), turns.count_queued()), (None, 0));
    }
}
