//! Limits of operations that would otherwise use up what all organizations share. They are the same for every organization.

use super::Rate;
use crate::domain::ids::EndpointId;

/// A fixed limit of an operation. Each value has a bucket of its own in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Resends to an endpoint. The circuit breaker does not count them, and each may occupy a batch of the slow lane for the
    /// endpoint's timeout.
    Resends(EndpointId),
    /// Deliveries that all recoveries and replays of an endpoint send, whatever they select.
    Restarts(EndpointId),
    /// Read units of an organization's dry runs of replays.
    DryRuns,
}

impl Quota {
    /// The name of the limit in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resends(_) => "resends_per_second",
            Self::Restarts(_) => "recovered_per_second",
            Self::DryRuns => "dry_runs",
        }
    }

    /// The rate, and how much is possible at the same moment.
    pub const fn rate(self) -> Rate {
        match self {
            Self::Resends(_) => Rate { per_second: 1, burst: 20 },
            // One recovery begins with 500 and a step of 1,000 deliveries, and has the rate of this limit. The rest of the burst
            // is for clocks that differ.
            Self::Restarts(_) => Rate { per_second: 100, burst: 2_000 },
            // Ten of the largest dry runs, and then one in ten seconds.
            Self::DryRuns => Rate { per_second: 820, burst: 82_000 },
        }
    }
}
