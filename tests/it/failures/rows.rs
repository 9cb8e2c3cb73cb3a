//! The table of faults: every call that publishing, delivering and sweeping make, and the effect of its failure.

use super::scene::{Function, Outcome, Scene};

/// The effect of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effect {
    /// The outcome, or `None` for the usual outcome of the scene.
    pub(super) outcome: Option<Outcome>,
    /// Whether attempts are repeated that the receiver has already got.
    pub(super) repeats: bool,
    /// Whether the operational event is never published.
    pub(super) is_unannounced: bool,
    /// Whether the attempt does not change the endpoint's counters.
    pub(super) is_unnoted: bool,
    /// Whether the sweep still sends all other deliveries.
    pub(super) others_go_on: bool,
    /// Whether some usage is not counted. No usage is ever counted twice.
    pub(super) is_uncounted: bool,
}

impl Effect {
    const fn uncounted(self) -> Self {
        Self { is_uncounted: true, ..self }
    }
}

/// The fault has no effect.
pub(super) const USUAL: Effect = Effect {
    outcome: None,
    repeats: false,
    is_unannounced: false,
    is_unnoted: false,
    others_go_on: false,
    is_uncounted: false,
};
const FAILED: Effect = Effect { outcome: Some(Outcome::Failed), ..USUAL };
const LATE: Effect = Effect { outcome: Some(Outcome::Late), ..USUAL };
const REPEATED: Effect = Effect { repeats: true, ..FAILED };
const UNANNOUNCED: Effect = Effect { is_unannounced: true, ..USUAL };
const UNNOTED: Effect = Effect { is_unnoted: true, ..UNANNOUNCED };
/// The list of attempts lacks a resend.
const UNLISTED: Effect = Effect { repeats: true, ..USUAL };
const ALONE: Effect = Effect { others_go_on: true, ..FAILED };

/// The number of queries that read all partitions of one list of the index.
const SHARDS: usize = 8;

/// A refused count is written later. A count that may have been written is not written again.
pub(super) const ADD_USAGE: &str = "UpdateItem usage ADD events deliveries attempts SET entity v expires_at";

/// The same of statistics.
const ADD_STATISTICS: &str = "UpdateItem stats";

/// Tokens are taken once, even if the write is retried after a lost response.
const TAKE_TOKENS: &str = "UpdateItem limit SET tat #write_token entity v expires_at";

/// One call, and the scenes in which it fails.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) function: Function,
    pub(super) call: &'static str,
    /// The number of calls of the same kind that pass before the one that fails.
    pub(super) after: usize,
    pub(super) scenes: &'static [Scene],
    /// The effect if no attempt of the call succeeds.
    pub(super) failed: Effect,
    /// The effect if one attempt of the call is performed and its response is lost.
    pub(super) lost_once: Effect,
    /// The effect if every attempt of the call is performed and its response is lost.
    pub(super) lost: Effect,
    /// The effect if the service first leaves a part of a batch unprocessed.
    pub(super) undone_once: Effect,
}

impl Row {
    const fn new(function: Function, call: &'static str, scenes: &'static [Scene], failed: Effect) -> Self {
        Self { function, call, after: 0, scenes, failed, lost_once: USUAL, lost: failed, undone_once: USUAL }
    }

    pub(super) fn operation(&self) -> &'static str {
        self.call.split(' ').next().unwrap_or_default()
    }

    pub(super) fn reads(&self) -> bool {
        ["GetItem", "Query", "BatchGetItem"].contains(&self.operation())
    }

    const fn after(self, after: usize) -> Self {
        Self { after, ..self }
    }

    const fn lost_once(self, lost_once: Effect) -> Self {
        Self { lost_once, ..self }
    }

    const fn undone_once(self, undone_once: Effect) -> Self {
        Self { undone_once, ..self }
    }

    const fn lost(self, lost: Effect) -> Self {
        Self { lost, ..self }
    }
}

pub(super) fn rows() -> Vec<Row> {
    [publish(), deliver(), sweep()].concat()
}

