//! The secrets that sign an endpoint's deliveries.

use crate::domain::signing::secret::SigningSecret;
use crate::domain::time::Timestamp;

/// The signing secrets of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The newest secret.
    pub current: SigningSecret,
    /// The secret before a rotation, and until when requests are signed with both.
    pub previous: Option<(SigningSecret, Timestamp)>,
}

impl Secrets {
    /// A single secret.
    pub const fn only(current: SigningSecret) -> Self {
        Self { current, previous: None }
    }

    /// The secrets that sign a request at `now`, the newest first.
    pub fn signing_at(&self, now: Timestamp) -> Vec<&SigningSecret> {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until);
        std::iter::once(&self.current).chain(previous.map(|(secret, _)| secret)).collect()
    }

    /// The secrets after a rotation at `now`. The former secret keeps signing for `overlap`.
    #[must_use]
    pub fn rotated(self, new: SigningSecret, overlap: std::time::Duration, now: Timestamp) -> Self {
        let previous = (!overlap.is_zero()).then(|| (self.current, now.plus(overlap)));
        Self { current: new, previous }
    }
}
