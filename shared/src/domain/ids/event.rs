//! The ids of an event, of its deliveries and of their attempts contain each other.

use uuid::Uuid;

use super::{AttemptId, DeliveryId, EventId, Random, timestamp_of, uuid_v7};
use crate::domain::time::Timestamp;

impl EventId {
    /// A new identifier.
    pub fn new(now: Timestamp, random: Random) -> Self {
        Self(without_ordinal(uuid_v7(now, random)))
    }

    /// The identifier in the `svix` dialect, which receivers get in `svix-id`.
    pub fn as_svix(self) -> String {
        format!("msg_{}", self.0.simple())
    }

    /// When the event was published, to the millisecond.
    pub fn created_at(self) -> Timestamp {
        timestamp_of(self.0)
    }

    /// The smallest identifier of an event created at `instant`.
    pub fn first_at(instant: Timestamp) -> Self {
        Self(first_uuid_at(instant))
    }

    /// The largest 128 bits that sort before this identifier. No event has them as its id.
    #[must_use]
    pub fn former(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_sub(1)))
    }

    /// The smallest identifier that an event after this one can have. It is greater than the ids of all deliveries of this
    /// event.
    #[must_use]
    pub fn following(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_add(0x1_0000)))
    }

    /// The id of the `index`-th event (from 0) of a batch whose first event has this id. The ids of a batch sort in
    /// its order and are spread over the partitions.
    #[must_use]
    pub fn nth(self, index: u32) -> Self {
        const RANDOM: u128 = ((1 << 46) - 1) << 16;
        let bits = self.0.as_u128();
        let moved = (bits & RANDOM).wrapping_add(u128::from(index) << 16) & RANDOM;
        Self(Uuid::from_u128(bits & !RANDOM | moved))
    }

    /// The delivery of this event to the `index`-th endpoint (from 0) of its fan-out; `None` if `index` is 65,535
    /// or more.
    pub fn delivery(self, index: usize) -> Option<DeliveryId> {
        let ordinal = u16::try_from(index).ok()?.checked_add(1)?;
        Some(DeliveryId(Uuid::from_u128(self.0.as_u128() | u128::from(ordinal))))
    }
}

impl DeliveryId {
    /// The event that the delivery belongs to.
    pub fn event(self) -> EventId {
        EventId(without_ordinal(self.0))
    }

    /// The position (from 0) of the endpoint in the event's fan-out; `None` if the ordinal is 0, which no delivery
    /// has.
    pub fn index(self) -> Option<usize> {
        let ordinal = usize::try_from(self.0.as_u128() & ORDINAL).unwrap_or(0);
        ordinal.checked_sub(1)
    }

    /// When the event was published, to the millisecond.
    pub fn created_at(self) -> Timestamp {
        timestamp_of(self.0)
    }

    /// The smallest identifier of a delivery whose event was created at `instant`.
    pub fn first_at(instant: Timestamp) -> Self {
        Self(first_uuid_at(instant))
    }

    /// The largest identifier of a delivery that was published in the same millisecond.
    #[must_use]
    pub fn last_of_its_millisecond(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128() | ((1 << 80) - 1)))
    }
}

/// The bits of an attempt's id that are those of its delivery: all but the time, its fraction and the version.
const OF_DELIVERY: u128 = u64::MAX as u128;
/// The bits of a delivery's id that are its ordinal.
const ORDINAL: u128 = 0xffff;

impl AttemptId {
    /// The attempt of this delivery that began at this time.
    pub fn of(delivery: DeliveryId, started_at: Timestamp) -> Self {
        let time = uuid_v7(started_at, Random::default()).as_u128() & !OF_DELIVERY;
        Self(Uuid::from_u128(time | delivery.0.as_u128() & OF_DELIVERY))
    }

    /// The first attempt of this delivery, if it has no item of its own.
    pub const fn first_of(delivery: DeliveryId) -> Self {
        Self(delivery.0)
    }

