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
    /// Segments with at least one `*`, such as `member.*`, `*.created` or `invoice.*.failed`. A `*` stands for one
    /// segment, and at the end for one or more. If the first segment is `*`, operational events are not included.
    Pattern(TypePattern),
    /// One exact type.
    Exact(EventType),
}

/// The text of [`Subscription::Pattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypePattern(String);

impl TypePattern {
    fn matches(&self, event_type: &EventType) -> bool {
        if self.0.starts_with("*.") && event_type.is_operational() {
            return false;
        }
        let (mut wanted, mut given) = (self.0.split('.').peekable(), event_type.as_str().split('.'));
        while let Some(segment) = wanted.next() {
            match given.next() {
                Some(_) if segment == "*" && wanted.peek().is_none() => return true,
                Some(own) if segment == "*" || segment == own => (),
                _ => return false,
            }
        }
        given.next().is_none()
    }
}

impl Subscription {
    /// Parses `*`, a pattern or an event type.
    ///
    /// # Errors
    /// [`Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text == "*" {
            return Ok(Self::All);
        }
        if text.len() > MAX_EVENT_TYPE_CHARS {
            return Err(Invalid::new(format!("must be at most {MAX_EVENT_TYPE_CHARS} characters")));
        }
        // With a letter in place of each `*`, a pattern is an event type of the same length.
        let has_wildcard = text.split('.').any(|segment| segment == "*");
        let segments = text.split('.').map(|segment| if segment == "*" { "x" } else { segment });
        let named = EventType::parse(&segments.collect::<Vec<_>>().join("."))
            .map_err(|Invalid(reason)| Invalid(format!("{reason}, with * for any segment")))?;
        Ok(if has_wildcard { Self::Pattern(TypePattern(text.to_owned())) } else { Self::Exact(named) })
    }

    /// Whether the subscription includes events of this type.
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self {
            Self::All => !event_type.is_operational(),
            Self::Pattern(pattern) => pattern.matches(event_type),
            Self::Exact(exact) => exact == event_type,
        }
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Pattern(TypePattern(text)) => f.write_str(text),
            Self::Exact(exact) => write!(f, "{exact}"),
        }
    }
}
