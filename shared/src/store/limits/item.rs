//! The stored form of an organization's limits, which are part of the items of its state.

use serde::{Deserialize, Serialize};

use crate::domain::tenancy::limits::{Own, OwnLimits, Rate};
use crate::store::item::Unreadable;

/// The limits that the platform set. An absent attribute is a limit that it did not set, and 0 means that there is no
/// limit.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct LimitsItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    events_per_second: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events_per_month: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_endpoints: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_event_bytes: Option<u32>,
}

impl From<&OwnLimits> for LimitsItem {
    fn from(limits: &OwnLimits) -> Self {
        let burst = match limits.rate {
            Own::AtMost(rate) => Some(rate.burst()),
            Own::Deployments | Own::None => None,
        };
        Self {
            events_per_second: stored(limits.rate, Rate::per_second),
            burst,
            events_per_month: stored(limits.events_per_month, |number| number),
            max_endpoints: stored(limits.max_endpoints, |number| number),
            max_event_bytes: stored(limits.max_event_bytes, |number| number),
        }
    }
}

fn stored<T, N: Default>(limit: Own<T>, number: impl Fn(T) -> N) -> Option<N> {
    match limit {
        Own::Deployments => None,
        Own::None => Some(N::default()),
        Own::AtMost(limit) => Some(number(limit)),
    }
}

impl TryFrom<LimitsItem> for OwnLimits {
    type Error = Unreadable;

    fn try_from(item: LimitsItem) -> Result<Self, Unreadable> {
        fn own<T: Default + PartialEq>(number: Option<T>) -> Own<T> {
            match number {
                None => Own::Deployments,
                Some(number) if number == T::default() => Own::None,
                Some(number) => Own::AtMost(number),
            }
        }
        Ok(Self {
            rate: match own(item.events_per_second) {
                Own::Deployments => Own::Deployments,
                Own::None => Own::None,
                Own::AtMost(per_second) => Own::AtMost(Rate::new(per_second, item.burst)?),
            },
            events_per_month: own(item.events_per_month),
            max_endpoints: own(item.max_endpoints),
            max_event_bytes: own(item.max_event_bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::item::{read, to_item};

    #[test]
    fn limits_are_read_as_they_were_stored() {
        let rate = |burst| Own::AtMost(Rate::new(7, burst).unwrap());
        for (limits, attributes) in [
            (OwnLimits::default(), 0),
            (OwnLimits { rate: rate(None), ..OwnLimits::default() }, 2),
            (OwnLimits { rate: rate(Some(300)), max_event_bytes: Own::AtMost(1), ..OwnLimits::default() }, 3),
            (OwnLimits { events_per_month: Own::AtMost(u64::MAX), ..OwnLimits::default() }, 1),
            (
                OwnLimits {
                    rate: Own::None,
                    events_per_month: Own::None,
                    max_endpoints: Own::None,
                    max_event_bytes: Own::None,
                },
                4,
            ),
        ] {
            let item = to_item(&LimitsItem::from(&limits)).unwrap();
            assert_eq!(item.len(), attributes, "{limits:?}");
            assert_eq!(read::<LimitsItem, OwnLimits>(item).unwrap(), limits);
        }
    }
}
