//! Identifiers: 128-bit UUIDv7, printed as a prefix and 32 lower-case hex digits, so that they sort by creation
//! time; and organization ids, which a caller may supply.

use std::fmt;

use uuid::{Builder, Uuid};

use super::time::Timestamp;

/// The random bytes of one identifier.
pub type Random = [u8; 8];

/// The text is not an identifier of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {0} and 32 lower-case hex digits")]
pub struct MalformedId(&'static str);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of identifiers of this kind.
            pub const PREFIX: &'static str = $prefix;

            /// Parses the printed form.
            ///
            /// # Errors
            /// [`MalformedId`] for anything but the prefix and 32 lower-case hex digits.
            pub fn parse(text: &str) -> Result<Self, MalformedId> {
                text.strip_prefix($prefix).and_then(simple_hex).map(Self).ok_or(MalformedId($prefix))
            }

            /// The identifier as a UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The identifier with these 128 bits. They are not validated.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// The identifier of a webhook endpoint.
    EndpointId, "we_"
);
id!(
    /// The identifier of an event. Its last 16 bits are zero; its deliveries' ids have an ordinal there.
    EventId, "wevt_"
);
id!(
    /// The identifier of a delivery: the event's id with an ordinal from 1 in the last 16 bits.
    DeliveryId, "wdlv_"
);
id!(
    /// The identifier of an attempt: the time of its start, and the last 62 bits of its delivery's id. A first attempt that
    /// has no item of its own has the digits of its delivery.
    AttemptId, "watt_"
);
id!(
    /// The identifier of an API key. It is not secret.
    KeyId, "key_"
);
id!(
    /// The identifier of a portal session. It is not secret.
    PortalSessionId, "wps_"
);
id!(
    /// The identifier of one HTTP request to the API.
    RequestId, "req_"
);

id!(
    /// The identifier of a job: a digest of the job's parameters, not a UUIDv7.
    JobId, "wjob_"
);

fn simple_hex(text: &str) -> Option<Uuid> {
    let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (text.len() == 32 && text.bytes().all(lower_hex)).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// A UUIDv7 whose 12 `rand_a` bits contain the fraction of the millisecond (RFC 9562, method 3), so that
/// identifiers created one after the other sort in that order.
fn uuid_v7(now: Timestamp, random: Random) -> Uuid {
    let millis = u64::try_from(now.unix_millis()).unwrap_or(0);
    let fraction = now.unix_micros().rem_euclid(1_000) * 4_096 / 1_000;
    let [high, low] = u16::try_from(fraction).unwrap_or(0).to_be_bytes();
    let [a, b, c, d, e, f, g, h] = random;
    Builder::from_unix_timestamp_millis(millis, &[high, low, a, b, c, d, e, f, g, h]).into_uuid()
}

/// The creation time of a UUIDv7, to the millisecond.
fn timestamp_of(uuid: Uuid) -> Timestamp {
    let millis = i64::try_from(uuid.as_u128() >> 80).unwrap_or(0);
    Timestamp::from_unix_millis(millis)
}

impl EndpointId {
    /// A new identifier.
    pub fn new(now: Timestamp, random: Random) -> Self {
        Self(uuid_v7(now, random))
    }

    /// The identifier in the `svix` dialect.
    pub fn as_svix(self) -> String {
        format!("ep_{}", self.0.simple())
    }
}

impl KeyId {
    /// A new identifier.
    pub fn new(now: Timestamp, random: Random) -> Self {
        Self(uuid_v7(now, random))
    }
}

impl PortalSessionId {
    /// A new identifier.
    pub fn new(now: Timestamp, random: Random) -> Self {
        Self(uuid_v7(now, random))
    }
}

impl RequestId {
    /// A new identifier.
    pub fn new(now: Timestamp, random: Random) -> Self {
        Self(uuid_v7(now, random))
    }
}

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

impl JobId {
    /// The smallest identifier that sorts after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_add(1)))
    }

    /// The largest identifier that sorts before this one.
    #[must_use]
    pub fn former(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_sub(1)))
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

    /// The smallest identifier that sorts after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_add(1)))
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

    /// The smallest identifier that sorts after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_add(1)))
    }

    /// The largest identifier that sorts before this one.
    #[must_use]
    pub fn former(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_sub(1)))
    }
}

fn without_ordinal(uuid: Uuid) -> Uuid {
    Uuid::from_u128(uuid.as_u128() & !ORDINAL)
}

fn first_uuid_at(instant: Timestamp) -> Uuid {
    Uuid::from_u128((u128::try_from(instant.unix_millis()).unwrap_or(0) & 0xffff_ffff_ffff) << 80)
}

