//! An instant.

use maud::{Markup, html};
use shared::domain::time::Timestamp;

/// Shows an instant in UTC. The script shows it in the person's time zone, and UTC on hover.
pub(crate) fn time(at: Timestamp) -> Markup {
    let text = at.rfc3339_seconds();
    let shown = text.replace('T', " ").replace('Z', " UTC");
    html! { time datetime=(text) { (shown) } }
}
