//! The operations of the sequences, and their probabilities.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use shared::domain::endpoint::lane::Lane;

use super::isolation::{ORGANIZATIONS, QUIET, TROUBLED, owner};

/// The number of endpoints of the troubled organization.
pub(super) const ENDPOINTS: usize = 3;
/// The maximum number of writes and sends after which a process dies, for the consumer and the sweep, and for a request
/// to the API. They make about this number of calls.
const MOST_CALLS_OF_WORK: usize = 20;
const MOST_CALLS_OF_API: usize = 10;
/// The maximum number of turns of the other processes before messages are delivered a second time.
const MOST_TURNS: usize = 50;
/// A number of consecutive failures that can suspend an endpoint.
const STREAK: usize = 12;

/// One operation. `cut` is the number of writes and sends after which its process dies; `None` if it does not die.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// An organization publishes events in one request.
    Publish { by: usize, events: usize, cut: Option<usize> },
    /// An organization publishes a message in the `svix` dialect, and perhaps repeats the request at once.
    PublishMessage { by: usize, twice: bool, cut: Option<usize> },
    /// A publisher repeats a request that was not answered.
    Repeat,
    /// The receiver of an endpoint answers its next requests in these ways.
    Script { endpoint: usize, reactions: Vec<Reaction> },
    /// Processes run concurrently. The first of them may die.
    Run { processes: Vec<Work>, cut: Option<usize> },
    /// A copy of a message is sent.
    Duplicate { message: usize },
    /// The visible messages have been received so often that the next receive moves them to the dead-letter queue.
    WearOut,
    /// The operator moves the dead letters back to the queue.
    Redrive,
    /// Time passes.
    Pass(Duration),
    /// The owner of an endpoint sets its status.
    SetStatus { endpoint: usize, status: &'static str, cut: Option<usize> },
    /// The owner of an endpoint deletes it.
    Delete { endpoint: usize, cut: Option<usize> },
    /// An endpoint is moved to this lane, as the circuit breaker does.
    SetLane { endpoint: usize, lane: Lane },
    /// The owner of an endpoint sets its URL to that of its receiver, or to one that refuses connections.
    Move { endpoint: usize, reachable: bool },
    /// The owner retries a delivery.
    Retry { delivery: usize, cut: Option<usize> },
    /// The owner resends a delivery.
    Resend { delivery: usize, cut: Option<usize> },
    /// The owner requests a recovery of all failed deliveries of an endpoint.
    Recover { endpoint: usize, cut: Option<usize> },
    /// The owner removes the data of a delivery's event.
    Expunge { delivery: usize, cut: Option<usize> },
    /// The platform deletes the troubled organization.
    DeleteOrganization { cut: Option<usize> },
    /// The platform gives the event type a schema that every event satisfies or that none does, or removes the type.
    SetType { accepts: Option<bool>, cut: Option<usize> },
    /// The owner requests a replay of all events for an endpoint.
    Replay { endpoint: usize, what: &'static str, cut: Option<usize> },
    /// The owner cancels a job of the troubled organization.
    CancelJob { job: usize, cut: Option<usize> },
    /// The operator requests that all deliveries of both organizations that should be in the queue are sent again.
    SendAll,
    /// The platform suspends or resumes the troubled organization.
    SetOrganization { suspended: bool },
    /// The platform sets or removes a rate limit of an organization. All sequences stay below the limit.
    SetLimit { of: usize, limited: bool },
    /// An organization calls a route with the ids of the other one.
    Trespass { by: usize, route: usize },
    /// A new process with empty caches replaces the consumer.
    Restart,
    /// Sets whether the receipt handles of former receives work.
    FormerReceipts { act: bool },
}

/// The work of a process.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    Deliver {
        lane: Lane,
        most: u32,
    },
    Sweep,
    /// The messages in flight become visible again, after this number of turns of the other processes.
    Redeliver {
        turns: usize,
    },
}

/// The response of a receiver.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reaction {
    Ok,
    Fail,
    /// 503 with a `Retry-After` of an hour.
    Later,
    Gone,
}

impl Operation {
    /// The organizations of which the operation may change nothing.
    pub(super) fn spares(&self) -> [bool; ORGANIZATIONS] {
        let except = |actor: usize| [0, 1].map(|organization| organization != actor);
        match self {
            Self::Publish { by, .. } | Self::PublishMessage { by, .. } => except(*by),
            Self::SetLimit { of, .. } => except(*of),
            Self::SetLane { endpoint, .. } => except(owner(*endpoint)),
            Self::Script { .. } | Self::Trespass { .. } | Self::SetType { .. } | Self::WearOut | Self::Redrive => {
                [true; ORGANIZATIONS]
            }
            Self::SetStatus { .. }
            | Self::Delete { .. }
            | Self::Move { .. }
            | Self::Retry { .. }
            | Self::Resend { .. }
            | Self::Recover { .. }
            | Self::Expunge { .. }
            | Self::DeleteOrganization { .. }
            | Self::Replay { .. }
            | Self::CancelJob { .. }
            | Self::SetOrganization { .. } => except(TROUBLED),
            // Processes and messages belong to both organizations.
            Self::Repeat
            | Self::Run { .. }
            | Self::SendAll
            | Self::Duplicate { .. }
            | Self::Pass(_)
            | Self::Restart
            | Self::FormerReceipts { .. } => [false; ORGANIZATIONS],
        }
    }

