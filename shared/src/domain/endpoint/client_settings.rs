//! Settings that clients of the `svix` dialect keep with an endpoint and read back. They have no effect.

use std::num::NonZeroU16;

use crate::domain::Invalid;

/// The settings. Absent ones were not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// The version that the client counts.
    pub version: Option<NonZeroU16>,
    /// The messages a second that the client asks for.
    pub rate_limit: Option<NonZeroU16>,
}

/// A change of the settings. Absent fields stay as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientSettingsPatch {
    /// The new version.
    pub version: Option<NonZeroU16>,
    /// The new rate, or none.
    pub rate_limit: Option<Option<NonZeroU16>>,
}

impl ClientSettings {
    /// Parses one of the settings.
    ///
    /// # Errors
    /// [`Invalid`] for anything but 1 to 65,535.
    pub fn parse(number: i64) -> Result<NonZeroU16, Invalid> {
        let parsed = u16::try_from(number).ok().and_then(NonZeroU16::new);
        parsed.ok_or_else(|| Invalid::new("must be 1 to 65,535"))
    }

    /// The settings after a change.
    #[must_use]
    pub fn patched(self, patch: ClientSettingsPatch) -> Self {
        Self { version: patch.version.or(self.version), rate_limit: patch.rate_limit.unwrap_or(self.rate_limit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_what_it_does_not_have() {
        let number = |number| ClientSettings::parse(number).ok();
        let before = ClientSettings { version: number(1), rate_limit: number(65_535) };
        assert_eq!(before.patched(ClientSettingsPatch::default()), before);
        let patch = ClientSettingsPatch { version: number(3), rate_limit: Some(None) };
        assert_eq!(before.patched(patch), ClientSettings { version: number(3), rate_limit: None });
        for wrong in [-1, 0, 65_536] {
            assert!(ClientSettings::parse(wrong).is_err());
        }
    }
}
