//! Which endpoints receive an event.

use tracing::{error, warn};

use crate::domain::endpoint::fan_out::{FanOut, Target};
use crate::domain::endpoint::filter::{EventView, Filter, RequestSteps, StepBudget};
use crate::domain::event::NewEvent;
use crate::domain::ids::OrganizationId;
use crate::telemetry::metrics;

/// After this many steps of filters, other tasks of the thread run: about half a millisecond at most.
const YIELD_AFTER_STEPS: u64 = 50_000;

/// The targets that receive an event, the oldest endpoint first. The event is parsed only if one of those that subscribe
/// to it has a filter. A filter that would take too long counts as matching, so that no delivery is lost. The event takes
/// its share of the steps of its request.
pub(super) async fn receivers<'a>(
    fan_out: &'a FanOut,
    organization: &OrganizationId,
    event: &NewEvent,
    request: &mut RequestSteps,
) -> Vec<&'a Target> {
    let targets = fan_out.subscribed(event);
    let filters = targets.iter().filter(|target| target.filter.is_some()).count();
    if filters == 0 {
        request.settle(&request.share(0));
        return targets;
    }
    let view = match event.view(organization) {
        Ok(view) => view,
        Err(error) => {
            error!(%organization, %error, "the data of an event cannot be compared with filters");
            request.settle(&request.share(0));
            return targets;
        }
    };
    let (mut budget, mut undecided, mut steps) = (request.share(filters), None, 0);
    let mut receivers = Vec::with_capacity(targets.len());
    for target in targets {
        let Some(filter) = &target.filter else {
            receivers.push(target);
            continue;
        };
        let (matches, taken) = compare(filter, &view, &mut budget);
        if matches != Some(false) {
            receivers.push(target);
        }
        if matches.is_none() {
            let (_, count) = undecided.unwrap_or((target.id, 0));
            undecided = Some((target.id, count + 1));
        }
        steps += taken;
        if steps >= YIELD_AFTER_STEPS {
            tokio::task::yield_now().await;
            steps = 0;
        }
    }
    request.settle(&budget);
    if let Some((endpoint, count)) = undecided {
        metrics::costly_filters(count);
        warn!(%organization, %endpoint, count, "filters would take too long and count as matching");
    }
    receivers
}

/// Compares the event with a filter, within its share of the budget. Also returns the steps that it took.
fn compare(filter: &Filter, event: &EventView<'_>, budget: &mut StepBudget) -> (Option<bool>, u64) {
    let share = budget.share();
    let matches = filter.matches(event, &share);
    budget.settle(&share);
    (matches, share.taken())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::domain::endpoint::fan_out::TargetStatus;
    use crate::domain::endpoint::filter::MAX_REQUEST_STEPS;
    use crate::domain::endpoint::lane::Lane;
    use crate::domain::endpoint::subscription::Subscription;
    use crate::domain::event::channel::Channels;
    use crate::domain::event::event_type::EventType;
    use crate::domain::ids::EndpointId;
    use crate::domain::time::Timestamp;

    /// Polls until the receivers are known. Returns them, and how often other tasks could run.
    fn found(filters: &[Option<&str>], data: &str) -> (Vec<u64>, usize) {
        found_in(&mut RequestSteps::new(1), &fan_out(filters), data)
    }

    fn fan_out(filters: &[Option<&str>]) -> FanOut {
        let compile = |text: &str| Arc::new(Filter::parse(text).unwrap());
        let target = |(number, filter): (u8, &Option<&str>)| Target {
            id: EndpointId::new(Timestamp::from_unix_seconds(number.into()), [1; 8]),
            status: TargetStatus::Active,
            is_suspended: false,
            subscriptions: vec![Subscription::All],
            edition: None,
            channels: Channels::default(),
            filter: filter.map(compile),
            lane: Lane::Fast,
            version: number.into(),
        };
        (0..).zip(filters).map(target).collect()
    }

    /// As [`found`], for the next event of a request.
    fn found_in(request: &mut RequestSteps, fan_out: &FanOut, data: &str) -> (Vec<u64>, usize) {
        let event = NewEvent::new(EventType::parse("a").unwrap(), data.to_owned());
        let organization = OrganizationId::new(Timestamp::from_unix_seconds(0), [1; 8]);
        let mut finding = Box::pin(receivers(fan_out, &organization, &event, request));
        let mut context = Context::from_waker(Waker::noop());
        for pauses in 0.. {
            if let Poll::Ready(found) = finding.as_mut().poll(&mut context) {
                return (found.iter().map(|target| target.version).collect(), pauses);
            }
        }
        unreachable!("a range without an end")
    }

    #[test]
    fn an_endpoint_receives_an_event_without_a_filter_or_if_its_filter_matches() {
        let filters = [None, Some(r#"{"data":{"n":[1]}}"#), Some(r#"{"data":{"n":[2]}}"#), None];
        assert_eq!(found(&filters, r#"{"n":1}"#), (vec![0, 1, 3], 0));
    }

    #[test]
    fn data_that_cannot_be_read_counts_as_matching() {
        assert_eq!(found(&[Some(r#"{"type":["b"]}"#)], "{"), (vec![0], 0));
    }

    #[test]
    fn costly_filters_let_other_tasks_run_between_them_and_count_as_matching() {
        let data = format!(r#"{{"a":"{}","n":2}}"#, "a".repeat(260_000));
        let costly = format!(r#"{{"data":{{"a":[{}]}}}}"#, vec![r#"{"wildcard":"*b*"}"#; 20].join(","));
        let mut filters = vec![Some(costly.as_str()); 10];
        filters.push(Some(r#"{"data":{"n":[1]}}"#));
        // 1,300,000 steps each: too many for ten of them, as each leaves the rest an equal share.
        assert_eq!(found(&filters, &data), ((0..10).collect(), 10));
        assert_eq!(found(&filters[..3], &data), (vec![], 3));
    }
    #[test]
    fn the_filters_of_a_batch_take_no_more_steps_than_those_of_a_request_may() {
        let data = format!(r#"{{"a":"{}","n":2}}"#, "a".repeat(2_100));
        let costly = format!(r#"{{"data":{{"a":[{}]}}}}"#, vec![r#"{"wildcard":"*b*"}"#; 190].join(","));
        let mut filters = vec![Some(costly.as_str()); 20];
        filters.push(Some(r#"{"data":{"n":[1]}}"#));
        let (fan_out, mut request) = (fan_out(&filters), RequestSteps::new(100));
        for number in 0..100 {
            let (receivers, _) = found_in(&mut request, &fan_out, &data);
            assert!(!receivers.is_empty() && !receivers.contains(&20), "event {number}: {receivers:?}");
        }
        assert!(request.left() < MAX_REQUEST_STEPS / 20, "{request:?}");
    }
}
