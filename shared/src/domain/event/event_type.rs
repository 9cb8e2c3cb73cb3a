//! Event types, subscriptions, and the deployment's catalogue of types.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::Invalid;
use crate::domain::endpoint::subscription::Subscription;

/// Most characters of an event type.
pub const MAX_EVENT_TYPE_CHARS: usize = 128;

/// The type of an event: `segment(.segment)*`, such as `member.added`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(String);

/// The types of the events that only the service publishes.
pub const OPERATIONAL_EVENTS: [&str; 5] =
    ["webhook.created", "webhook.disabled", "webhook.suspended", "webhook.resumed", "delivery.exhausted"];

impl EventType {
    /// Parses an event type.
    ///
    /// # Errors
    /// [`Invalid`] if it is not dot-separated segments of `[a-zA-Z0-9_]`, or is too long.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let segment = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if text.len() > MAX_EVENT_TYPE_CHARS {
            return Err(Invalid::new(format!("must be at most {MAX_EVENT_TYPE_CHARS} characters")));
        }
        if !text.split('.').all(segment) {
            return Err(Invalid::new("must be segments of letters, digits and _ joined by dots, such as member.added"));
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
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The event types that a deployment allows. Without a catalogue, it allows every well-formed type.
#[derive(Debug, Clone, Default)]
pub struct Catalogue(Option<BTreeSet<EventType>>);

impl Catalogue {
    /// A catalogue of these types. An empty list allows every type.
    pub fn new(types: impl IntoIterator<Item = EventType>) -> Self {
        let types: BTreeSet<_> = types.into_iter().collect();
        Self((!types.is_empty()).then_some(types))
    }

    /// The allowed types; `None` if every type is allowed.
    pub fn types(&self) -> Option<&BTreeSet<EventType>> {
        self.0.as_ref()
    }

    /// Whether a caller may publish an event of this type. Callers can never publish [`OPERATIONAL_EVENTS`], so
    /// nobody can forge one.
    ///
    /// # Errors
    /// [`Invalid`], naming the allowed types.
    pub fn check_published(&self, event_type: &EventType) -> Result<(), Invalid> {
        match &self.0 {
            _ if event_type.is_operational() => {
                Err(Invalid::new(format!("must not be {event_type}, which only the service itself publishes")))
            }
            Some(types) if !types.contains(event_type) => Err(self.refusal(event_type)),
            _ => Ok(()),
        }
    }

    /// Whether an endpoint may have this subscription. A catalogue never excludes operational events.
    ///
    /// # Errors
    /// [`Invalid`], naming the allowed types.
    pub fn check_subscribed(&self, subscription: &Subscription) -> Result<(), Invalid> {
        let Some(types) = &self.0 else { return Ok(()) };
        let operational = OPERATIONAL_EVENTS.iter().filter_map(|name| EventType::parse(name).ok());
        let known = matches!(subscription, Subscription::All)
            || types.iter().any(|known| subscription.matches(known))
            || operational.into_iter().any(|known| subscription.matches(&known));
        if known { Ok(()) } else { Err(self.refusal(subscription)) }
    }

    fn refusal(&self, what: impl fmt::Display) -> Invalid {
        let allowed: Vec<_> = self.0.iter().flatten().map(EventType::as_str).collect();
        Invalid::new(format!("{what} is not one of the event types of this deployment: {}", allowed.join(", ")))
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
        for good in ["a", "member.added", "oauth_app.created", "A.b_C.9", &"x".repeat(128)] {
            assert!(EventType::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a-b", "*", "a.*", "é", &"x".repeat(129)] {
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
        for bad in ["", "**", "**.a", ".*", "*.", "*..a", "a*", "a.b*", "a.*b.c", "*.a-b", &format!("x{longest}")] {
            assert!(Subscription::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_catalogue_rejects_types_that_it_does_not_contain() {
        let catalogue = Catalogue::new([event_type("member.added"), event_type("member.removed")]);
        assert!(catalogue.check_published(&event_type("member.added")).is_ok());
        let refusal = catalogue.check_published(&event_type("x")).unwrap_err();
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
        assert!(Catalogue::new([]).check_published(&event_type("anything")).is_ok());
    }

    #[test]
    fn only_the_service_publishes_operational_events() {
        let named = Catalogue::new(OPERATIONAL_EVENTS.map(event_type));
        for catalogue in [Catalogue::default(), named] {
            for name in OPERATIONAL_EVENTS {
                let refusal = catalogue.check_published(&event_type(name)).unwrap_err();
                assert!(refusal.0.contains(name), "{refusal}");
                assert!(catalogue.check_subscribed(&Subscription::parse(name).unwrap()).is_ok());
            }
        }
        assert!(Catalogue::default().check_published(&event_type("webhook.test")).is_ok());
    }
}
