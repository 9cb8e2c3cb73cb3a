//! Fan-out: which of an organization's endpoints receive an event.
//!
//! Publishing reads targets instead of endpoints. A target has the attributes that the fan-out needs, and contains
//! no secret, header or URL.

mod group;
mod size;
mod target;

use std::sync::Arc;

use crate::domain::endpoint::lane::Route;
use crate::domain::event::NewEvent;
use crate::domain::ids::EndpointId;

pub use group::FanOutGroup;
pub use size::{FanOutLimit, FanOutSize, LARGE_FAN_OUT_BYTES, MAX_FAN_OUT_BYTES};
pub use target::{Target, TargetStatus};

/// The targets of an organization, in groups. Each group is sorted by id.
#[derive(Debug, Clone, Default)]
pub struct FanOut(Vec<Arc<[Target]>>);

impl FanOut {
    /// A fan-out of these groups. Each group must be sorted by id.
    pub const fn new(groups: Vec<Arc<[Target]>>) -> Self {
        Self(groups)
    }

    /// Every target.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.0.iter().flat_map(|group| group.iter())
    }

    /// Whether any endpoint receives the event, whatever its filter.
    pub fn wants(&self, event: &NewEvent) -> bool {
        self.targets().any(|target| target.wants(event))
    }

    /// The targets that receive the event if their filters match, the oldest endpoint first, whatever their groups.
    pub fn subscribed(&self, event: &NewEvent) -> Vec<&Target> {
        let mut wanting: Vec<_> = self.targets().filter(|target| target.wants(event)).collect();
        wanting.sort_unstable_by_key(|target| target.id);
        wanting
    }

    /// How to send a message for this endpoint; the default route if the endpoint has no target.
    pub fn route_of(&self, endpoint: EndpointId) -> Route {
        let find = |group: &Arc<[Target]>| {
            let at = group.binary_search_by_key(&endpoint, |target| target.id).ok()?;
            group.get(at).map(Target::route)
        };
        self.0.iter().find_map(find).unwrap_or_default()
    }
}

impl FromIterator<Target> for FanOut {
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        let mut targets: Vec<_> = targets.into_iter().collect();
        targets.sort_unstable_by_key(|target| target.id);
        Self(vec![targets.into()])
    }
}

#[cfg(test)]
mod tests;
