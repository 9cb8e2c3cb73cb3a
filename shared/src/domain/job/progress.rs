//! How far a job is.

use super::{Cursor, JobKind};
use crate::domain::ids::DeliveryId;
use crate::domain::time::Timestamp;

/// How many examined items count as much as one that is moved.
const EXAMINED_PER_MOVED: usize = 10;

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// The job is open, and its next page is due at this time.
    Open(Timestamp),
    /// The job ended at this time: no deliveries are left, or a later change made it pointless.
    Done(Timestamp),
    /// The owner cancelled the job at this time.
    Cancelled(Timestamp),
}

impl JobState {
    /// The names of all states, in the order of the variants.
    pub const NAMES: [&'static str; 3] = ["open", "done", "cancelled"];

    /// The name in storage and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open(_) => Self::NAMES[0],
            Self::Done(_) => Self::NAMES[1],
            Self::Cancelled(_) => Self::NAMES[2],
        }
    }

    /// When the job ended; `None` if it is open.
    pub const fn ended_at(self) -> Option<Timestamp> {
        match self {
            Self::Open(_) => None,
            Self::Done(at) | Self::Cancelled(at) => Some(at),
        }
    }
}

/// Why a job cannot be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCancelled {
    /// The job has ended.
    #[error("the job has ended")]
    Ended,
    /// Deliveries would be held for good without it, or what was to be removed would stay.
    #[error("a job of the kind {} cannot be cancelled", .0.as_str())]
    Required(JobKind),
}

/// One walk through all that a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// How many passes ended before this one.
    pub number: u32,
    /// When the first page of this pass began. Until then, when the previous pass began.
    pub began_at: Timestamp,
    /// How far it is.
    pub from: Cursor,
    /// Whether a delivery was passed that could not be read or moved.
    pub is_left: bool,
}

impl Pass {
    pub(super) const fn new(from: Cursor, began_at: Timestamp) -> Self {
        Self { number: 0, began_at, from, is_left: false }
    }
}

/// The result of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    /// The last delivery of the page; `None` if it is the last page of its pass.
    pub last: Option<DeliveryId>,
    /// How many deliveries of the page count towards the step's number; see [`Page::pace_of`].
    pub paced: usize,
    /// How many deliveries were moved.
    pub moved: usize,
    /// Whether a delivery could not be read or moved.
    pub is_left: bool,
}

impl Page {
    /// What [`Page::paced`] is for a page that looks at more items than it moves. Ten items that are examined count as one
    /// that is moved, so that a job which finds nothing to move keeps a pace too.
    pub fn pace_of(moved: usize, examined: usize) -> usize {
        moved.max(examined.div_ceil(EXAMINED_PER_MOVED))
    }
}
