//! The part of a sweep run that sends due deliveries. The partitions of the index belong to all tenants, and organizations
//! take turns: one that has more due deliveries than the sweep sends does not delay those of others.
//!
//! The order of a partition is that of time, so the others' deliveries are behind the backlog of such an organization. So
//! a run also reads what is due in the next three minutes, and gives half of its turns to it. Each delivery is read by
//! two or three runs before its time, and is sent in one of them, unless more is due in that time than is read.

use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, stream};

use super::{Run, Sweeper};
use crate::domain::delivery::Mark;
use crate::domain::endpoint::lane::Route;
use crate::domain::tenancy::turns::Turns;
use crate::domain::time::Timestamp;
use crate::service::ServiceError;
use crate::store::{DueRef, DueSpan, WaitingRef};
use crate::telemetry::metrics;

/// How many entries a query of overdue deliveries reads, and how many deliveries are leased and sent one after the other.
const PAGE: usize = 100;
/// How many deliveries that are not due yet are read at once of a partition, if it has more than a page. With 64 partitions,
/// these are the deliveries of three minutes if 1,000 are due each second.
const MAX_AHEAD: usize = 3_000;
/// How many partitions are read concurrently, and how many pages are sent concurrently. Jobs have a separate limit of the
/// same size, so due deliveries occupy at most half of a run while jobs are due.
const MAX_CONCURRENT: usize = 8;
/// How long before its time a parked delivery is sent, in a message that is delayed until then. The sweep runs every
/// minute, and a run may be late.
const LOOK_AHEAD: Duration = Duration::from_secs(180);

/// The deliveries that a run has read and not sent.
#[derive(Debug, Default)]
struct Due {
    overdue: Turns<WaitingRef>,
    ahead: Turns<WaitingRef>,
    is_turn_ahead: bool,
}

impl Due {
    fn push(&mut self, found: &DueRef, now: Timestamp) {
        let turns = if is_overdue(found.waiting.mark, now) { &mut self.overdue } else { &mut self.ahead };
        turns.push(&found.organization, found.waiting);
    }
}

/// Half of the turns are those of overdue deliveries.
impl Iterator for Due {
    type Item = WaitingRef;

    fn next(&mut self) -> Option<WaitingRef> {
        let Self { overdue, ahead, is_turn_ahead } = self;
        *is_turn_ahead = !*is_turn_ahead;
        if *is_turn_ahead { ahead.next().or_else(|| overdue.next()) } else { overdue.next().or_else(|| ahead.next()) }
    }
}

/// What was read of a partition.
struct Read {
    found: Vec<DueRef>,
    /// What was not read.
    rest: [Option<DueSpan>; 2],
}

impl Sweeper {
    /// Sends the due deliveries, until none is left or `deadline` has passed.
    pub(super) async fn send_all_due(&self, deadline: Timestamp) -> Run {
        let (mut run, mut due) = (Run::default(), Due::default());
        let started_at = self.clock.now();
        let mut spans: Vec<_> = DueSpan::all(started_at.plus(LOOK_AHEAD)).collect();
        let (partitions, mut read, mut oldest) = (spans.len(), 0, Duration::ZERO);
        let mut is_first = true;
        while !spans.is_empty() && self.clock.now() < deadline {
            let reads = spans.drain(..).map(|span| self.read_due(span, is_first, started_at)).collect::<Vec<_>>();
            let mut reads = stream::iter(reads).buffer_unordered(MAX_CONCURRENT);
            while let Some(result) = reads.next().await {
                let Some(result) = run.record("due deliveries", result) else { continue };
                if is_first {
                    let lateness =
                        result.found.first().map_or(Duration::ZERO, |it| lateness(it.waiting.mark, started_at));
                    (read, oldest) = (read + 1, oldest.max(lateness));
                }
                result.found.iter().for_each(|found| due.push(found, started_at));
                spans.extend(result.rest.into_iter().flatten());
            }
            drop(reads);
            is_first = false;
            // The overdue deliveries that were read, and as many of the others. Then more of the overdue ones are read.
            let overdue = due.overdue.count_queued();
            let most = if spans.is_empty() || overdue == 0 { usize::MAX } else { 2 * overdue };
            if !self.send_due(&mut run, due.by_ref().take(most), deadline).await {
                break;
            }
        }
        // If a partition could not be read, the metric is not emitted. The alarm treats missing data as a failure.
        if read == partitions {
            metrics::overdue(oldest);
        }
        run
    }

