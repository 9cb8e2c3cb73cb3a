//! How large an organization's fan-out may be.

use super::Target;

/// Most bytes of an organization's targets together, by [`Target::stored_bytes`].
pub const MAX_FAN_OUT_BYTES: u64 = 4 * 1024 * 1024;
/// Targets of an organization that have more bytes together, by [`Target::stored_bytes`], are reported when they are read.
/// They are near [`MAX_FAN_OUT_BYTES`], or beyond it, since two endpoints that are created at once may exceed it.
pub const LARGE_FAN_OUT_BYTES: u64 = 4_000_000;

/// The number of an organization's endpoints, and the bytes of their targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FanOutSize {
    /// The number of endpoints.
    pub endpoints: u64,
    /// The bytes of their targets, by [`Target::stored_bytes`].
    pub bytes: u64,
}

/// A limit on the size of an organization's fan-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FanOutLimit {
    /// The number of endpoints.
    Endpoints,
    /// [`MAX_FAN_OUT_BYTES`].
    Bytes,
}

impl FanOutSize {
    /// The limit that this size exceeds together with `growth`; `None` if it exceeds none. A dimension that does
    /// not grow is not checked.
    pub const fn exceeds_with(self, growth: Self, max_endpoints: u64) -> Option<FanOutLimit> {
        if growth.endpoints > 0 && self.endpoints.saturating_add(growth.endpoints) > max_endpoints {
            Some(FanOutLimit::Endpoints)
        } else if growth.bytes > 0 && self.bytes.saturating_add(growth.bytes) > MAX_FAN_OUT_BYTES {
            Some(FanOutLimit::Bytes)
        } else {
            None
        }
    }
}

impl FromIterator<Target> for FanOutSize {
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        let add = |size: Self, target: Target| Self {
            endpoints: size.endpoints + 1,
            bytes: size.bytes + target.stored_bytes(),
        };
        targets.into_iter().fold(Self::default(), add)
    }
}
