//! The scenes: what a function does in each, and how each ends.

use serde_json::{Value, json};
use shared::domain::endpoint::lane::Lane;

use crate::support::Answer;

/// A number of events whose items and messages need two calls each.
pub(super) const BATCH: usize = 25;
/// A number of events that is counted immediately.
pub(super) const LARGE_BATCH: usize = 100;
/// More deliveries than one page of a recovery.
pub(super) const MANY: usize = 101;
/// More deliveries than a release sends at once.
pub(super) const MORE_THAN_AT_ONCE: usize = 11;

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

/// What a function does in a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scene {
    /// Publishes an event with an idempotency key.
    Keyed,
    /// Publishes an event without an idempotency key.
    Keyless,
    /// Publishes a batch of events that needs several calls.
    Batch,
    /// Publishes a batch that is counted immediately.
    LargeBatch,
    /// Publishes with limits on the rate and the month.
    Limited,
    /// Publishes when there are no tokens for a second.
    LimitReached,
    /// Publishes an event whose type has a schema.
    Typed,
    /// Publishes a batch of which the catalogue refuses a part.
    PartlyRefused,
    /// Publishes to a paused endpoint.
    ToPaused,
    /// Publishes an event with an external id, for an organization that the path names by its external id.
    Named,
    /// Replaces the claim of an external id by a request that failed.
    Replacing,
    /// Gets the retry of a completed publish request.
    Again,
    /// Gets the retry of a publish request that failed.
    Repair,
    /// Creates a message of the `svix` dialect, with an `eventId`.
    Message,
    /// Gets the repetition of a request for a message that was completed.
    MessageAgain,
    /// Cannot write, and records that the request failed.
    CutOff,
    /// Delivers two events.
    Success,
    /// Delivers two events whose bodies are too large for a message.
    Large,
    /// Fails with a retry after one second.
    ShortRetry,
    /// Fails with a retry that is too late for a hidden message.
    LongRetry,
    /// Fails with a retry after ten minutes, for which a delayed copy waits.
    DelayedRetry,
    /// Fails in the last attempt of the schedule.
    Exhaustion,
    /// Finds the endpoint paused.
    Paused,
    /// Finds the endpoint paused after it cached that status.
    StillPaused,
    /// Finds the endpoint of a leased delivery paused.
    LeasedAndPaused,
    /// Finds the endpoint of a delivery with a failed attempt paused.
    RetryingAndPaused,
    /// Finds the endpoint deleted.
    Deleted,
    /// Finds the endpoint of a delivery with a failed attempt deleted.
    RetryingAndDeleted,
    /// Gets a 410 response.
    Gone,
    /// Gets two messages for an endpoint in the slow lane.
    Forwarding,
    /// Delivers two events whose records cannot share a call.
    SuccessAlone,
    /// Fails with a retry after one second. The records cannot share a call.
    ShortRetryAlone,
    /// Fails with a retry that is too late for a hidden message. The records cannot share a call.
    LongRetryAlone,
    /// Fails in the last attempt of the schedule. The records cannot share a call.
    ExhaustionAlone,
    /// Gets a 410 response. The record cannot share a call.
    GoneAlone,
    /// Suspends the endpoint.
    Suspension,
    /// Attempts a half-open probe, which fails.
    ProbeFails,
    /// Attempts a half-open probe, which succeeds.
    ProbeSucceeds,
    /// Delivers to an endpoint that failed before.
    Recovered,
    /// Writes usage that it counted some time ago, and delivers.
    Counted,
    /// Resends an exhausted delivery, with success.
    Resend,
    /// Resends an exhausted delivery, without success.
    ResendFails,
    /// Delivers two events one after the other, because their messages were received before without a result.
    Isolated,
    /// Finds the data of the event removed, and a delivery of it that is not failed yet.
    Expunged,
    /// Gets a message of an organization that is being deleted.
    OfDeletedOrganization,
    /// Sends due deliveries.
    Due,
    /// Releases the held deliveries of a resumed endpoint.
    Release,
    /// Releases the first step of the held deliveries of an endpoint that failed recently.
    ReleaseOfFailing,
    /// Ends a release in which nothing is left.
    ReleaseEnds,
    /// Fails the held deliveries of a disabled endpoint.
    ReleaseOfDisabled,
    /// Ends the job that failed all held deliveries of a deleted endpoint.
    ReleaseOfDeletedEnds,
    /// Sends a half-open probe.
    Probe,
    /// Finds no delivery to send as a half-open probe.
    NothingToProbeWith,
    /// Disables an endpoint that was suspended for too long.
    GiveUp,
    /// Sends a half-open probe and collects the backlog metrics.
    BacklogMetrics,
    /// Does the same, and encrypts what was stored without a key.
    Reencryption,
    /// Continues a recovery.
    Recovery,
    /// Continues a recovery of more than one page.
    LongRecovery,
    /// Makes the deliveries that the endpoint missed.
    MissedReplay,
    /// Sends again what was delivered.
    FullReplay,
    /// Resends the messages of a lost queue.
    SendAll,
    /// Removes the data of an event.
    Expunge,
    /// Removes the data of an event whose attempts have items with responses.
    ExpungeAnswered,
    /// Removes what another organization has that is being deleted.
    Deletion,
    /// Ends the deletion of another organization.
    DeletionEnds,
}

