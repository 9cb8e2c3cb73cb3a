//! How far a pass of a job is.

use std::fmt;

use super::removal::Removal;
use crate::domain::ids::DeliveryId;

/// The first thing that a pass has not gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// A delivery, in the order of the ids. For [`Work::SendAll`](super::Work::SendAll), all from this one on were gone
    /// through.
    Delivery(DeliveryId),
    /// What the deletion of an organization removes next.
    Removal(Removal),
}

impl Cursor {
    /// The delivery; `None` for the deletion of an organization.
    pub const fn delivery(self) -> Option<DeliveryId> {
        match self {
            Self::Delivery(delivery) => Some(delivery),
            Self::Removal(_) => None,
        }
    }

    /// Reads the printed form; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        match DeliveryId::parse(text) {
            Ok(delivery) => Some(Self::Delivery(delivery)),
            Err(_) => Removal::parse(text).map(Self::Removal),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivery(delivery) => delivery.fmt(f),
            Self::Removal(removal) => removal.fmt(f),
        }
    }
}
