//! What the functions do, scene by scene, and how each scene ends.

use serde_json::{Value, json};

use crate::support::Answer;

/// So many events that they and their deliveries take two calls to write and two to send.
pub(super) const BATCH: usize = 25;
/// So many that their count is not kept for later.
pub(super) const GREAT: usize = 100;
/// More deliveries than a recovery goes through in one page.
pub(super) const MANY: usize = 101;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Function {
    Publish,
    Deliver,
    Sweep,
}

impl Function {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Deliver => "deliver",
            Self::Sweep => "sweep",
        }
    }
}

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scene {
    /// Publishes an event with an idempotency key.
    Keyed,
    /// Publishes an event without one.
    Keyless,
    /// Publishes so many events at once that they take several calls.
    Batch,
    /// Publishes so many that they are counted at once.
    Great,
    /// Publishes where the rate and the month are limited.
    Limited,
    /// Publishes where there are no tokens for a second.
    LimitReached,
    /// Publishes to an endpoint that is paused.
    ToPaused,
    /// Is asked again for what it has done.
    Again,
    /// Is asked again for what it could not do.
    Repair,
    /// Cannot write, and notes that it failed.
    CutOff,
    /// Delivers two events.
    Success,
    /// The same with bodies that are too long for a message.
    Large,
    /// Fails to deliver, for a second.
    ShortRetry,
    /// Fails to deliver, for longer than a message may be hidden.
    LongRetry,
    /// Fails to deliver, for ten minutes, which a delayed copy waits.
    DelayedRetry,
    /// Fails to deliver for the last time.
    Exhaustion,
    /// Finds the endpoint paused.
    Paused,
    /// The same, after it remembered that it was.
    StillPaused,
    /// Finds a leased delivery's endpoint paused.
    LeasedAndPaused,
    /// Finds the endpoint of a delivery paused that has failed before.
    RetryingAndPaused,
    /// Finds the endpoint deleted.
    Deleted,
    /// Finds the endpoint of a delivery deleted that has failed before.
    RetryingAndDeleted,
    /// Is told that the endpoint is gone.
    Gone,
    /// Gets two messages for an endpoint in the slow lane.
    Forwarding,
    /// Delivers two events, the records of which cannot share a call.
    SuccessAlone,
    /// Fails to deliver, for a second, and the records cannot share a call.
    ShortRetryAlone,
    /// Fails to deliver, for longer than a message may be hidden, and the records cannot share a call.
    LongRetryAlone,
    /// Fails to deliver for the last time, and the records cannot share a call.
    ExhaustionAlone,
    /// Is told that the endpoint is gone, and has to record it alone.
    GoneAlone,
    /// Suspends the endpoint.
    Suspension,
    /// Probes a suspended endpoint, in vain.
    ProbeFails,
    /// Probes a suspended endpoint, which works again.
    ProbeSucceeds,
    /// Delivers to an endpoint that failed before.
    Recovered,
    /// Writes what it counted some time ago, and delivers.
    Counted,
    /// Delivers two events whose messages were received in vain before, one after the other.
    Isolated,
    /// Sends what is due.
    Due,
    /// Releases what was held for a paused endpoint.
    Release,
    /// Finds that everything is released.
    ReleaseEnds,
    /// Fails what was held for an endpoint that is disabled.
    ReleaseOfDisabled,
    /// Finds that everything is failed that was held for an endpoint that is deleted.
    ReleaseOfDeletedEnds,
    /// Sends a probe.
    Probe,
    /// Has nothing to probe with.
    NothingToProbeWith,
    /// Gives a suspended endpoint up.
    GiveUp,
    /// Writes what it counted some time ago, and sends what it announced then.
    Announced,
    /// Sends a probe, and takes stock.
    Stock,
    /// Goes on with a recovery.
    Recovery,
    /// Goes on with one that takes more than a page.
    LongRecovery,
    /// Sends again what a lost queue held.
    SendAll,
}

/// How a scene ends, whatever fails in it.
pub(super) struct Ends {
    /// How many of the accepted deliveries end so.
    pub(super) statuses: &'static [(&'static str, usize)],
    /// The operational events that come out of it.
    pub(super) announced: &'static [&'static str],
    /// How the endpoint stands in the end, and how if the function could not note what it learnt.
    pub(super) endpoint: (&'static str, &'static str),
}

/// What became of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As if nothing had failed.
    Usual,
    /// Publishing answers `503` with `Retry-After`, or `429` after which a second passes, and the same request completes it
    /// at once. A message stays in the
    /// queue and comes back after its visibility timeout. The sweep ends with an error, and the next one goes on.
    Failed,
    /// Publishing answers `503`, and so it does for a minute. The sweep is content, and has left something to another.
    Late,
}

impl Scene {
    pub(super) const ALL: [Self; 48] = [
        Self::Keyed,
        Self::Keyless,
        Self::Batch,
        Self::Great,
        Self::Limited,
        Self::LimitReached,
        Self::ToPaused,
        Self::Again,
        Self::Repair,
        Self::CutOff,
        Self::Success,
        Self::Large,
        Self::ShortRetry,
        Self::LongRetry,
        Self::DelayedRetry,
        Self::Exhaustion,
        Self::Paused,
        Self::StillPaused,
        Self::LeasedAndPaused,
        Self::RetryingAndPaused,
        Self::Deleted,
        Self::RetryingAndDeleted,
        Self::Gone,
        Self::Forwarding,
        Self::SuccessAlone,
        Self::ShortRetryAlone,
        Self::LongRetryAlone,
        Self::ExhaustionAlone,
        Self::GoneAlone,
        Self::Suspension,
        Self::ProbeFails,
        Self::ProbeSucceeds,
        Self::Recovered,
        Self::Counted,
        Self::Isolated,
        Self::Due,
        Self::Release,
        Self::ReleaseEnds,
        Self::ReleaseOfDisabled,
        Self::ReleaseOfDeletedEnds,
        Self::Probe,
        Self::NothingToProbeWith,
        Self::GiveUp,
        Self::Announced,
        Self::Stock,
        Self::Recovery,
        Self::LongRecovery,
        Self::SendAll,
    ];