/// The end of a scene, which no fault may change.
pub(super) struct Ends {
    /// The number of accepted deliveries by final status.
    pub(super) statuses: &'static [(&'static str, usize)],
    /// The announced operational events.
    pub(super) announced: &'static [&'static str],
    /// The final status of the endpoint, and the one if the function could not write the endpoint's counters.
    pub(super) endpoint: (&'static str, &'static str),
}

/// The outcome of a function's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The outcome without a fault.
    Usual,
    /// Publishing responds with `503` and `Retry-After`, or with `429` until a second passes, and the retry with the
    /// same key completes the request immediately. A message stays in the queue and becomes visible after its
    /// visibility timeout. The sweep returns an error, and the next sweep continues.
    Failed,
    /// Publishing responds with `503` for a minute. The sweep succeeds and leaves work to a later run.
    Late,
}

impl Scene {
    pub(super) const ALL: [Self; 65] = [
        Self::Keyed,
        Self::Keyless,
        Self::Batch,
        Self::LargeBatch,
        Self::Limited,
        Self::LimitReached,
        Self::Typed,
        Self::PartlyRefused,
        Self::ToPaused,
        Self::Named,
        Self::Replacing,
        Self::Again,
        Self::Repair,
        Self::Message,
        Self::MessageAgain,
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
        Self::Resend,
        Self::ResendFails,
        Self::Isolated,
        Self::Expunged,
        Self::OfDeletedOrganization,
        Self::Due,
        Self::Release,
        Self::ReleaseOfFailing,
        Self::ReleaseEnds,
        Self::ReleaseOfDisabled,
        Self::ReleaseOfDeletedEnds,
        Self::Probe,
        Self::NothingToProbeWith,
        Self::GiveUp,
        Self::BacklogMetrics,
        Self::Reencryption,
        Self::Recovery,
        Self::LongRecovery,
        Self::MissedReplay,
        Self::FullReplay,
        Self::SendAll,
        Self::Expunge,
        Self::ExpungeAnswered,
        Self::Deletion,
        Self::DeletionEnds,
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

    /// The lane of the messages that the scene is about.
    pub(super) fn lane(self) -> Lane {
        if matches!(self, Self::Resend | Self::ResendFails) { Lane::OF_RESENDS } else { Lane::Fast }
    }

    pub(super) fn ends(self) -> Ends {
        let ends = |statuses, announced, endpoint| Ends { statuses, announced, endpoint };
        let active = ("active", "active");
        match self {
            Self::Batch => ends(&[("success", BATCH)], &[], active),
            Self::LargeBatch => ends(&[("success", LARGE_BATCH)], &[], active),
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
            | Self::MissedReplay
            | Self::FullReplay
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
            Self::ProbeFails | Self::Probe | Self::BacklogMetrics | Self::Reencryption => {
                ends(&[("exhausted", 1), ("success", 1)], &[], active)
            }
            Self::ProbeSucceeds => {
                ends(&[("exhausted", 1), ("success", 1)], &["webhook.resumed"], ("active", "suspended"))
            }
            Self::NothingToProbeWith => ends(&[("exhausted", 1)], &[], ("suspended", "suspended")),
            Self::GiveUp => ends(&[("exhausted", 1), ("failed", 1)], &["webhook.disabled"], ("disabled", "disabled")),
            Self::Recovered => ends(&[("exhausted", 1), ("success", 1)], &[], ("active", "failing")),
            Self::ReleaseOfFailing => ends(&[("exhausted", 1), ("success", MORE_THAN_AT_ONCE)], &[], active),
            Self::LongRecovery => ends(&[("success", MANY)], &[], active),
            Self::Keyed
            | Self::Keyless
            | Self::Limited
            | Self::LimitReached
            | Self::Typed
            | Self::PartlyRefused
            | Self::ToPaused
            | Self::Named
            | Self::Replacing
            | Self::Again
            | Self::Repair
            | Self::Message
            | Self::MessageAgain
            | Self::CutOff
            | Self::LeasedAndPaused
            | Self::RetryingAndPaused
            | Self::Deletion
            | Self::DeletionEnds
            | Self::ReleaseEnds => ends(&[("success", 1)], &[], active),
            Self::Expunge | Self::Expunged => ends(&[("failed", 1)], &[], active),
            Self::OfDeletedOrganization => ends(&[], &[], active),
            // Resends do not count for the endpoint's health.
            Self::Resend => ends(&[("success", 1)], &[], ("failing", "failing")),
            Self::ResendFails | Self::ExpungeAnswered => ends(&[("exhausted", 1)], &[], ("failing", "failing")),
        }
    }

    /// Whether the request is one of the `svix` dialect.
    pub(super) fn is_svix(self) -> bool {
        matches!(self, Self::Message | Self::MessageAgain)
    }

    /// The outcome without an additional fault.
    pub(super) fn usual(self) -> Outcome {
        if matches!(self, Self::CutOff | Self::LimitReached) { Outcome::Failed } else { Outcome::Usual }
    }

    /// The number of messages that the run sends, or that become visible again a second later.
    pub(super) fn queued(self) -> usize {
        match self {
            Self::ShortRetry | Self::ShortRetryAlone | Self::DelayedRetry => 2,
            Self::Due | Self::Release | Self::Recovery | Self::SendAll => 2,
            Self::MissedReplay | Self::FullReplay => 2,
            Self::Probe | Self::BacklogMetrics | Self::Reencryption => 1,
            Self::LongRecovery => MANY,
            Self::ReleaseOfFailing => MORE_THAN_AT_ONCE,
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
            | Self::ResendFails
            | Self::ExpungeAnswered
            | Self::NothingToProbeWith => Receiving::Always(500),
            Self::Gone | Self::GoneAlone => Receiving::Always(410),
            Self::ShortRetry | Self::ShortRetryAlone | Self::LongRetry | Self::LongRetryAlone => failures(2),
            Self::DelayedRetry => failures(2),
            Self::Due | Self::Recovery | Self::ProbeFails => failures(2),
            Self::Recovered
            | Self::Resend
            | Self::ReleaseOfFailing
            | Self::LeasedAndPaused
            | Self::RetryingAndPaused
            | Self::RetryingAndDeleted
            | Self::ProbeSucceeds
            | Self::Probe
            | Self::BacklogMetrics
            | Self::Reencryption => failures(1),
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

/// The responses of the endpoint's receiver.
pub(super) enum Receiving {
    Always(u16),
    Then200(Vec<Answer>),
}
