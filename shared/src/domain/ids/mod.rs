//! Identifiers: 128-bit UUIDv7, printed as a prefix and 32 lower-case hex digits, so that they sort by creation
//! time; and organization ids, which a caller may supply.

mod event;
mod organization;

use std::fmt;

use uuid::{Builder, Uuid};

pub use organization::OrganizationId;

use super::time::Timestamp;

/// The random bytes of one identifier.
pub type Random = [u8; 8];

/// The text is not an identifier of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {0} and 32 lower-case hex digits")]
pub struct MalformedId(&'static str);

/// A kind of identifier. At the end are those of the functions `new`, `next` and `former` that it has.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal $(, $function:ident)*) => {
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

        $(id!(@$function $name);)*
    };
    (@new $name:ident) => {
        impl $name {
            /// A new identifier.
            pub fn new(now: Timestamp, random: Random) -> Self {
                Self(uuid_v7(now, random))
            }
        }
    };
    (@next $name:ident) => {
        impl $name {
            /// The smallest identifier that sorts after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(Uuid::from_u128(self.0.as_u128().saturating_add(1)))
            }
        }
    };
    (@former $name:ident) => {
        impl $name {
            /// The largest identifier that sorts before this one.
            #[must_use]
            pub fn former(self) -> Self {
                Self(Uuid::from_u128(self.0.as_u128().saturating_sub(1)))
            }
        }
    };
}

id!(
    /// The identifier of a webhook endpoint.
    EndpointId, "we_", new
);
id!(
    /// The identifier of an event. Its last 16 bits are zero; its deliveries' ids have an ordinal there.
    EventId, "wevt_"
);
id!(
    /// The identifier of a delivery: the event's id with an ordinal from 1 in the last 16 bits.
    DeliveryId, "wdlv_", next
);
id!(
    /// The identifier of an attempt: the time of its start, and the last 62 bits of its delivery's id. A first attempt that
    /// has no item of its own has the digits of its delivery.
    AttemptId, "watt_", next, former
);
id!(
    /// The identifier of an API key. It is not secret.
    KeyId, "key_", new
);
id!(
    /// The identifier of a portal session. It is not secret.
    PortalSessionId, "wps_", new
);
id!(
    /// The identifier of one HTTP request to the API.
    RequestId, "req_", new
);

id!(
    /// The identifier of a job: a digest of the job's parameters, not a UUIDv7.
    JobId, "wjob_", next, former
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
    /// The identifier in the `svix` dialect.
    pub fn as_svix(self) -> String {
        format!("ep_{}", self.0.simple())
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
}
