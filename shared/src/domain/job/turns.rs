//! The order in which the pages of jobs are done. Organizations take turns, and so do the jobs of each organization, so
//! an organization with many jobs, or a job with many deliveries, does one page and then waits for the others.

use std::collections::VecDeque;

use super::Job;
use crate::domain::ids::OrganizationId;

/// A queue of jobs for each organization.
#[derive(Debug, Default)]
pub struct Turns {
    organizations: VecDeque<(OrganizationId, VecDeque<Job>)>,
}

impl Turns {
    /// Adds a job to the end of its organization's queue. An organization without queued jobs gets the last turn.
    pub fn push(&mut self, job: Job) {
        match self.organizations.iter_mut().find(|(organization, _)| *organization == job.organization) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.organizations.push_back((job.organization.clone(), VecDeque::from([job]))),
        }
    }
}

/// Removes and returns the job whose turn it is; `None` if no jobs are queued.
impl Iterator for Turns {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        let (organization, mut jobs) = self.organizations.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.organizations.push_back((organization, jobs));
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use super::super::Work;
    use super::*;
    use crate::domain::ids::EndpointId;
    use crate::domain::time::Timestamp;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn job(organization: u8, endpoint: u8) -> Job {
        let work = Work::Release(EndpointId::new(NOW, [endpoint; 8]));
        Job::new(&OrganizationId::new(NOW, [organization; 8]), work, NOW)
    }

    #[test]
    fn organizations_take_turns_and_so_do_the_jobs_of_each() {
        let mut turns = Turns::default();
        let all = [job(1, 1), job(1, 2), job(1, 3), job(2, 4), job(3, 5)];
        all.iter().cloned().for_each(|job| turns.push(job));
        let mut order = Vec::new();
        for _ in 0..9 {
            let next = turns.next().unwrap();
            order.push(all.iter().position(|job| *job == next).unwrap());
            turns.push(next);
        }
        assert_eq!(order, [0, 3, 4, 1, 3, 4, 2, 3, 4]);
        while turns.next().is_some() {}
        assert_eq!(turns.next(), None);
    }
}
