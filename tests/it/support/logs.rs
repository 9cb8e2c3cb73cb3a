//! Captures logs. Tests run in parallel with one subscriber per thread, and `tracing` caches for all threads whether
//! any subscriber is interested in a line. So one global subscriber always reports interest.

use std::sync::Once;

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest, set_default, set_global_default};
use tracing::{Event, Metadata, Subscriber};

/// Captures the logs of this thread with a subscriber until the guard is dropped.
pub(crate) fn capture(subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
    static ATTENTIVE: Once = Once::new();
    ATTENTIVE.call_once(|| set_global_default(Attentive).unwrap());
    set_default(subscriber)
}

/// Reports interest in every line, and records none.
struct Attentive;

impl Subscriber for Attentive {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
