//! docs/errors.md explains every error and every detail. The page `/docs` shows it; `openapi.rs` tests the anchors.

use shared::domain::delivery::attempt::{Cause, Detail};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");

#[test]
fn the_page_of_errors_has_a_section_for_every_error_and_every_detail() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let found: Vec<_> = text.lines().filter(|line| line.starts_with("##")).collect();
    // A detail of several causes has its section below the first of them.
    let of = |cause: Cause| Detail::ALL.into_iter().filter(move |detail| detail.causes()[0] == cause);
    let expected: Vec<_> = Cause::ALL
        .into_iter()
        .flat_map(|cause| {
            let details = of(cause).map(|detail| format!("### `{}`", detail.as_str()));
            std::iter::once(format!("## `{}`", cause.as_str())).chain(details)
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_section_says_what_happened_the_usual_cause_and_what_to_do() {
    let text = std::fs::read_to_string(FILE).unwrap();
    for section in text.split("\n##").skip(1) {
        let blocks: Vec<_> = section.trim_end().split("\n\n").collect();
        let [heading, happened, list] = blocks[..] else { panic!("a paragraph and a list must follow: {section}") };
        assert!(!happened.starts_with('-'), "{heading}");
        let (cause, remedy) = list.split_once("\n- ").unwrap();
        assert!(cause.starts_with("- Usual cause: ") && remedy.starts_with("What to do: "), "{heading}");
        assert!(!remedy.contains("\n- "), "{heading}");
    }
}

/// The page `/docs` shows the text and renders no links and no emphasis.
#[test]
fn the_page_of_errors_has_only_text_and_code() {
    let text = std::fs::read_to_string(FILE).unwrap();
    for mark in ["](", "**", "```", "\n| ", "\n1. "] {
        assert!(!text.contains(mark), "{mark}");
    }
}
