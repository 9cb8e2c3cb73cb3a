//! Subscriptions match as a segment-by-segment comparison does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::domain::endpoint::subscription::Subscription;
use shared::domain::event::event_type::EventType;
use shared::domain::event::operational::OPERATIONAL_EVENTS;

fuzz_target!(|lines: &str| {
    let Some((subscription, event_type)) = lines.split_once('\n') else { return };
    let known = EventType::parse(event_type);
    if let Ok(known) = &known {
        assert_eq!(known.as_str(), event_type);
    }
    let Ok(parsed) = Subscription::parse(subscription) else { return };
    assert_eq!(parsed.to_string(), subscription);
    if let Ok(known) = known {
        assert_eq!(parsed.matches(&known), matches(subscription, event_type), "{subscription} {event_type}");
    }
});

fn matches(subscription: &str, event_type: &str) -> bool {
    if (subscription == "*" || subscription.starts_with("*.")) && OPERATIONAL_EVENTS.contains(&event_type) {
        return false;
    }
    let wanted: Vec<_> = subscription.split('.').collect();
    let given: Vec<_> = event_type.split('.').collect();
    let is_open = wanted.last() == Some(&"*");
    let fits = if is_open { given.len() >= wanted.len() } else { given.len() == wanted.len() };
    fits && wanted.iter().zip(&given).all(|(wanted, given)| *wanted == "*" || wanted == given)
}
