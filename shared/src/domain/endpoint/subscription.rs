//! Which event types an endpoint receives.

use std::fmt;

use crate::domain::Invalid;
use crate::domain::event::event_type::{EventType, MAX_EVENT_TYPE_CHARS};

/// Most subscriptions of one endpoint.
pub const MAX_SUBSCRIPTIONS: usize = 64;

/// One entry of an endpoint's `event_types`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// `*`: every type except operational events.
    All,
    /// `prefix.*`: every type that starts with the prefix and a dot.
    Prefix(EventType),
    /// One exact type.
    Exact(EventType),
}

impl Subscription {
    /// Parses `*`, `prefix.*` or an event type.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let reason = |Invalid(r): Invalid| Invalid(format!("{r}, prefix.* or *"));
        if text.len() > MAX_EVENT_TYPE_CHARS {
            return Err(Invalid::new(format!("must be at most {MAX_EVENT_TYPE_CHARS} characters")));
        }
        match text.strip_suffix(".*") {
            _ if text == "*" => Ok(Self::All),
            Some(prefix) => EventType::parse(prefix).map(Self::Prefix).map_err(reason),
            None => EventType::parse(text).map(Self::Exact).map_err(reason),
        }
    }

    /// Whether the subscription includes events of this type.
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self {
            Self::All => !event_type.is_operational(),
            Self::Prefix(prefix) => {
                event_type.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.'))
            }
            Self::Exact(exact) => exact == event_type,
        }
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Prefix(prefix) => write!(f, "{prefix}.*"),
            Self::Exact(exact) => write!(f, "{exact}"),
        }
    }
}
