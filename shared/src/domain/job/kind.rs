//! The kinds of jobs.

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

    /// Whether the owner may cancel a job of this kind. Without the other kinds, deliveries would be held permanently, or
    /// what was to be removed would stay.
    pub const fn can_be_cancelled(self) -> bool {
        matches!(self, Self::Recover | Self::Replay | Self::SendAll)
    }
}
