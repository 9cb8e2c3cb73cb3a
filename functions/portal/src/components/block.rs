//! Text in several lines: commands and examples. Nothing of it is ever read as HTML.

use maud::{Markup, html};

use super::copy_button;

/// Shows a text, with a button that copies it. `id` is unique in the page, and `what` names the text.
pub(crate) fn block(id: &str, content: &str, what: &str) -> Markup {
    html! {
        div.block {
            pre id=(id) tabindex="0" aria-label=(what) { code { (content) } }
            (copy_button(id, what))
        }
    }
}

/// What a list shows instead of entries: why it is empty, and the next step as a command.
pub(crate) fn empty(reason: &str, next_step: Option<(&str, &str)>) -> Markup {
    html! {
        div.empty {
            p { (reason) }
            @if let Some((what, command)) = next_step {
                p.muted { (what) }
                (block("command", command, what))
            }
        }
    }
}
