//! The deletion of an organization: what is removed in which order, and when each pass begins.
//!
//! The first pass turns each endpoint into the item that records its deletion, and goes by these items through the
//! deliveries. So the second pass knows the id of every endpoint, and finds what late writers wrote since. Passes follow
//! until one finds nothing; then the organization itself is removed.

use std::fmt;
use std::time::Duration;

use super::{Cursor, Job, JobState, Pass};
use crate::domain::ids::EndpointId;
use crate::domain::time::Timestamp;

/// How long after the change of the status the first pass begins. A publish request that began before has ended then,
/// and no process uses the former status any more.
pub const BEGINS_AFTER: Duration = Duration::from_secs(60);
/// How long after the end of the first pass the next one begins. A process writes its counts of usage until 13 minutes
/// after it began to count, without reading the status.
pub const SECOND_PASS_AFTER: Duration = Duration::from_secs(15 * 60);
/// How long after each further pass the next one begins. A run of the sweep that read the job before has ended then. So
/// the last pass, which finds nothing, is the only one at work, and no process removes anything of another organization
/// that gets the same id.
pub const LAST_PASS_AFTER: Duration = Duration::from_secs(120);

/// What a deletion removes next. Each variant but the last removes a page of items, until none is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The organization's other jobs.
    Jobs,
    /// The fan-out items of endpoints.
    FanOut,
    /// Endpoints. Each is replaced by the item that records its deletion.
    Endpoints,
    /// Deliveries, lists of deliveries, attempts, statistics and health counters of the deleted endpoints after this one. After the first pass
    /// also the items that record the deletions.
    Deliveries(Option<EndpointId>),
    /// Events.
    Events,
    /// Idempotency keys.
    IdempotencyKeys,
    /// External ids of endpoints and events.
    ExternalIds,
    /// Public keys of endpoints.
    PublicKeys,
    /// API keys, by their hashes and in the organization.
    ApiKeys,
    /// The times of the last uses of API keys.
    KeyUses,
    /// Portal sessions.
    PortalSessions,
    /// Usage.
    Usage,
    /// The state of the rate limit.
    Rate,
    /// The organization, the copies of its state, its slug and external id, the answer to the request that created it, and the
    /// job itself.
    Organization,
}

/// What a page of a deletion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// What is removed next; `None` at the end of a pass.
    pub next: Option<Removal>,
    /// How many items were removed.
    pub items: usize,
    /// How many write units this took, approximately.
    pub write_units: usize,
}

impl Removal {
    /// What a pass removes first.
    pub const FIRST: Self = Self::Jobs;

    /// What a pass removes when nothing of this is left; `None` at the end of the pass.
    pub const fn following(self) -> Option<Self> {
        Some(match self {
            Self::Jobs => Self::FanOut,
            Self::FanOut => Self::Endpoints,
            Self::Endpoints => Self::Deliveries(None),
            Self::Deliveries(_) => Self::Events,
            Self::Events => Self::IdempotencyKeys,
            Self::IdempotencyKeys => Self::ExternalIds,
            Self::ExternalIds => Self::PublicKeys,
            Self::PublicKeys => Self::ApiKeys,
            Self::ApiKeys => Self::KeyUses,
            Self::KeyUses => Self::PortalSessions,
            Self::PortalSessions => Self::Usage,
            Self::Usage => Self::Rate,
            Self::Rate | Self::Organization => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::FanOut => "fan_out",
            Self::Endpoints => "endpoints",
            Self::Deliveries(_) => "deliveries",
            Self::Events => "events",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::ExternalIds => "external_ids",
            Self::PublicKeys => "public_keys",
            Self::ApiKeys => "api_keys",
            Self::KeyUses => "key_uses",
            Self::PortalSessions => "portal_sessions",
            Self::Usage => "usage",
            Self::Rate => "rate",
            Self::Organization => "organization",
        }
    }

    /// Reads the printed form; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(after) = text.strip_prefix("deliveries#") {
            return Some(Self::Deliveries(Some(EndpointId::parse(after).ok()?)));
        }
        let all = std::iter::successors(Some(Self::FIRST), |removal| removal.following());
        all.chain([Self::Organization]).find(|removal| removal.name() == text)
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliveries(Some(after)) => write!(f, "deliveries#{after}"),
            other => f.write_str(other.name()),
        }
    }
}

