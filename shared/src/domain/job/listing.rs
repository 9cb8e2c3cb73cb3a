//! Which due jobs the sweep lists. The limits keep an organization with any number of due jobs from filling the list, and
//! from making it too large to be read.

use std::collections::{HashMap, HashSet};

use crate::domain::ids::{JobId, OrganizationId};

/// Most jobs of a listing.
const MAX_JOBS: usize = 500;
/// Most jobs of an organization in a listing.
const MAX_OF_ORGANIZATION: usize = 100;

/// The jobs of a listing, which are chosen in the order in which they are due.
#[derive(Debug, Default)]
pub struct Listing {
    seen: HashSet<JobId>,
    chosen: usize,
    of_organizations: HashMap<OrganizationId, usize>,
}

impl Listing {
    /// A listing without these jobs.
    pub fn without(jobs: &HashSet<JobId>) -> Self {
        Self { seen: jobs.clone(), ..Self::default() }
    }

    /// Whether no more jobs are chosen.
    pub const fn is_full(&self) -> bool {
        self.chosen >= MAX_JOBS
    }

    /// Whether a due job is chosen. A job that was chosen before is not.
    pub fn chooses(&mut self, organization: &OrganizationId, job: JobId) -> bool {
        let of_organization = self.of_organizations.entry(organization.clone()).or_default();
        if self.chosen >= MAX_JOBS || *of_organization >= MAX_OF_ORGANIZATION || !self.seen.insert(job) {
            return false;
        }
        self.chosen += 1;
        *of_organization += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn a_listing_has_a_hundred_jobs_of_an_organization_and_five_hundred_in_all() {
        let organization = |n| OrganizationId::new(Timestamp::from_unix_seconds(0), [n; 8]);
        let job = |n| JobId::from_uuid(Uuid::from_u128(n));
        let mut listing = Listing::without(&HashSet::from([job(0)]));
        let of_one = (0..1_000).filter(|n| listing.chooses(&organization(1), job(*n))).collect::<Vec<_>>();
        assert_eq!(of_one, (1..=100).collect::<Vec<_>>(), "the first, without the one that is left out");
        assert!(!listing.chooses(&organization(2), job(1)), "chosen before");
        for n in 2..=5 {
            assert!(!listing.is_full());
            let base = u128::from(n) * 1_000;
            let chosen = (base..base + 200).filter(|id| listing.chooses(&organization(n), job(*id))).count();
            assert_eq!(chosen, 100, "{n}");
        }
        assert!(listing.is_full());
        assert!(!listing.chooses(&organization(6), job(9_999)));
    }
}
