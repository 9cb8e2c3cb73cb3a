//! Event types, subscriptions, and the deployment's catalogue of types.

use std::collections::BTreeSet;
use std::fmt;

use super::operational::OPERATIONAL_EVENTS;
use crate::domain::Invalid;
use crate::domain::endpoint::subscription::Subscription;

/// Most characters of an event type.
pub const MAX_EVENT_TYPE_CHARS: usize = 256;

/// Most types that a refusal names.
const MAX_NAMED_TYPES: usize = 20;

/// The type of an event: `segment(.segment)*`, such as `member.added`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(String);

impl EventType {
    /// Parses an event type.
    ///
    /// # Errors
    /// [`Invalid`] if it is not dot-separated segments of `[a-zA-Z0-9_-]`, or is too long.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let segment = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if text.len() > MAX_EVENT_TYPE_CHARS {
            return Err(Invalid::new(format!("must be at most {MAX_EVENT_TYPE_CHARS} characters")));
        }
        if !text.split('.').all(segment) {
            return Err(Invalid::new(
                "must be segments of letters, digits, _ and - joined by dots, such as member.added",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is one of the [`OPERATIONAL_EVENTS`].
    pub fn is_operational(&self) -> bool {
        OPERATIONAL_EVENTS.contains(&self.as_str())
    }

    /// Whether a caller may publish an event of this type. Callers can never publish [`OPERATIONAL_EVENTS`], so nobody
    /// can forge one.
    ///
    /// # Errors
    /// [`Invalid`] for one of the [`OPERATIONAL_EVENTS`].
    pub fn check_published(&self) -> Result<(), Invalid> {
        if self.is_operational() {
            return Err(Invalid::new(format!("must not be {self}, which only the service itself publishes")));
        }
        Ok(())
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which event types may be published and subscribed to.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    is_closed: bool,
    types: BTreeSet<EventType>,
}

impl Catalogue {
    /// A catalogue of these types that allows every other well-formed type as well.
    pub fn open(types: impl IntoIterator<Item = EventType>) -> Self {
        Self { is_closed: false, types: types.into_iter().collect() }
    }

    /// A catalogue that allows only these types.
    pub fn closed(types: impl IntoIterator<Item = EventType>) -> Self {
        Self { is_closed: true, types: types.into_iter().collect() }
    }

    /// Whether only the types of the catalogue are allowed.
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The catalogue with more types.
    #[must_use]
    pub fn with(mut self, types: impl IntoIterator<Item = EventType>) -> Self {
        self.types.extend(types);
        self
    }

    /// Whether the catalogue names the type.
    pub fn names(&self, event_type: &EventType) -> bool {
        self.types.contains(event_type)
    }

    /// Whether the type is allowed.
    ///
    /// # Errors
    /// [`Invalid`], naming the types of the catalogue.
    pub fn check_known(&self, event_type: &EventType) -> Result<(), Invalid> {
        if self.is_closed && !self.types.contains(event_type) { Err(self.refusal(event_type)) } else { Ok(()) }
    }

    /// Whether an endpoint may have this subscription. A catalogue never excludes operational events.
    ///
    /// # Errors
    /// [`Invalid`], naming the types of the catalogue.
    pub fn check_subscribed(&self, subscription: &Subscription) -> Result<(), Invalid> {
        if !self.is_closed {
            return Ok(());
        }
        let operational = OPERATIONAL_EVENTS.iter().filter_map(|name| EventType::parse(name).ok());
        let known = matches!(subscription, Subscription::All)
            || self.types.iter().any(|known| subscription.matches(known))
            || operational.into_iter().any(|known| subscription.matches(&known));
        if known { Ok(()) } else { Err(self.refusal(subscription)) }
    }

    /// The refusal of an unknown type or subscription. It names the first types of the catalogue.
    fn refusal(&self, what: impl fmt::Display) -> Invalid {
        let named: Vec<_> = self.types.iter().take(MAX_NAMED_TYPES).map(EventType::as_str).collect();
        let (colon, more) = (if named.is_empty() { "" } else { ": " }, self.types.len() > named.len());
        let more = if more { ", …" } else { "" };
        Invalid::new(format!(
            "{what} is not one of the event types of this deployment{colon}{}{more}",
            named.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_type(text: &str) -> EventType {
        EventType::parse(text).unwrap()
    }

    #[test]
    fn types_are_segments_joined_by_dots() {
        for good in ["a", "member.added", "oauth_app.created", "A.b_C.9", "a-b.-", &"x".repeat(256)] {
            assert!(EventType::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a+b", "*", "a.*", "é", &"x".repeat(257)] {
            assert!(EventType::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn subscriptions_match_the_types_that_they_name() {
        let table = [
            ("*", "member.added", true),
            ("*", "webhook.created", false),
            ("*", "delivery.exhausted", false),
            ("webhook.*", "webhook.created", true),
            ("webhook.created", "webhook.created", true),
            ("member.*", "member.added", true),
            ("member.*", "member.role.updated", true),
            ("member.*", "member", false),
            ("member.*", "members.added", false),
            ("member.added", "member.added", true),
            ("member.added", "member.removed", false),
            ("*.created", "invoice.created", true),
            ("*.created", "invoice.line.created", false),
            ("*.created", "created", false),
            ("*.created", "webhook.created", false),
            ("*.*", "webhook.created", false),
            ("*.*", "invoice.line.created", true),
            ("*.*", "invoice", false),
            ("webhook.*", "webhook.suspended", true),
            ("invoice.*.failed", "invoice.payment.failed", true),
            ("invoice.*.failed", "invoice.failed", false),
            ("invoice.*.failed", "invoice.payment.card.failed", false),
            ("invoice.*.failed", "invoice.payment.failed.again", false),
            ("invoice.*.card.*", "invoice.payment.card.failed.again", true),
            ("invoice.*.card.*", "invoice.payment.card", false),
            ("*.payment.*.failed", "invoice.payment.card.failed", true),
        ];
        for (subscription, published, expected) in table {
            let matches = Subscription::parse(subscription).unwrap().matches(&event_type(published));
            assert_eq!(matches, expected, "{subscription} and {published}");
            assert_eq!(Subscription::parse(subscription).unwrap().to_string(), subscription);
        }
        let longest = "x".repeat(MAX_EVENT_TYPE_CHARS - 2) + ".*";
        assert!(Subscription::parse(&longest).is_ok());
        for bad in ["", "**", "**.a", ".*", "*.", "*..a", "a*", "a.b*", "a.*b.c", "*.a+b", &format!("x{longest}")] {
            assert!(Subscription::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_catalogue_rejects_types_that_it_does_not_contain() {
        let catalogue = Catalogue::closed([event_type("member.added")]).with([event_type("member.removed")]);
        assert!(catalogue.check_known(&event_type("member.added")).is_ok());
        let refusal = catalogue.check_known(&event_type("x")).unwrap_err();
        assert!(refusal.0.ends_with("member.added, member.removed"), "{refusal}");
        for (text, allowed) in [
            ("*", true),
            ("member.*", true),
            ("member.added", true),
            ("webhook.disabled", true),
            ("order.*", false),
            ("*.added", true),
            ("*.paid", false),
        ] {
            let checked = catalogue.check_subscribed(&Subscription::parse(text).unwrap());
            assert_eq!(checked.is_ok(), allowed, "{text}");
        }
        let open = Catalogue::open([event_type("member.added")]);
        assert!(open.check_known(&event_type("anything")).is_ok());
        assert!(open.check_subscribed(&Subscription::parse("order.*").unwrap()).is_ok());
        assert!(Catalogue::closed([]).check_known(&event_type("anything")).unwrap_err().0.ends_with("deployment"));
        let many = Catalogue::closed((10..31).map(|number| event_type(&format!("n{number}"))));
        assert!(many.check_known(&event_type("x")).unwrap_err().0.ends_with("n28, n29, …"));
    }

    #[test]
    fn only_the_service_publishes_operational_events() {
        for name in OPERATIONAL_EVENTS {
            let refusal = event_type(name).check_published().unwrap_err();
            assert!(refusal.0.contains(name), "{refusal}");
            assert!(Catalogue::closed([]).check_subscribed(&Subscription::parse(name).unwrap()).is_ok());
        }
        assert!(event_type("webhook.test").check_published().is_ok());
    }
}
