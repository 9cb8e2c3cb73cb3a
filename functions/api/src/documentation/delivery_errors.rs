//! The section about the errors of deliveries. Its text is `docs/errors.md`.

use maud::{Markup, html};

use super::page::inline;

const TEXT: &str = include_str!("../../../../docs/errors.md");

/// Renders the section. The text has only headings, paragraphs, lists and code within lines. The heading of an error is its
/// name, which becomes the anchor to which `docs_url` leads.
pub(super) fn render() -> Markup {
    html! {
        section aria-labelledby="delivery-errors" {
            @for block in TEXT.split("\n\n") { (show(block.trim())) }
        }
    }
}

fn show(block: &str) -> Markup {
    let (mark, text) = block.split_once(' ').unwrap_or((block, ""));
    let name = text.trim_matches('`');
    match mark {
        "#" => html! { h2 id="delivery-errors" { (text) } },
        "##" => html! { h3 id=(name) { code { (name) } } },
        "###" => html! { h4 id=(name) { code { (name) } } },
        "-" => html! { ul { @for item in text.split("\n- ") { li { (inline(item)) } } } },
        _ => html! { p { (inline(block)) } },
    }
}