/// The identifier of an organization: either `org_` and 26 lower-case characters of Crockford's alphabet, or a UUID
/// that the caller supplied.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId(String);

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The identifier of the platform's own organization. No identifier is generated with these digits, and none can be supplied.
const PLATFORM: &str = "org_00000000000000000000000000";

impl OrganizationId {
    /// The platform's own organization, whose endpoints receive events about all others.
    pub fn platform() -> Self {
        Self(PLATFORM.to_owned())
    }

    /// Whether this is the platform's own organization.
    pub fn is_platform(&self) -> bool {
        self.0 == PLATFORM
    }

    /// A new identifier.
    pub fn new(now: Timestamp, random: Random) -> Self {
        let bits = uuid_v7(now, random).as_u128();
        let digits = (0..26).rev().map(|i| char::from(CROCKFORD[(bits >> (5 * i)) as usize & 31]));
        Self(format!("org_{}", digits.collect::<String>()))
    }

    /// Parses a generated identifier or a hyphenated UUID, which is converted to lower case.
    ///
    /// # Errors
    /// [`super::Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, super::Invalid> {
        let generated = text
            .strip_prefix("org_")
            .is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|b| CROCKFORD.contains(&b)));
        if generated {
            return Ok(Self(text.to_owned()));
        }
        Self::parse_supplied(text)
    }

    /// Parses an identifier that a caller supplies: a hyphenated UUID.
    ///
    /// # Errors
    /// [`super::Invalid`] for anything else.
    pub fn parse_supplied(text: &str) -> Result<Self, super::Invalid> {
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 => Ok(Self(uuid.hyphenated().to_string())),
            _ => Err(super::Invalid::new("must be a UUID such as 550e8400-e29b-41d4-a716-446655440000")),
        }
    }

    /// When a generated identifier was created, to the millisecond; `None` for a supplied one.
    pub fn created_at(&self) -> Option<Timestamp> {
        let digits = self.0.strip_prefix("org_")?.bytes();
        let value = |digit| CROCKFORD.iter().position(|known| *known == digit).and_then(|it| u128::try_from(it).ok());
        let bits = digits.map(value).try_fold(0_u128, |bits, value| Some(bits << 5 | value?))?;
        Some(timestamp_of(Uuid::from_u128(bits)))
    }

    /// The printed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier of the application in the `svix` dialect. That of a supplied identifier contains a UUID.
    pub fn as_svix(&self) -> String {
        format!("app_{}", self.0.strip_prefix("org_").unwrap_or(&self.0))
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_micros(1_774_382_400_123_456);

    #[test]
    fn a_printed_id_is_parsed_to_the_same_id() {
        let id = EndpointId::new(NOW, [7; 8]);
        let text = id.to_string();
        assert_eq!(text.len(), 35);
        assert_eq!(EndpointId::parse(&text), Ok(id));
        assert_eq!(id.uuid().get_version_num(), 7);
    }

    #[test]
    fn malformed_ids_are_rejected() {
        let good = EndpointId::new(NOW, [7; 8]).to_string();
        let other_kind = good.replace("we_", "wevt_");
        let upper = good.to_uppercase();
        for text in ["", "we_", &good[3..], &good[..34], &format!("{good}0"), &other_kind, &upper] {
            assert!(EndpointId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ids_sort_by_creation_time_even_within_a_millisecond() {
        let ids: Vec<_> = (0..1_000)
            .map(|i| EventId::new(Timestamp::from_unix_micros(NOW.unix_micros() + i), [255 - (i % 256) as u8; 8]))
            .collect();
        assert!(ids.is_sorted());
    }

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

    #[test]
    fn organization_ids_are_generated_or_supplied_by_the_caller() {
        let generated = OrganizationId::new(NOW, [9; 8]);
        assert_eq!(OrganizationId::parse(generated.as_str()).unwrap(), generated);
        assert_eq!(generated.as_str().len(), 30);
        assert_eq!(generated.created_at(), Some(NOW.to_millis()));
        let platform = OrganizationId::platform();
        assert_eq!(OrganizationId::parse(platform.as_str()), Ok(platform.clone()));
        assert!(platform.is_platform() && !OrganizationId::new(Timestamp::from_unix_seconds(0), [0; 8]).is_platform());
        let supplied = OrganizationId::parse("550E8400-e29b-41d4-a716-446655440000").unwrap();
        assert_eq!(supplied.as_str(), "550e8400-e29b-41d4-a716-446655440000");
        for text in ["", "org_", "org_ilou0000000000000000000000", "550e8400e29b41d4a716446655440000", "acme", "a#b"] {
            assert!(OrganizationId::parse(text).is_err(), "{text}");
        }
    }
}
