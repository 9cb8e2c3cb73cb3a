//! A text with a button that copies it. Without scripts there is no button, and the text can be selected.

use maud::{Markup, html};

use crate::text;

/// A button that copies the text of the element with this id.
pub(crate) fn copy_button(id: &str, what: &str) -> Markup {
    html! {
        button.copy type="button" hidden data-copy-from=(id) aria-label={ (text::COPY) " " (what) } { (text::COPY) }
    }
}

/// Shows a text that can be copied. `what` names it for people who do not see the page.
pub(crate) fn copyable(content: &str, what: &str) -> Markup {
    html! {
        span.copyable {
            code { (content) }
            button.copy type="button" hidden data-copy=(content) aria-label={ (text::COPY) " " (what) } { (text::COPY) }
        }
    }
}