    /// Whether it calls the API for the troubled organization, other than to publish.
    pub(super) fn manages_the_troubled_organization(&self) -> bool {
        match self {
            Self::SetLimit { of, .. } => *of == TROUBLED,
            Self::SetStatus { .. }
            | Self::Delete { .. }
            | Self::SetLane { .. }
            | Self::Move { .. }
            | Self::Retry { .. }
            | Self::Recover { .. }
            | Self::Replay { .. }
            | Self::Expunge { .. }
            | Self::DeleteOrganization { .. }
            | Self::CancelJob { .. }
            | Self::SetOrganization { .. }
            | Self::Trespass { .. } => true,
            _ => false,
        }
    }
}

/// A random operation.
pub(super) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (organization(), 1..=3_usize, cut(MOST_CALLS_OF_API))
            .prop_map(|(by, events, cut)| Operation::Publish { by, events, cut }),
        3 => (organization(), any::<bool>(), cut(MOST_CALLS_OF_API))
            .prop_map(|(by, twice, cut)| Operation::PublishMessage { by, twice, cut }),
        1 => Just(Operation::Repeat),
        4 => (endpoint(), reactions())
            .prop_map(|(endpoint, reactions)| Operation::Script { endpoint, reactions }),
        14 => (prop::collection::vec(work(), 1..=3), cut(MOST_CALLS_OF_WORK))
            .prop_map(|(processes, cut)| Operation::Run { processes, cut }),
        3 => any::<prop::sample::Index>().prop_map(|at| Operation::Duplicate { message: at.index(usize::MAX) }),
        1 => Just(Operation::WearOut),
        1 => Just(Operation::Redrive),
        8 => select(vec![1, 5, 30, 61, 361, 960]).prop_map(|seconds| Operation::Pass(Duration::from_secs(seconds))),
        4 => (endpoint(), select(vec!["active", "active", "paused", "disabled"]), cut(MOST_CALLS_OF_API))
            .prop_map(|(endpoint, status, cut)| Operation::SetStatus { endpoint, status, cut }),
        1 => (endpoint(), cut(MOST_CALLS_OF_API)).prop_map(|(endpoint, cut)| Operation::Delete { endpoint, cut }),
        2 => (endpoint(), lane()).prop_map(|(endpoint, lane)| Operation::SetLane { endpoint, lane }),
        1 => (endpoint(), any::<bool>()).prop_map(|(endpoint, reachable)| Operation::Move { endpoint, reachable }),
        2 => (any::<prop::sample::Index>(), cut(MOST_CALLS_OF_API))
            .prop_map(|(at, cut)| Operation::Retry { delivery: at.index(usize::MAX), cut }),
        2 => (any::<prop::sample::Index>(), cut(MOST_CALLS_OF_API))
            .prop_map(|(at, cut)| Operation::Resend { delivery: at.index(usize::MAX), cut }),
        1 => (endpoint(), cut(MOST_CALLS_OF_API)).prop_map(|(endpoint, cut)| Operation::Recover { endpoint, cut }),
        2 => (endpoint(), select(vec!["failed", "missed", "all"]), cut(MOST_CALLS_OF_API))
            .prop_map(|(endpoint, what, cut)| Operation::Replay { endpoint, what, cut }),
        1 => (any::<prop::sample::Index>(), cut(MOST_CALLS_OF_API))
            .prop_map(|(at, cut)| Operation::CancelJob { job: at.index(usize::MAX), cut }),
        3 => removal(),
        2 => (select(vec![Some(true), Some(true), Some(false), None]), cut(MOST_CALLS_OF_API))
            .prop_map(|(accepts, cut)| Operation::SetType { accepts, cut }),
        1 => Just(Operation::SendAll),
        2 => any::<bool>().prop_map(|suspended| Operation::SetOrganization { suspended }),
        1 => (organization(), any::<bool>()).prop_map(|(of, limited)| Operation::SetLimit { of, limited }),
        2 => (organization(), any::<prop::sample::Index>())
            .prop_map(|(by, at)| Operation::Trespass { by, route: at.index(usize::MAX) }),
        1 => Just(Operation::Restart),
        1 => any::<bool>().prop_map(|act| Operation::FormerReceipts { act }),
    ]
}

/// The removal of data. After that of the organization, most of a sequence is without effect, so it is rare.
fn removal() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), cut(MOST_CALLS_OF_API))
            .prop_map(|(at, cut)| Operation::Expunge { delivery: at.index(usize::MAX), cut }),
        1 => cut(MOST_CALLS_OF_API).prop_map(|cut| Operation::DeleteOrganization { cut }),
    ]
}

fn organization() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(TROUBLED), 1 => Just(QUIET)]
}

/// An endpoint of the troubled organization.
fn endpoint() -> impl Strategy<Value = usize> {
    0..ENDPOINTS
}

fn lane() -> impl Strategy<Value = Lane> {
    prop_oneof![2 => Just(Lane::Fast), 1 => Just(Lane::Slow)]
}

fn cut(most_calls: usize) -> impl Strategy<Value = Option<usize>> {
    prop_oneof![1 => Just(None), 1 => (0..most_calls).prop_map(Some)]
}

fn work() -> impl Strategy<Value = Work> {
    prop_oneof![
        6 => (lane(), 1..=10_u32).prop_map(|(lane, most)| Work::Deliver { lane, most }),
        2 => Just(Work::Sweep),
        1 => (0..=MOST_TURNS).prop_map(|turns| Work::Redeliver { turns }),
    ]
}

fn reactions() -> impl Strategy<Value = Vec<Reaction>> {
    prop_oneof![
        3 => prop::collection::vec(reaction(), 1..=4),
        1 => Just(vec![Reaction::Fail; STREAK]),
    ]
}

fn reaction() -> impl Strategy<Value = Reaction> {
    prop_oneof![
        8 => Just(Reaction::Fail),
        3 => Just(Reaction::Ok),
        2 => Just(Reaction::Later),
        1 => Just(Reaction::Gone),
    ]
}
