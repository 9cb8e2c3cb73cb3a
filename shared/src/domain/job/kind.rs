//! The kinds of jobs.

use std::time::Duration;

/// The kind of a job: [`Work`](super::Work) without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// The kind of [`super::Work::Release`].
    Release,
    /// The kind of [`super::Work::FailHeld`].
    FailHeld,
    /// The kind of [`super::Work::Recover`].
    Recover,
    /// The kind of [`super::Work::Replay`].
    Replay,
    /// The kind of [`super::Work::SendAll`].
    SendAll,
    /// [`super::Work::Expunge`].
    Expunge,
    /// [`super::Work::DeleteOrganization`].
    DeleteOrganization,
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Release,
        Self::FailHeld,
        Self::Recover,
        Self::Replay,
        Self::SendAll,
        Self::Expunge,
        Self::DeleteOrganization,
    ];

    /// The name in storage and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::FailHeld => "fail_held",
            Self::Recover => "recover",
            Self::Replay => "replay",
            Self::SendAll => "send_all",
            Self::Expunge => "expunge",
            Self::DeleteOrganization => "delete_organization",
        }
    }

    /// The kind with this name; `None` for an unknown name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// How long a job of this kind is stored after it ended. There can be as many removals of data as events.
    pub const fn retention(self) -> Duration {
        let days = if matches!(self, Self::Expunge) { 1 } else { 30 };
        Duration::from_secs(days * 24 * 60 * 60)
    }

    /// Whether jobs of this kind start deliveries again that had ended, or make missing ones.
    pub const fn restarts(self) -> bool {
        matches!(self, Self::Recover | Self::Replay)
    }

    /// Whether the owner may cancel a job of this kind. Without the other kinds, deliveries would be held permanently, or
    /// what was to be removed would stay.
    pub const fn can_be_cancelled(self) -> bool {
        matches!(self, Self::Recover | Self::Replay | Self::SendAll)
    }
}
