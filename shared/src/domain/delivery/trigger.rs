//! What caused an attempt.

/// What caused an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// The event was published, or a delay of the retry schedule has passed.
    #[default]
    Schedule,
    /// The first attempt after a manual retry or a recovery.
    Manual,
    /// A resend. It does not count as an attempt of the delivery's schedule.
    Resend,
    /// A half-open probe of a suspended endpoint.
    HalfOpen,
    /// The first attempt of a test event.
    Test,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 5] = [Self::Schedule, Self::Manual, Self::Resend, Self::HalfOpen, Self::Test];

    /// The trigger's name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
            Self::Resend => "resend",
            Self::HalfOpen => "half_open",
            Self::Test => "test",
        }
    }

    /// The trigger with this name; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == text)
    }
}