    /// The smallest identifier of an attempt that sorts as one of this time.
    pub fn first_at(instant: Timestamp) -> Self {
        Self(first_uuid_at(instant))
    }

    /// The smallest identifier with the position of this delivery in its event's fan-out.
    pub fn smallest_of(delivery: DeliveryId) -> Self {
        Self(Uuid::from_u128(delivery.0.as_u128() & ORDINAL))
    }

    /// The largest identifier with the position of this delivery in its event's fan-out.
    pub fn largest_of(delivery: DeliveryId) -> Self {
        Self(Uuid::from_u128(delivery.0.as_u128() | !ORDINAL))
    }

    /// The identifier in the `svix` dialect.
    pub fn as_svix(self) -> String {
        format!("atmpt_{}", self.0.simple())
    }

    /// The position (from 0) of the attempt's delivery in the event's fan-out.
    pub fn index(self) -> Option<usize> {
        DeliveryId(self.0).index()
    }
}

fn without_ordinal(uuid: Uuid) -> Uuid {
    Uuid::from_u128(uuid.as_u128() & !ORDINAL)
}

fn first_uuid_at(instant: Timestamp) -> Uuid {
    Uuid::from_u128((u128::try_from(instant.unix_millis()).unwrap_or(0) & 0xffff_ffff_ffff) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_micros(1_774_382_400_123_456);

    #[test]
    fn a_delivery_id_contains_its_event_and_its_position_in_the_fan_out() {
        let event = EventId::new(NOW, [0xff; 8]);
        assert_eq!(without_ordinal(event.0), event.0);
        assert_eq!(event.created_at(), NOW.to_millis());
        for index in [0, 1, 499, 65_534] {
            let delivery = event.delivery(index).unwrap();
            assert_eq!((delivery.event(), delivery.index()), (event, Some(index)));
            assert_eq!(delivery.created_at(), NOW.to_millis());
        }
        assert_eq!(event.delivery(65_535), None);
        assert_eq!(DeliveryId::from_uuid(event.uuid()).index(), None);
    }

    #[test]
    fn attempt_ids_sort_by_their_start_and_contain_the_end_of_the_deliverys_id() {
        let delivery = EventId::new(NOW, [0xab; 8]).delivery(7).unwrap();
        let at = |micros| AttemptId::of(delivery, Timestamp::from_unix_micros(NOW.unix_micros() + micros));
        let ids: Vec<_> = (0..1_000).map(at).collect();
        assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(AttemptId::first_at(NOW) < ids[0] && ids[0].former() < ids[0] && ids[0] < ids[0].next());
        for id in [at(3_600_000_000), AttemptId::first_of(delivery)] {
            assert_eq!((id.index(), id.uuid().get_version_num()), (Some(7), 7));
            assert_eq!(id.uuid().as_bytes()[8..], delivery.uuid().as_bytes()[8..]);
        }
        assert_eq!(AttemptId::parse(&ids[3].to_string()), Ok(ids[3]));
    }

    #[test]
    fn the_event_ids_of_a_batch_are_derived_from_the_first() {
        let first = EventId::new(NOW, [9; 8]);
        let batch: Vec<_> = (0..100).map(|index| first.nth(index)).collect();
        assert_eq!(batch[0], first);
        assert!(
            batch.is_sorted()
                && batch.iter().all(|id| without_ordinal(id.0) == id.0 && id.created_at() == first.created_at())
        );
        let bytes: std::collections::BTreeSet<_> = batch.iter().map(|id| id.uuid().as_bytes()[13]).collect();
        assert_eq!(bytes.len(), batch.len(), "no two of them share a byte");
        assert_eq!(EventId::new(NOW, [0xff; 8]).nth(1).uuid().get_version_num(), 7);
    }

    #[test]
    fn the_first_id_of_an_instant_bounds_a_range() {
        let event = EventId::new(NOW, [0; 8]);
        assert!(EventId::first_at(NOW) <= event);
        assert!(event < EventId::first_at(Timestamp::from_unix_millis(NOW.unix_millis() + 1)));
    }
}