    pub(super) fn function(self) -> Function {
        if self < Self::Success {
            Function::Publish
        } else if self < Self::Due {
            Function::Deliver
        } else {
            Function::Sweep
        }
    }

    pub(super) fn ends(self) -> Ends {
        let ends = |statuses, announced, endpoint| Ends { statuses, announced, endpoint };
        let active = ("active", "active");
        match self {
            Self::Batch => ends(&[("success", BATCH)], &[], active),
            Self::Great => ends(&[("success", GREAT)], &[], active),
            Self::Success
            | Self::SuccessAlone
            | Self::Counted
            | Self::Isolated
            | Self::Large
            | Self::ShortRetry
            | Self::ShortRetryAlone
            | Self::LongRetry
            | Self::DelayedRetry
            | Self::LongRetryAlone
            | Self::Paused
            | Self::StillPaused
            | Self::Forwarding
            | Self::Due
            | Self::Release
            | Self::SendAll
            | Self::Recovery => ends(&[("success", 2)], &[], active),
            Self::Exhaustion | Self::ExhaustionAlone => {
                ends(&[("exhausted", 2)], &["delivery.exhausted", "delivery.exhausted"], ("failing", "active"))
            }
            Self::Deleted | Self::ReleaseOfDeletedEnds => ends(&[("failed", 2)], &[], ("", "")),
            Self::RetryingAndDeleted => ends(&[("failed", 1)], &[], ("", "")),
            Self::ReleaseOfDisabled => ends(&[("failed", 2)], &[], ("disabled", "disabled")),
            Self::Gone | Self::GoneAlone => ends(&[("failed", 1)], &["webhook.disabled"], ("disabled", "active")),
            Self::Suspension => ends(&[("exhausted", 1)], &["webhook.suspended"], ("suspended", "failing")),
            Self::ProbeFails | Self::Probe | Self::Stock => ends(&[("exhausted", 1), ("success", 1)], &[], active),
            Self::ProbeSucceeds => {
                ends(&[("exhausted", 1), ("success", 1)], &["webhook.resumed"], ("active", "suspended"))
            }
            Self::NothingToProbeWith => ends(&[("exhausted", 1)], &[], ("suspended", "suspended")),
            Self::GiveUp | Self::Announced => {
                ends(&[("exhausted", 1), ("failed", 1)], &["webhook.disabled"], ("disabled", "disabled"))
            }
            Self::Recovered => ends(&[("exhausted", 1), ("success", 1)], &[], ("active", "failing")),
            Self::LongRecovery => ends(&[("success", MANY)], &[], active),
            Self::Keyed
            | Self::Keyless
            | Self::Limited
            | Self::LimitReached
            | Self::ToPaused
            | Self::Again
            | Self::Repair
            | Self::CutOff
            | Self::LeasedAndPaused
            | Self::RetryingAndPaused
            | Self::ReleaseEnds => ends(&[("success", 1)], &[], active),
        }
    }

    /// What the act comes to when nothing fails but what belongs to the scene.
    pub(super) fn usual(self) -> Outcome {
        if matches!(self, Self::CutOff | Self::LimitReached) { Outcome::Failed } else { Outcome::Usual }
    }

    /// How many messages the act sends, or leaves to come back in a second.
    pub(super) fn queued(self) -> usize {
        match self {
            Self::ShortRetry | Self::ShortRetryAlone | Self::DelayedRetry => 2,
            Self::Due | Self::Release | Self::Recovery | Self::SendAll => 2,
            Self::Probe | Self::Stock | Self::Announced => 1,
            Self::LongRecovery => MANY,
            _ => 0,
        }
    }

    pub(super) fn answers(self) -> Receiving {
        let failures = |count| Receiving::Then200(vec![Answer::status(500); count]);
        match self {
            Self::Exhaustion
            | Self::ExhaustionAlone
            | Self::Suspension
            | Self::GiveUp
            | Self::Announced
            | Self::NothingToProbeWith => Receiving::Always(500),
            Self::Gone | Self::GoneAlone => Receiving::Always(410),
            Self::ShortRetry | Self::ShortRetryAlone | Self::LongRetry | Self::LongRetryAlone => failures(2),
            Self::DelayedRetry => failures(2),
            Self::Due | Self::Recovery | Self::ProbeFails => failures(2),
            Self::Recovered
            | Self::LeasedAndPaused
            | Self::RetryingAndPaused
            | Self::RetryingAndDeleted
            | Self::ProbeSucceeds
            | Self::Probe
            | Self::Stock => failures(1),
            _ => failures(0),
        }
    }

    pub(super) fn settings(self) -> Value {
        match self {
            Self::ShortRetry | Self::ShortRetryAlone | Self::RetryingAndPaused | Self::RetryingAndDeleted => json!({}),
            Self::LongRetry | Self::LongRetryAlone | Self::Due | Self::LeasedAndPaused => {
                json!({"retry_schedule": [1000]})
            }
            Self::DelayedRetry => json!({"retry_schedule": [600]}),
            _ => json!({"retry_schedule": []}),
        }
    }
}

/// What the endpoint's receiver answers.
pub(super) enum Receiving {
    Always(u16),
    Then200(Vec<Answer>),
}