impl Job {
    /// Whether the first pass has ended.
    pub const fn has_passed(&self) -> bool {
        self.pass.number > 0
    }

    /// The deletion of an organization after a page.
    #[must_use]
    pub fn after_removal(&self, removed: &Removed, now: Timestamp) -> Self {
        let pace = self.pace.after(removed.write_units);
        let is_left = self.pass.is_left || removed.items > 0;
        let from = |removal| Pass { from: Cursor::Removal(removal), is_left, ..self.pass };
        let (pass, state) = match removed.next {
            Some(next) => (from(next), JobState::Open(pace.waits_until().unwrap_or(now))),
            None if self.has_passed() && !is_left => (from(Removal::Organization), self.state),
            None => {
                let wait = if self.has_passed() { LAST_PASS_AFTER } else { SECOND_PASS_AFTER };
                let next = Pass { number: self.pass.number + 1, is_left: false, ..from(Removal::FIRST) };
                (next, JobState::Open(now.plus(wait)))
            }
        };
        Self { pass, pace, state, moved: self.moved + removed.items as u64, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Work;
    use super::*;
    use crate::domain::ids::OrganizationId;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn deletion() -> Job {
        let organization = OrganizationId::new(NOW, [1; 8]);
        Job::new(&organization, Work::DeleteOrganization(organization.clone()), NOW)
    }

    const fn page(next: Option<Removal>, write_units: usize) -> Removed {
        Removed { next, items: write_units, write_units }
    }

    #[test]
    fn a_deletion_removes_the_organization_after_a_later_pass_that_finds_nothing() {
        let job = deletion();
        assert!(!job.is_due(at(59)) && job.is_due(at(60)));
        let begun = job.at(0, at(60)).after_removal(&page(Some(Removal::FanOut), 2), at(60));
        assert_eq!((begun.pass.from, begun.is_due(at(60))), (Cursor::Removal(Removal::FanOut), true));
        let first = begun.at(0, at(70)).after_removal(&page(None, 0), at(70));
        assert!(first.has_passed() && !first.is_due(at(969)) && first.is_due(at(970)));
        let start = Cursor::Removal(Removal::FIRST);
        assert_eq!(first.pass.from, start);
        let second = first.at(0, at(970)).after_removal(&page(Some(Removal::Events), 3), at(975));
        let second = second.at(0, at(975)).after_removal(&page(None, 0), at(980));
        assert_eq!((second.pass.from, second.is_due(at(1_099)), second.is_due(at(1_100))), (start, false, true));
        let last = second.at(0, at(1_100)).after_removal(&page(None, 0), at(1_100));
        assert_eq!((last.pass.from, last.is_due(at(1_100))), (Cursor::Removal(Removal::Organization), true));
        assert_eq!(last.moved, 5);
    }

    #[test]
    fn a_deletion_waits_for_the_next_step_when_the_write_units_of_a_step_are_used_up() {
        let begun = deletion().at(0, at(60));
        let half = begun.after_removal(&page(Some(Removal::Events), 9_000), at(60));
        assert!(half.is_due(at(60)));
        let full = half.at(0, at(61)).after_removal(&page(Some(Removal::Events), 9_000), at(61));
        assert_eq!(full.state, JobState::Open(at(70)));
    }

    #[test]
    fn each_step_of_a_deletion_is_read_back() {
        let mut all: Vec<_> = std::iter::successors(Some(Removal::FIRST), |removal| removal.following()).collect();
        all.extend([Removal::Organization, Removal::Deliveries(Some(EndpointId::new(NOW, [1; 8])))]);
        for removal in all {
            assert_eq!(Cursor::parse(&removal.to_string()), Some(Cursor::Removal(removal)));
        }
        for text in ["", "deliveries#", "deliveries#x", "organizations"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