    /// Reads a page of a part of a partition. If the first page of a partition is full, also reads what is not due yet.
    async fn read_due(&self, span: DueSpan, is_first: bool, now: Timestamp) -> Result<Read, ServiceError> {
        let (mut found, rest) = self.store.due_deliveries(span, PAGE).await?;
        let Some(rest) = rest else { return Ok(Read { found, rest: [None, None] }) };
        if !is_first {
            return Ok(Read { found, rest: [Some(rest), None] });
        }
        let [overdue, ahead] = rest.split(now);
        let Some(ahead) = ahead else { return Ok(Read { found, rest: [overdue, None] }) };
        let (more, rest) = self.store.due_deliveries(ahead, MAX_AHEAD).await?;
        found.extend(more);
        Ok(Read { found, rest: [overdue, rest] })
    }

    /// Leases and sends deliveries in pages, until `deadline`. Returns whether the run goes on: if deliveries were leased
    /// and could not be sent, it leases no more. A page may contain leases that have not ended. They stay as they are. The
    /// deliveries belong to several endpoints, which are not read, so they have the default route.
    async fn send_due(&self, run: &mut Run, due: impl Iterator<Item = WaitingRef>, deadline: Timestamp) -> bool {
        let due: Vec<_> = due.collect();
        let (mut pages, mut sending, mut goes_on) = (due.chunks(PAGE), FuturesUnordered::new(), true);
        loop {
            while sending.len() < MAX_CONCURRENT
                && goes_on
                && self.clock.now() < deadline
                && let Some(page) = pages.next()
            {
                sending.push(self.releaser.lease_and_send(page, Route::default(), None));
            }
            let Some(sent) = sending.next().await else { return goes_on };
            match run.record("due deliveries", sent) {
                Some(sent) => {
                    run.swept.due += sent.count;
                    run.record("due deliveries", sent.failure.map_or(Ok(()), Err));
                }
                None => goes_on = false,
            }
        }
    }
}

fn lateness(mark: Mark, now: Timestamp) -> Duration {
    if let Mark::Due(at) = mark { now.since(at) } else { Duration::ZERO }
}

fn is_overdue(mark: Mark, now: Timestamp) -> bool {
    matches!(mark, Mark::Due(at) if at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{DeliveryId, EndpointId, EventId, OrganizationId};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_774_382_400);

    fn found(organization: u8, seconds_late: i64) -> DueRef {
        let at = Timestamp::from_unix_seconds(1_774_382_400 - seconds_late);
        let delivery: DeliveryId = EventId::new(at, [organization; 8]).delivery(0).unwrap();
        let waiting = WaitingRef { endpoint: EndpointId::new(NOW, [0; 8]), delivery, mark: Mark::Due(at) };
        DueRef { organization: OrganizationId::new(NOW, [organization; 8]), waiting }
    }

    #[test]
    fn half_of_the_turns_are_of_overdue_deliveries_and_organizations_take_turns_in_each_half() {
        let mut due = Due::default();
        let all: Vec<_> =
            [(1, 9), (1, 8), (1, 7), (2, 6), (1, -5), (1, -6), (3, -7)].map(|(of, late)| found(of, late)).into();
        all.iter().for_each(|found| due.push(found, NOW));
        let order: Vec<_> = due.map(|next| all.iter().position(|found| found.waiting == next).unwrap()).collect();
        assert_eq!(order, [4, 0, 6, 3, 5, 1, 2]);
    }
}
