//! What may happen to a world, and how likely it is.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use shared::domain::endpoint::lane::Lane;

use super::isolation::{ORGANIZATIONS, QUIET, TROUBLED, owner};

/// How many endpoints the troubled organization has.
pub(super) const ENDPOINTS: usize = 3;
/// Most calls out after which a process is cut, one that works and one that answers a request: about as many as they
/// make.
const MOST_CALLS_OF_WORK: usize = 20;
const MOST_CALLS_OF_API: usize = 10;
/// Most turns of the others before messages are delivered a second time.
const MOST_TURNS: usize = 50;
/// So many failures in a row that an endpoint may be suspended.
const STREAK: usize = 12;

/// One operation. Processes are cut after so many calls out, or not at all.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// An organization publishes events, all in one request.
    Publish { by: usize, events: usize, cut: Option<usize> },
    /// Somebody repeats a publishing that was not answered.
    Repeat,
    /// The next requests to an endpoint are answered so.
    Script { endpoint: usize, reactions: Vec<Reaction> },
    /// Processes run at the same time; the first of them may be cut.
    Run { processes: Vec<Work>, cut: Option<usize> },
    /// A message comes a second time.
    Duplicate { message: usize },
    /// Time passes.
    Pass(Duration),
    /// The owner of an endpoint changes its status.
    SetStatus { endpoint: usize, status: &'static str, cut: Option<usize> },
    /// The owner of an endpoint deletes it.
    Delete { endpoint: usize, cut: Option<usize> },
    /// An endpoint changes its lane.
    SetLane { endpoint: usize, lane: Lane },
    /// The owner of an endpoint gives it a URL where somebody listens, or nobody.
    Move { endpoint: usize, reachable: bool },
    /// Somebody asks for a delivery again.
    Retry { delivery: usize, cut: Option<usize> },
    /// Somebody asks for everything again that an endpoint missed.
    Recover { endpoint: usize, cut: Option<usize> },
    /// Somebody cancels a job of the troubled organization.
    CancelJob { job: usize, cut: Option<usize> },
    /// The operator has everything sent again that should be in the queue, of both organizations.
    SendAll,
    /// The platform suspends the troubled organization, or resumes it.
    SetOrganization { suspended: bool },
    /// The platform limits how fast an organization publishes, or no longer. All that happens is below the limit.
    SetLimit { of: usize, limited: bool },
    /// An organization uses a route with the ids of the other one.
    Trespass { by: usize, route: usize },
    /// The consumer forgets what it remembers.
    Restart,
    /// From now on the receipts of former receives act, or not.
    FormerReceipts { act: bool },
}

/// What a process does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    Deliver {
        lane: Lane,
        most: u32,
    },
    Sweep,
    /// The messages in flight are delivered a second time, after so many turns of the others.
    Redeliver {
        turns: usize,
    },
}

/// What a receiver answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reaction {
    Ok,
    Fail,
    /// It asks for an hour.
    Later,
    Gone,
}

impl Operation {
    /// The organizations of which the operation may change nothing.
    pub(super) fn spares(&self) -> [bool; ORGANIZATIONS] {
        let except = |actor: usize| [0, 1].map(|organization| organization != actor);
        match self {
            Self::Publish { by, .. } => except(*by),
            Self::SetLimit { of, .. } => except(*of),
            Self::SetLane { endpoint, .. } => except(owner(*endpoint)),
            Self::Script { .. } | Self::Trespass { .. } => [true; ORGANIZATIONS],
            Self::SetStatus { .. }
            | Self::Delete { .. }
            | Self::Move { .. }
            | Self::Retry { .. }
            | Self::Recover { .. }
            | Self::CancelJob { .. }
            | Self::SetOrganization { .. } => except(TROUBLED),
            // Processes and messages are everybody's.
            Self::Repeat
            | Self::Run { .. }
            | Self::SendAll
            | Self::Duplicate { .. }
            | Self::Pass(_)
            | Self::Restart
            | Self::FormerReceipts { .. } => [false; ORGANIZATIONS],
        }
    }
}

/// Any operation.
pub(super) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (organization(), 1..=3_usize, cut(MOST_CALLS_OF_API))
            .prop_map(|(by, events, cut)| Operation::Publish { by, events, cut }),
        1 => Just(Operation::Repeat),
        4 => (endpoint(), reactions())
            .prop_map(|(endpoint, reactions)| Operation::Script { endpoint, reactions }),
        14 => (prop::collection::vec(work(), 1..=3), cut(MOST_CALLS_OF_WORK))
            .prop_map(|(processes, cut)| Operation::Run { processes, cut }),
        3 => any::<prop::sample::Index>().prop_map(|at| Operation::Duplicate { message: at.index(usize::MAX) }),
        8 => select(vec![1, 5, 30, 61, 361, 960]).prop_map(|seconds| Operation::Pass(Duration::from_secs(seconds))),
        4 => (endpoint(), select(vec!["active", "active", "paused", "disabled"]), cut(MOST_CALLS_OF_API))
            .prop_map(|(endpoint, status, cut)| Operation::SetStatus { endpoint, status, cut }),
        1 => (endpoint(), cut(MOST_CALLS_OF_API)).prop_map(|(endpoint, cut)| Operation::Delete { endpoint, cut }),
        2 => (endpoint(), lane()).prop_map(|(endpoint, lane)| Operation::SetLane { endpoint, lane }),
        1 => (endpoint(), any::<bool>()).prop_map(|(endpoint, reachable)| Operation::Move { endpoint, reachable }),
        2 => (any::<prop::sample::Index>(), cut(MOST_CALLS_OF_API))
            .prop_map(|(at, cut)| Operation::Retry { delivery: at.index(usize::MAX), cut }),
        1 => (endpoint(), cut(MOST_CALLS_OF_API)).prop_map(|(endpoint, cut)| Operation::Recover { endpoint, cut }),
        1 => (any::<prop::sample::Index>(), cut(MOST_CALLS_OF_API))
            .prop_map(|(at, cut)| Operation::CancelJob { job: at.index(usize::MAX), cut }),
        1 => Just(Operation::SendAll),
        2 => any::<bool>().prop_map(|suspended| Operation::SetOrganization { suspended }),
        1 => (organization(), any::<bool>()).prop_map(|(of, limited)| Operation::SetLimit { of, limited }),
        2 => (organization(), any::<prop::sample::Index>())
            .prop_map(|(by, at)| Operation::Trespass { by, route: at.index(usize::MAX) }),
        1 => Just(Operation::Restart),
        1 => any::<bool>().prop_map(|act| Operation::FormerReceipts { act }),
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
