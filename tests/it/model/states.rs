//! The state machine of a delivery as ARCHITECTURE.md draws it, written a second time and without a look at `domain`.

/// Where a delivery stands.
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
            other => panic!("no status is called {other}"),
        }
    }

    pub(super) const fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Exhausted | Self::Failed)
    }

    pub(super) const fn is_recoverable(self) -> bool {
        matches!(self, Self::Exhausted | Self::Failed)
    }
}

/// A delivery, as the model has it.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// The endpoint that it goes to; `None` before it was seen.
    pub(super) endpoint: Option<usize>,
    pub(super) status: Status,
    pub(super) attempts: usize,
    /// How many retries of its schedule are used up.
    pub(super) retries_used: usize,
    /// How many of the attempts were answered.
    pub(super) answered: usize,
    /// How many requests came to the receiver without being recorded.
    pub(super) repeats: usize,
}

impl Delivery {
    /// An attempt was recorded, with this answer if there was one. It may have been `held`: at a suspended endpoint it
    /// uses up nothing of the schedule.
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

    /// Its endpoint is gone or disabled.
    pub(super) fn stop(&mut self) {
        assert!(!self.status.is_final(), "stopped when it was {:?}", self.status);
        self.status = Status::Failed;
    }

    /// Somebody asked for it again.
    pub(super) fn ask_again(&mut self) {
        assert!(self.status.is_recoverable(), "asked for again when it was {:?}", self.status);
        self.status = if self.attempts == 0 { Status::Pending } else { Status::Retrying };
        self.retries_used = 0;
    }
}
