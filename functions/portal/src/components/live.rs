//! A part of a page that the script keeps current.

use maud::{Markup, html};

use crate::text;

/// A part of a page that is replaced when it changes. `version` differs whenever the content does. The script shows the button
/// that pauses this; without it, the part stays as it is.
pub(crate) fn live(id: &str, version: &str, content: &Markup) -> Markup {
    html! {
        div id=(id) data-live="" data-version=(version) { (content) }
    }
}

/// The button that pauses the live parts of the page. It belongs outside of them.
pub(crate) fn pause() -> Markup {
    html! {
        button.button.plain type="button" hidden aria-pressed="false" data-pause=(text::PAUSE_UPDATES)
            data-resume=(text::RESUME_UPDATES) { (text::PAUSE_UPDATES) }
    }
}
