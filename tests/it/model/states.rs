//! The state machine of a delivery as in ARCHITECTURE.md, implemented independently of `domain`.

/// The status of a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Pending,
    Retrying,
    Success,
    Exhausted,
    Failed,
}

impl Status {
    pub(super) fn parse(name: &str) -> Self {
        match name {
            "pending" => Self::Pending,
            "retrying" => Self::Retrying,
            "success" => Self::Success,
            "exhausted" => Self::Exhausted,
            "failed" => Self::Failed,
            other => panic!("unknown status {other}"),
        }
    }

    pub(super) const fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Exhausted | Self::Failed)
    }

    pub(super) const fn is_recoverable(self) -> bool {
        matches!(self, Self::Exhausted | Self::Failed)
    }
}

/// The model of a delivery.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// The endpoint of the delivery; `None` before its record was read.
    pub(super) endpoint: Option<usize>,
    pub(super) status: Status,
    pub(super) attempts: usize,
    /// The number of used retries of the schedule.
    pub(super) retries_used: usize,
    /// The number of recorded attempts with a response.
    pub(super) answered: usize,
    /// The number of requests that the receiver got and that are not recorded.
    pub(super) repeats: usize,
}

impl Delivery {
    /// Applies a recorded attempt. `answer` is the status of the response, or `None` without one. A failed probe of a
    /// suspended endpoint is `held` and uses up no retry.
    pub(super) fn attempt(&mut self, answer: Option<u16>, schedule: usize, held: bool) {
        assert!(!self.status.is_final(), "attempted when it was {:?}", self.status);
        self.attempts += 1;
        self.answered += usize::from(answer.is_some());
        self.status = match answer {
            Some(200..=299) => Status::Success,
            Some(410) => Status::Failed,
            _ if held => Status::Retrying,
            _ if self.retries_used < schedule => {
                self.retries_used += 1;
                Status::Retrying
            }
            _ => Status::Exhausted,
        };
    }

    /// Applies a failed attempt that was in progress when the data of the event was removed. It changes no status.
    pub(super) fn late_attempt(&mut self, answer: Option<u16>) {
        self.attempts += 1;
        self.answered += usize::from(answer.is_some());
    }

    /// Applies a resend that succeeded.
    pub(super) fn succeed(&mut self) {
        self.status = Status::Success;
    }

    /// Fails the delivery because its endpoint is deleted or disabled, its organization is suspended, or the data of its
    /// event was removed.
    pub(super) fn stop(&mut self) {
        assert!(!self.status.is_final(), "stopped when it was {:?}", self.status);
        self.status = Status::Failed;
    }

    /// Applies a manual retry, a recovery or a replay.
    pub(super) fn begin_again(&mut self) {
        assert!(self.status.is_final(), "retried when it was {:?}", self.status);
        self.status = if self.attempts == 0 { Status::Pending } else { Status::Retrying };
        self.retries_used = 0;
    }
}
