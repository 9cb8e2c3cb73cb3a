//! The links below a list with pages.

use maud::{Markup, html};

use crate::text;

/// Links to the first and to the next page; nothing if the list has one page. The paths have the filters of the list.
pub(crate) fn pager(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pager aria-label=(text::NEXT_PAGE) {
                @if let Some(first) = first { a href=(first) { (text::FIRST_PAGE) } }
                @if let Some(next) = next { a href=(next) rel="next" { (text::NEXT_PAGE) } }
            }
        }
    }
}
