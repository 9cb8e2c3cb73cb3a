//! An instant.

use maud::{Markup, html};
use shared::domain::time::Timestamp;

/// Shows an instant in UTC. The script shows it in the person's time zone, and UTC on hover.
pub(crate) fn time(at: Timestamp) -> Markup {
    let text = at.rfc3339_seconds();
    let shown = text.replace('T', " ").replace('Z', " UTC");
    html! { time datetime=(text) { (shown) } }
}

/// Shows an instant in the future. The script adds how long it takes until then.
pub(crate) fn countdown(at: Timestamp) -> Markup {
    html! { (time(at)) " " span.muted data-countdown=(at.rfc3339_seconds()) {} }
}