fn publish() -> Vec<Row> {
    use Scene::{
        Again, Batch, CutOff, Keyed, Keyless, LargeBatch, LimitReached, Limited, Message, MessageAgain, Named,
        PartlyRefused, Repair, Replacing, ToPaused, Typed,
    };
    let row = |call, scenes, failed| Row::new(Function::Publish, call, scenes, failed);
    vec![
        row("GetItem key by hash", &[Keyed, Again], FAILED),
        row("PutItem used", &[Keyed], USUAL),
        row("GetItem state", &[Keyed, Message], FAILED),
        // The process does not know of its claim, so it does not record the end of the request.
        row("PutItem idem", &[Keyed, Message], FAILED).lost(LATE.uncounted()),
        row("PutItem idem", &[Again, MessageAgain], FAILED),
        row("GetItem extorg", &[Named], FAILED),
        // The repeated request finds the claim of its own event.
        row("PutItem extevt", &[Named, Replacing, Message], FAILED),
        row("PutItem extevt", &[Replacing], FAILED).after(1),
        row("BatchGetItem event", &[Replacing], FAILED),
        // A process that knows the catalogue goes on with what it knows. This one has just started.
        row("GetItem catalogue", &[Keyed, Keyless, Typed], FAILED),
        row("GetItem type", &[Typed], FAILED),
        row("GetItem schema", &[Typed], FAILED),
        // Nothing is stored before, so the claim is withdrawn.
        row("UpdateItem idem SET refused", &[PartlyRefused], FAILED),
        row("Query fanout", &[Keyed, Keyless, Repair, Message], FAILED),
        row("BatchWriteItem events and deliveries", &[Keyed, Keyless, Batch, ToPaused, Message], FAILED),
        row("BatchWriteItem events and deliveries", &[Keyed, Message], FAILED).after(1),
        row("SendMessageBatch delivery", &[Keyed, Keyless, Batch, Repair, Message], FAILED),
        row("UpdateItem idem SET ended", &[CutOff], LATE.uncounted()).lost(USUAL),
        row("BatchGetItem event", &[Again, Repair, MessageAgain], FAILED),
        row("BatchGetItem delivery", &[Again, Repair, MessageAgain], FAILED),
        row("PutItem event", &[Repair], FAILED),
        row("PutItem delivery, list", &[Repair], FAILED),
        row("PutItem delivery, new: due", &[Again, MessageAgain], FAILED),
        row("UpdateItem idem REMOVE ended", &[Repair], FAILED).lost_once(USUAL.uncounted()).lost(FAILED.uncounted()),
        row(ADD_USAGE, &[LargeBatch], USUAL),
        // A limit that cannot be read is not enforced, except for an item that is throttled.
        row("Query usage", &[Limited], USUAL),
        row(TAKE_TOKENS, &[Limited], FAILED).lost(USUAL),
        // A remaining claim is completed like that of a request that died.
        row("DeleteItem idem", &[LimitReached], LATE.uncounted()).lost(USUAL),
    ]
}

