//! Why an attempt failed, and what to do. The texts are those of `docs/errors.md`.

use maud::{Markup, html};
use shared::domain::delivery::attempt::{Detail, Failure};

use crate::text;

const TEXT: &str = include_str!("../../../../docs/errors.md");
const CAUSE: &str = "Usual cause: ";
const REMEDY: &str = "What to do: ";

/// The section of a failure.
struct Section {
    sentence: String,
    cause: Option<String>,
    remedy: Option<String>,
}

/// Explains a failure in a sentence, with its usual cause and the remedy, and leads to the documentation.
pub(crate) fn explanation(failure: Failure) -> Markup {
    let Some(Section { sentence, cause, remedy }) = section(name(failure)) else {
        return html! { p { code { (name(failure)) } } };
    };
    html! {
        p { strong { (inline(&sentence)) } }
        @if let Some(cause) = cause { p { (text::USUAL_CAUSE) " " (inline(&cause)) } }
        @if let Some(remedy) = remedy { p { (text::WHAT_TO_DO) " " (inline(&remedy)) } }
        p { a href=(failure.docs_url()) { (text::MORE_ABOUT) " " code { (name(failure)) } } }
    }
}

/// The failure in a sentence.
pub(crate) fn in_short(failure: Failure) -> Markup {
    match section(name(failure)) {
        Some(section) => inline(&section.sentence),
        None => html! { code { (name(failure)) } },
    }
}

fn name(failure: Failure) -> &'static str {
    failure.detail.map_or(failure.cause.as_str(), Detail::as_str)
}

fn section(name: &str) -> Option<Section> {
    let heading = format!("# `{name}`\n");
    let at = TEXT.find(&heading)?;
    let rest = &TEXT[at + heading.len()..];
    let body = rest.split("\n#").next()?;
    let mut blocks = body.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    let first = blocks.next()?.replace('\n', " ");
    let sentence = first.split_inclusive(". ").next()?.trim().to_owned();
    let items: Vec<_> = body.split("\n- ").skip(1).map(|item| item.split("\n\n").next().unwrap_or_default()).collect();
    let item = |name: &str| items.iter().find_map(|item| Some(one_line(item.strip_prefix(name)?)));
    Some(Section { sentence, cause: item(CAUSE), remedy: item(REMEDY) })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Renders text whose backquotes mark code.
fn inline(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::domain::delivery::attempt::Cause;

    use super::*;

    #[test]
    fn every_failure_has_a_sentence_a_cause_and_a_remedy() {
        let names = Cause::ALL.map(Cause::as_str).into_iter().chain(Detail::ALL.map(Detail::as_str));
        for name in names {
            let found = section(name).unwrap_or_else(|| panic!("{name}"));
            assert!(found.sentence.ends_with('.') && !found.sentence.contains('\n'), "{name}: {}", found.sentence);
            assert!(found.cause.is_some() && found.remedy.is_some(), "{name}");
        }
    }

    #[test]
    fn an_explanation_has_the_texts_of_its_section_alone() {
        let shown = explanation(Failure { cause: Cause::Tls, detail: Some(Detail::CertificateExpired) }).into_string();
        assert!(shown.contains("or one in its chain, has expired.</strong>"), "{shown}");
        assert!(shown.contains("renew the certificate") && !shown.contains("not valid yet"), "{shown}");
        assert!(shown.contains("href=\"/docs#certificate_expired\""), "{shown}");
    }
}
