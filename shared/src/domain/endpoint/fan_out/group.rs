//! The groups in which an organization's targets are stored.

use std::fmt;

use crate::domain::ids::EndpointId;

/// How many endpoints of an organization go to group 0 before further ones are spread over all groups.
const FIRST_GROUP_ENDPOINTS: u64 = 64;

/// A group of an organization's endpoints. Publishing reads only the groups that have changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FanOutGroup(u8);

impl FanOutGroup {
    /// The number of groups.
    pub const COUNT: u8 = 16;

    /// Every group, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The group with this number, from 0 to 15; `None` for any other number.
    pub fn new(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// The group of a new endpoint in an organization that has this many endpoints. A small organization has one
    /// group, so that one query reads all its targets.
    pub const fn of_new(endpoint: EndpointId, endpoints: u64) -> Self {
        if endpoints < FIRST_GROUP_ENDPOINTS { Self(0) } else { Self(endpoint.uuid().as_bytes()[13] % Self::COUNT) }
    }

    /// The group's number, from 0 to 15.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for FanOutGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