fn deliver() -> Vec<Row> {
    use Scene::{
        Counted, DelayedRetry, Deleted, Exhaustion, ExhaustionAlone, Expunged, Forwarding, Gone, GoneAlone, Isolated,
        Large, LeasedAndPaused, LongRetry, LongRetryAlone, OfDeletedOrganization, Paused, ProbeFails, ProbeSucceeds,
        Recovered, Resend, ResendFails, RetryingAndDeleted, RetryingAndPaused, ShortRetry, ShortRetryAlone,
        StillPaused, Success, SuccessAlone, Suspension,
    };
    let row = |call, scenes, failed| Row::new(Function::Deliver, call, scenes, failed);
    vec![
        row("ReceiveMessage", &[Success], FAILED).lost_once(FAILED),
        row("BatchGetItem delivery", &[Success, ShortRetry, Paused, Forwarding, OfDeletedOrganization], FAILED),
        // An isolated task's record is read again.
        row("BatchGetItem delivery", &[Isolated], FAILED).after(1),
        row("BatchGetItem delivery, event", &[Large, Expunged, Resend], FAILED),
        row("BatchGetItem endpoint, state", &[StillPaused], FAILED),
        // Records that the coalesced call does not write are written by calls of their own.
        row("BatchExecuteStatement delivery, attempt: success, none", &[Success], USUAL),
        row("BatchExecuteStatement delivery, attempt: retrying, none", &[ShortRetry, DelayedRetry], USUAL),
        // Without the copy, the message itself is hidden.
        row("SendMessageBatch delivery", &[DelayedRetry], USUAL),
        // The message stays in the fast lane and is not attempted there.
        row("SendMessageBatch delivery", &[Forwarding], FAILED),
        row("BatchExecuteStatement delivery, attempt: retrying, due", &[LongRetry], USUAL),
        row("BatchExecuteStatement delivery, attempt: exhausted, failed", &[Exhaustion, Suspension], USUAL),
        row("BatchExecuteStatement delivery, attempt: failed, failed", &[Gone], USUAL),
        row("PutItem delivery, attempt: success, none", &[SuccessAlone], REPEATED).lost(FAILED.uncounted()),
        row("PutItem delivery, attempt: success, none", &[ProbeSucceeds], REPEATED)
            .lost(Effect { outcome: FAILED.outcome, ..UNNOTED }.uncounted()),
        row("PutItem delivery, attempt: retrying, none", &[ShortRetryAlone], REPEATED).lost(FAILED.uncounted()),
        row("PutItem delivery, attempt: retrying, due", &[LongRetryAlone], REPEATED).lost(FAILED.uncounted()),
        row("PutItem delivery, attempt: retrying, held", &[ProbeFails], REPEATED).lost(FAILED.uncounted()),
        // The consumer does not process a recorded attempt again.
        row("PutItem delivery, attempt: exhausted, failed", &[ExhaustionAlone], REPEATED)
            .lost(Effect { outcome: FAILED.outcome, ..UNNOTED }.uncounted()),
        row("PutItem delivery, attempt: failed, failed", &[GoneAlone], REPEATED)
            .lost(Effect { outcome: FAILED.outcome, ..UNNOTED }.uncounted()),
        row("PutItem delivery, new: held", &[Paused, StillPaused], FAILED),
        row("PutItem delivery, moved: none to held", &[RetryingAndPaused], FAILED),
        row("PutItem delivery, moved: none to failed", &[RetryingAndDeleted], FAILED),
        row("PutItem delivery, moved: due to held", &[LeasedAndPaused], FAILED),
        row("PutItem delivery, new: failed", &[Deleted], FAILED),
        row("PutItem delivery, new: none", &[Expunged], FAILED),
        // The attempt is recorded; what its item holds is lost.
        row("BatchExecuteStatement attempt", &[ProbeFails, ProbeSucceeds, Resend, ResendFails], USUAL),
        // The response to the resend is not stored.
        row("BatchGetItem event", &[Resend, ResendFails], USUAL),
        // The resend is repeated.
        row("PutItem delivery, moved: failed to none", &[Resend], REPEATED),
        row("UpdateItem resends ADD starts SET entity v expires_at", &[Resend, ResendFails], UNLISTED)
            .lost(USUAL.uncounted()),
        // An uncounted failure changes only the counters.
        row("GetItem endpoint", &[ShortRetry], UNNOTED),
        row("PutItem endpoint, active", &[ShortRetry], UNNOTED).lost(UNNOTED),
        row("GetItem health", &[ShortRetry, Suspension, Recovered], UNNOTED),
        row("PutItem health", &[ShortRetry, Suspension], UNNOTED),
        row("PutItem health", &[Recovered], UNNOTED).lost(USUAL),
        row("GetItem endpoint", &[Gone, Suspension, ProbeSucceeds], UNNOTED),
        row("TransactWriteItems endpoint, fanout", &[Suspension], UNNOTED).lost(UNANNOUNCED),
        row("TransactWriteItems endpoint, fanout, job", &[Gone], UNNOTED).lost(UNANNOUNCED),
        row("TransactWriteItems endpoint, fanout, health, job", &[ProbeSucceeds], UNNOTED).lost(UNANNOUNCED),
        row("GetItem state", &[Exhaustion, Gone, Suspension, ProbeSucceeds], UNANNOUNCED),
        row("Query fanout", &[Exhaustion, Gone, Suspension, ProbeSucceeds], UNANNOUNCED),
        row("PutItem event", &[Exhaustion, Gone], UNANNOUNCED).lost(UNANNOUNCED.uncounted()),
        row("PutItem delivery, new: due", &[Exhaustion, Gone], UNANNOUNCED.uncounted()).lost(USUAL.uncounted()),
        row("ChangeMessageVisibilityBatch", &[ShortRetry], FAILED).lost(USUAL).undone_once(FAILED),
        row("DeleteMessageBatch", &[Success, Forwarding], FAILED).lost(USUAL).undone_once(FAILED),
        row(ADD_USAGE, &[Counted], USUAL),
        row(ADD_STATISTICS, &[Counted], USUAL),
    ]
}

