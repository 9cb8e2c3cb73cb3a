//! A form that asks before it does what cannot be undone. It works without the script: the question unfolds.

use maud::{Markup, html};

use crate::page::form_token;
use crate::session::SignedIn;

/// A button that shows a question. `consequence` says what will happen, and `action` is where the form is sent.
pub(crate) fn confirmed(signed_in: &SignedIn, action: &str, button: &str, consequence: &str) -> Markup {
    html! {
        details.confirm {
            summary { (button) "…" }
            div.box {
                p { (consequence) }
                form method="post" action=(action) {
                    (form_token(signed_in))
                    button.button.danger type="submit" { (button) }
                }
            }
        }
    }
}
