//! Filters match as an independent implementation does.

use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::RawValue;
use shared::domain::endpoint::filter::{EventView, Filter, Steps};

use super::naive;

const NAMES: [&str; 3] = ["a", "b", "c"];
const TEXTS: [&str; 14] = ["", "a", "b", "A", "ab", "ba", "aba", "abab", "*", "\\", "é", "É", "10.0.0.1", "10.0.0.200"];
const NUMBERS: [&str; 12] =
    ["0", "-0.0", "1", "1.0", "10", "1e1", "-1", "0.5", "5e-1", "9007199254740993", "9007199254740992", "-10"];
const WILDCARDS: [&str; 9] = ["*", "a*", "*a", "*a*", "a*a", "*b*b*", "a*b", "\\*", "*\\\\"];

fn string(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(|text| serde_json::to_string(text).unwrap())
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => string(&TEXTS),
        3 => select(&NUMBERS[..]).prop_map(str::to_owned),
        1 => select(&["null", "true", "false", "\"\\ud800\""][..]).prop_map(str::to_owned),
    ]
}

fn list(items: impl Strategy<Value = String>, least: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(items, least..4).prop_map(|items| format!("[{}]", items.join(",")))
}

fn members(values: impl Strategy<Value = String>, count: Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::btree_map(select(&NAMES[..]), values, count).prop_map(|members| {
        let members = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}"));
        members.collect::<Vec<_>>().join(",")
    })
}

fn object(values: impl Strategy<Value = String>, count: Range<usize>) -> impl Strategy<Value = String> {
    members(values, count).prop_map(|members| format!("{{{members}}}"))
}

fn data() -> impl Strategy<Value = String> {
    let value =
        scalar().prop_recursive(4, 32, 4, |inner| prop_oneof![2 => list(inner.clone(), 0), 3 => object(inner, 0..4)]);
    object(value, 1..4)
}

fn one_or_list(value: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    prop_oneof![value.clone(), list(value, 1)]
}

fn rule() -> impl Strategy<Value = String> {
    let text = || string(&TEXTS);
    let number = || select(&NUMBERS[..]);
    let fold = || text().prop_map(|text| format!("{{\"equals-ignore-case\":{text}}}"));
    let affix = |name: &'static str| prop_oneof![text(), fold()].prop_map(move |it| format!("{{\"{name}\":{it}}}"));
    let none = prop_oneof![
        one_or_list(text().boxed()),
        one_or_list(number().prop_map(str::to_owned).boxed()),
        (select(&["prefix", "suffix", "equals-ignore-case"][..]), one_or_list(string(&TEXTS[1..]).boxed()))
            .prop_map(|(name, it)| format!("{{\"{name}\":{it}}}")),
        one_or_list(string(&WILDCARDS).boxed()).prop_map(|it| format!("{{\"wildcard\":{it}}}")),
    ];
    let numeric = prop_oneof![
        (select(&["=", "<", "<=", ">", ">="][..]), number()).prop_map(|(it, a)| format!("[\"{it}\",{a}]")),
        (select(&[">", ">="][..]), number(), select(&["<", "<="][..]), number())
            .prop_map(|(low, a, high, b)| format!("[\"{low}\",{a},\"{high}\",{b}]")),
    ];
    prop_oneof![
        6 => scalar().prop_filter("filters have no lone surrogate", |it| !it.contains("\\ud")),
        1 => affix("prefix"),
        1 => affix("suffix"),
        1 => fold(),
        1 => string(&WILDCARDS).prop_map(|it| format!("{{\"wildcard\":{it}}}")),
        2 => none.prop_map(|it| format!("{{\"anything-but\":{it}}}")),
        1 => numeric.prop_map(|it| format!("{{\"numeric\":{it}}}")),
        3 => any::<bool>().prop_map(|it| format!("{{\"exists\":{it}}}")),
        1 => select(&["10.0.0.0/25", "10.0.0.0/8", "::/0"][..]).prop_map(|it| format!("{{\"cidr\":\"{it}\"}}")),
    ]
}

fn filter() -> impl Strategy<Value = String> {
    let leaf = || list(rule(), 1);
    let pattern = object(leaf(), 1..3).prop_recursive(3, 12, 3, move |inner| {
        let member = prop_oneof![2 => leaf(), 1 => inner.clone()].boxed();
        let or = (members(member.clone(), 1..2), prop::collection::vec(inner, 2..4))
            .prop_map(|(members, alternatives)| format!("{{{members},\"$or\":[{}]}}", alternatives.join(",")));
        prop_oneof![2 => object(member, 1..3), 1 => or]
    });
    pattern.prop_map(|pattern| format!("{{\"data\":{pattern}}}"))
}

fn event(data: &str) -> String {
    format!(r#"{{"type":"a.b","subject":{{"type":"t","id":"i"}},"channels":[],"data":{data}}}"#)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn filters_match_as_the_naive_implementation_does(text in filter(), data in data()) {
        let parsed = Filter::parse(&text);
        prop_assume!(parsed.is_ok());
        let filter = parsed.unwrap();
        let view = EventView::new("a.b", ("t", "i"), &[""; 0], &data).unwrap();
        let steps = Steps::new(u64::MAX);
        let matches = filter.matches(&view, &steps).unwrap();
        prop_assert_eq!(filter.explain(&view, &steps).is_empty(), matches);
        prop_assert_eq!(filter.matches(&view, &Steps::new(0)), None);
        prop_assert_eq!(Filter::parse(filter.as_str()), Ok(filter.clone()));
        if let Some(expected) = naive::matches(&text, &event(&data)) {
            prop_assert_eq!(matches, expected);
            prop_assert_eq!(naive::matches(filter.as_str(), &event(&data)), Some(expected));
        }
    }

    #[test]
    fn events_are_read_if_serde_json_accepts_them(text in "[\\[\\]{}\",:0-9eE.+\\\\udtruenlfas \u{1}\u{e9}-]{0,24}") {
        let accepted = serde_json::from_str::<&RawValue>(&text).is_ok();
        prop_assert_eq!(EventView::new("a", ("t", "i"), &[""; 0], &text).is_ok(), accepted);
    }

    #[test]
    fn filters_of_any_text_are_parsed_or_refused(text in "\\PC{0,64}", broken in filter(), at in any::<prop::sample::Index>()) {
        let _ = Filter::parse(&text);
        let mut chars: Vec<char> = broken.chars().collect();
        chars.remove(at.index(chars.len()));
        let _ = Filter::parse(&chars.into_iter().collect::<String>());
    }
}

/// The generators make filters that are valid, and both outcomes, often enough.
#[test]
fn generated_filters_match_often() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut valid, mut matching, mut compared) = (0, 0, 0);
    for _ in 0..2_000 {
        let (text, data) = (filter(), data()).new_tree(&mut runner).unwrap().current();
        let Ok(filter) = Filter::parse(&text) else { continue };
        valid += 1;
        let view = EventView::new("a.b", ("t", "i"), &[""; 0], &data).unwrap();
        matching += u32::from(filter.matches(&view, &Steps::new(10_000)).unwrap());
        compared += u32::from(naive::matches(&text, &event(&data)).is_some());
    }
    assert!(valid > 1_000 && matching > 100 && compared > 800, "{valid} {matching} {compared}");
}