fn sweep() -> Vec<Row> {
    use Scene::{
        BacklogMetrics, Deletion, DeletionEnds, Due, Expunge, ExpungeAnswered, FullReplay, GiveUp, LongRecovery,
        MissedReplay, NothingToProbeWith, Probe, Recovery, Reencryption, Release, ReleaseEnds, ReleaseOfDeletedEnds,
        ReleaseOfDisabled, ReleaseOfFailing, SendAll,
    };
    let row = |call, scenes, failed| Row::new(Function::Sweep, call, scenes, failed);
    vec![
        row("Query waiting due", &[Due], FAILED),
        row("Query waiting due", &[Release], ALONE),
        row("Query waiting half_open", &[Probe], FAILED),
        row("Query waiting half_open", &[Due], ALONE),
        row("Query waiting jobs", &[Release, Recovery], FAILED),
        row("Query waiting jobs", &[Due], ALONE),
        row("Query waiting held", &[Release, ReleaseEnds, ReleaseOfDisabled], FAILED),
        row("Query waiting held, one", &[Probe, NothingToProbeWith], FAILED),
        row("Query waiting held, one", &[Probe], FAILED).after(SHARDS),
        row("Query waiting failed", &[Recovery], FAILED),
        row("BatchGetItem delivery", &[Due, Release, ReleaseOfDisabled, Probe, Recovery], FAILED),
        row("BatchGetItem job", &[Release, Recovery], FAILED),
        row("GetItem endpoint", &[Release, Probe, GiveUp, Recovery], FAILED),
        row("GetItem organization", &[Recovery], FAILED),
        row("GetItem health", &[ReleaseOfFailing], FAILED),
        row("GetItem endpoint", &[Probe], FAILED).after(1),
        row("PutItem delivery, moved: due to due", &[Due], FAILED),
        row("PutItem delivery, moved: held to due", &[Release, Probe], FAILED),
        row("PutItem delivery, moved: held to failed", &[ReleaseOfDisabled], FAILED),
        row("PutItem delivery, moved: failed to due", &[Recovery], FAILED),
        row("SendMessageBatch delivery", &[Due, Release, Recovery, MissedReplay], FAILED),
        row("SendMessageBatch probe", &[Probe], FAILED),
        row("PutItem endpoint, probed", &[Probe], FAILED),
        row("PutItem endpoint, suspended", &[NothingToProbeWith], FAILED),
        row("TransactWriteItems endpoint, fanout, job", &[GiveUp], FAILED)
            .lost(Effect { outcome: FAILED.outcome, ..UNANNOUNCED }),
        row("GetItem state", &[GiveUp], UNANNOUNCED),
        row("Query fanout", &[GiveUp], UNANNOUNCED),
        row("PutItem event", &[GiveUp], UNANNOUNCED).lost(UNANNOUNCED.uncounted()),
        row("PutItem delivery, new: due", &[GiveUp], UNANNOUNCED.uncounted()).lost(USUAL.uncounted()),
        row("PutItem job, done", &[ReleaseEnds, ReleaseOfDeletedEnds, MissedReplay], FAILED),
        row("PutItem job, advanced", &[Release, Recovery, LongRecovery], FAILED),
        // The next run tries the job again.
        row(TAKE_TOKENS, &[Recovery, LongRecovery, MissedReplay, FullReplay], LATE).lost(FAILED),
        // What a page has not used is lost until the quota is full again.
        row("UpdateItem limit SET tat #write_token", &[Recovery, MissedReplay], USUAL),
        row("Query delivery", &[SendAll], FAILED),
        row("PutItem delivery, new: due", &[SendAll], FAILED),
        // The sweep continues a replay where it was: an entry without a record is recorded, and a record is leased.
        row("Query event", &[MissedReplay, FullReplay, Expunge], FAILED),
        row("PutItem appended", &[MissedReplay], FAILED),
        row("PutItem delivery, new: due", &[MissedReplay], FAILED).lost(FAILED.uncounted()),
        row("PutItem delivery, moved: none to due", &[FullReplay], FAILED),
        row("PutItem event", &[Expunge], FAILED),
        row("PutItem delivery, new: none", &[Expunge], FAILED),
        row("PutItem delivery, moved: failed to none", &[ExpungeAnswered], FAILED),
        row("BatchGetItem resends", &[Expunge, ExpungeAnswered], FAILED),
        row("BatchGetItem attempt", &[ExpungeAnswered], FAILED),
        row("UpdateItem attempt REMOVE #response", &[ExpungeAnswered], FAILED),
        // Every page of a deletion may be repeated.
        row("Query job", &[Deletion], FAILED),
        row("Query fanout", &[Deletion], FAILED),
        row("Query endpoint", &[Deletion], FAILED),
        row("Query deleted endpoint", &[Deletion], FAILED),
        row("Query delivery", &[Deletion], FAILED),
        row("Query attempt", &[Deletion], FAILED),
        row("Query stats", &[Deletion], FAILED),
        row("Query health", &[Deletion], FAILED),
        row("Query event", &[Deletion], FAILED),
        row("Query extend", &[Deletion], FAILED),
        row("Query extevt", &[Deletion], FAILED),
        row("Query idem", &[Deletion], FAILED),
        row("Query key", &[Deletion], FAILED),
        row("Query jwks", &[Deletion], FAILED),
        row("Query used", &[Deletion], FAILED),
        row("Query portal", &[Deletion], FAILED),
        row("Query usage", &[Deletion], FAILED),
        row("Query limit", &[Deletion], FAILED),
        row("PutItem deleted endpoint", &[Deletion], FAILED),
        row("DeleteItem portal", &[Deletion], FAILED),
        row("DeleteItem job", &[Deletion], FAILED),
        row("DeleteItem fanout", &[Deletion], FAILED),
        row("DeleteItem endpoint", &[Deletion], FAILED),
        row("DeleteItem delivery", &[Deletion], FAILED),
        row("DeleteItem attempt", &[Deletion], FAILED),
        row("DeleteItem resends", &[Deletion], FAILED),
        row("DeleteItem stats", &[Deletion], FAILED),
        row("DeleteItem health", &[Deletion], FAILED),
        row("DeleteItem event", &[Deletion], FAILED),
        row("DeleteItem extend", &[Deletion], FAILED),
        row("DeleteItem extevt", &[Deletion], FAILED),
        row("DeleteItem idem", &[Deletion], FAILED),
        row("DeleteItem key", &[Deletion], FAILED),
        row("DeleteItem jwks", &[Deletion], FAILED),
        row("DeleteItem key by hash", &[Deletion], FAILED),
        row("DeleteItem used", &[Deletion], FAILED),
        row("DeleteItem usage", &[Deletion], FAILED),
        row("DeleteItem limit", &[Deletion], FAILED),
        row("GetItem organization", &[DeletionEnds], FAILED),
        row("TransactWriteItems answer, extorg, job, organization, slug, state", &[DeletionEnds], FAILED),
        // The backlog metrics are collected concurrently with all other work.
        row("GetItem reencryption", &[Reencryption], ALONE),
        row("Query waiting orgs", &[Reencryption], ALONE),
        row("Query endpoint", &[Reencryption], ALONE),
        row("TransactWriteItems endpoint, fanout", &[Reencryption], ALONE),
        row("PutItem reencryption", &[Reencryption], ALONE),
        row("Query waiting half_open, all", &[BacklogMetrics], ALONE),
        row("Query waiting due, counted", &[BacklogMetrics], ALONE),
        row("Query waiting held, counted", &[BacklogMetrics], ALONE),
        row(ADD_USAGE, &[GiveUp], USUAL),
        row(ADD_STATISTICS, &[ReleaseOfDisabled], USUAL),
    ]
}
