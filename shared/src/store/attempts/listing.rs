//! The list of an endpoint's attempts: the first attempts in the records of deliveries, and the attempts with items.

use super::item::AttemptItem;
use crate::domain::delivery::Delivery;
use crate::domain::delivery::recorded::RecordedAttempt;
use crate::domain::ids::{AttemptId, DeliveryId, EndpointId};
use crate::store::deliveries::is_list;
use crate::store::deliveries::item::DeliveryItem;
use crate::store::deliveries::listing::{LIST_READ_UNITS, LISTED};
use crate::store::item::{Item, read};
use crate::store::keys::Key;
use crate::store::read::merge::{Merge, Next, Range, Source};
use crate::store::{Listing, Order, Store, StoreError, keys};

/// A text that sorts after every digit of an id.
const AFTER_DIGITS: &str = "~";

/// An item that a list of attempts has examined.
#[derive(Debug)]
pub struct Examined {
    /// The position of the item in the list.
    pub id: AttemptId,
    /// The attempt; `None` for a delivery whose first attempt was not made or has an item of its own, and for a list of
    /// pending deliveries.
    pub attempt: Option<RecordedAttempt>,
}

/// A list of an endpoint's attempts by their ids.
#[derive(Debug)]
pub struct AttemptList<'a> {
    order: Order,
    records: Merge<'a>,
    items: Merge<'a>,
}

impl Store {
    /// Lists the endpoint's attempts with `from <= id < before`, in this order. `limit` is the number of attempts that the
    /// caller expects to need.
    pub fn attempts(
        &self,
        endpoint: EndpointId,
        from: AttemptId,
        before: Option<AttemptId>,
        order: Order,
        limit: usize,
    ) -> AttemptList<'_> {
        let source = match order {
            Order::NewestFirst => Source::TableDescending,
            Order::OldestFirst => Source::TableAscending,
        };
        let range = |prefix: &str, projection| {
            let key = |id: AttemptId| format!("{prefix}{}", id.uuid().simple());
            let to = before.map_or_else(|| format!("{prefix}{AFTER_DIGITS}"), |id| key(id.former()));
            // Both merges together have the read units of a list.
            Range { source, from: key(from), to, projection, most_read_units: Some(LIST_READ_UNITS / 2.0) }
        };
        let records = range(DeliveryId::PREFIX, Some(&LISTED));
        let items = range(AttemptId::PREFIX, None);
        AttemptList {
            order,
            // A delivery may have a record and a list of pending deliveries.
            records: Merge::new(self, keys::delivery_partitions(endpoint), records, 2 * limit),
            items: Merge::new(self, keys::attempt_partitions(endpoint), items, limit),
        }
    }
}

impl Listing for AttemptList<'_> {
    type Entry = Examined;

    async fn next(&mut self) -> Result<Next<Examined>, StoreError> {
        let (record, item) = (digits(self.records.peek().await?), digits(self.items.peek().await?));
        let is_record = match (&record, &item) {
            (Next::Spent, _) | (_, Next::Spent) => return Ok(Next::Spent),
            (Next::End, Next::End) => return Ok(Next::End),
            (Next::Entry(_), Next::End) => true,
            (Next::End, Next::Entry(_)) => false,
            (Next::Entry(record), Next::Entry(item)) => match self.order {
                Order::NewestFirst => record >= item,
                Order::OldestFirst => record <= item,
            },
        };
        let next = if is_record { self.records.next().await? } else { self.items.next().await? };
        Ok(match next {
            Next::Entry(record) if is_record => Next::Entry(self.first_attempt(record)?),
            Next::Entry(item) => {
                let attempt: RecordedAttempt = read::<AttemptItem, _>(item)?;
                Next::Entry(Examined { id: attempt.id, attempt: Some(attempt) })
            }
            Next::End => Next::End,
            Next::Spent => Next::Spent,
        })
    }
}

impl AttemptList<'_> {
    /// The first attempt in a record. A list of pending deliveries has none.
    fn first_attempt(&self, record: Item) -> Result<Examined, StoreError> {
        if is_list(&record) {
            let last = Key::of(&record).and_then(|key| keys::delivery_of(&key.sk));
            let id = AttemptId::first_of(last.ok_or_else(|| StoreError::corrupt("a list without a delivery"))?);
            // The list sorts after the record of its last delivery, and has the next position.
            let id = if self.order == Order::NewestFirst { id.next() } else { id };
            return Ok(Examined { id, attempt: None });
        }
        let delivery: Delivery = read::<DeliveryItem, _>(record)?;
        let first = delivery.log.iter().find(|entry| entry.number == Some(1) && !entry.has_item);
        let attempt = first.map(|entry| RecordedAttempt::new(&delivery, entry.clone()));
        Ok(Examined { id: AttemptId::first_of(delivery.id), attempt })
    }
}

/// The digits of the id in a sort key.
fn digits(next: Next<&str>) -> Next<String> {
    match next {
        Next::Entry(key) => Next::Entry(key.split(['_', '#']).nth(1).unwrap_or_default().to_owned()),
        Next::End => Next::End,
        Next::Spent => Next::Spent,
    }
}
