//! External ids: identifiers that callers give to their organizations, endpoints and events.

use std::fmt;

use super::Invalid;
use super::ids::{AttemptId, DeliveryId, EndpointId, EventId, JobId, KeyId, PortalSessionId, RequestId};

/// Most characters of an external id.
pub const MAX_EXTERNAL_ID_CHARS: usize = 256;
/// In a path, the text before an external id that stands for an id.
const PATH_PREFIX: &str = "ext:";
/// The prefixes of the service's own ids, in all dialects.
const OWN_PREFIXES: [&str; 14] = [
    "org_",
    "app_",
    EndpointId::PREFIX,
    "ep_",
    EventId::PREFIX,
    "msg_",
    DeliveryId::PREFIX,
    AttemptId::PREFIX,
    "atmpt_",
    JobId::PREFIX,
    "qtask_",
    KeyId::PREFIX,
    PortalSessionId::PREFIX,
    RequestId::PREFIX,
];

/// An identifier that a caller gave to a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId(String);

impl ExternalId {
    /// Parses an external id.
    ///
    /// # Errors
    /// [`Invalid`] for anything but 1 to 256 of `[A-Za-z0-9._-]`, and for a text that begins like an id of the service.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if !(1..=MAX_EXTERNAL_ID_CHARS).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(Invalid::new("must be 1 to 256 letters, digits, dots, underscores and hyphens"));
        }
        match OWN_PREFIXES.into_iter().find(|prefix| text.starts_with(prefix)) {
            Some(prefix) => Err(Invalid::new(format!("must not begin with {prefix}"))),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// An external id that was accepted earlier. It is not validated.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Reads the part of a path that names a resource by its external id. `None` if it does not begin with `ext:`;
    /// `Some(None)` if no external id follows.
    pub fn in_path(text: &str) -> Option<Option<Self>> {
        text.strip_prefix(PATH_PREFIX).map(|text| Self::parse(text).ok())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_ids_have_no_prefix_of_the_services_ids() {
        for (text, allowed) in [
            ("a", true),
            ("A.b_C-9", true),
            ("..", true),
            ("-", true),
            (&"x".repeat(256), true),
            (&"x".repeat(257), false),
            ("", false),
            ("a b", false),
            ("a/b", false),
            ("a#b", false),
            ("a:b", false),
            ("é", false),
            ("550e8400-e29b-41d4-a716-446655440000", true),
            ("we", true),
            ("we_", false),
            ("we_x", false),
            ("WE_x", true),
            ("wevt_1", false),
            ("wdlv_1", false),
            ("watt_1", false),
            ("wjob_1", false),
            ("org_1", false),
            ("ep_1", false),
            ("app_1", false),
            ("msg_1", false),
            ("atmpt_1", false),
            ("qtask_1", false),
            ("key_1", false),
            ("wps_1", false),
            ("req_1", false),
        ] {
            assert_eq!(ExternalId::parse(text).is_ok(), allowed, "{text}");
        }
        assert_eq!(ExternalId::in_path("ext:a"), Some(ExternalId::parse("a").ok()));
        assert_eq!(ExternalId::in_path("ext:"), Some(None));
        assert_eq!(ExternalId::in_path("ext:we_1"), Some(None));
        assert_eq!(ExternalId::in_path("a"), None);
    }
}
