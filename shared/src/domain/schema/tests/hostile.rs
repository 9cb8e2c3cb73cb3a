//! Data that occupies or ends a process with other evaluators. Each ends within the steps, on a small stack.

use super::{LIMIT, schema};
use crate::domain::schema::limits::{MAX_DATA_BYTES, MAX_STEPS};

const STACK_BYTES: usize = 512 * 1024;

fn deep(levels: usize, leaf: &str) -> String {
    format!("{}{leaf}{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

fn filled(element: &str) -> String {
    format!("[{element}{}]", format!(",{element}").repeat((MAX_DATA_BYTES - 2) / (element.len() + 1) - 1))
}

/// The steps of valid data, or the rule of its first violation.
fn outcome(text: String, data: String) -> Result<u32, String> {
    let validate = move || schema(&text).validate_within(&data, MAX_STEPS).map_err(|v| v[0].rule.clone());
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(validate).unwrap().join().unwrap()
}

#[test]
fn deep_data_of_recursive_schemas_takes_few_steps() {
    let alternatives = r##"[{"type":"integer"},{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]},
        {"type":"object","properties":{"a":{"$ref":"#"},"z":{"const":2}},"required":["a","z"]}]"##;
    let both = r##"[{"properties":{"a":{"$ref":"#"}}},{"additionalProperties":{"$ref":"#"}}]"##;
    let table = [
        (format!(r#"{{"oneOf":{alternatives}}}"#), "1", Ok(())),
        (format!(r#"{{"oneOf":{alternatives}}}"#), r#""x""#, Err("oneOf")),
        (format!(r#"{{"anyOf":{alternatives}}}"#), r#""x""#, Err("anyOf")),
        (format!(r#"{{"allOf":{both}}}"#), "1", Ok(())),
        (format!(r#"{{"allOf":{both},"type":["object","integer"]}}"#), r#""x""#, Err("type")),
        (format!(r#"{{"anyOf":{both},"unevaluatedProperties":false}}"#), "1", Ok(())),
        (format!(r#"{{"anyOf":{both},"type":"object"}}"#), r#""x""#, Err("anyOf")),
        (r##"{"properties":{"a":{"$ref":"#"}},"unevaluatedProperties":{"$ref":"#"}}"##.into(), "1", Ok(())),
        (r##"{"$dynamicAnchor":"n","allOf":[{"properties":{"a":{"$dynamicRef":"#n"}}},{"additionalProperties":{"$dynamicRef":"#n"}}]}"##.into(), "1", Ok(())),
    ];
    for (text, leaf, expected) in table {
        let result = outcome(text.clone(), deep(100, leaf));
        assert_eq!(result.as_ref().map(|_| ()).map_err(String::as_str), expected, "{text}");
        assert!(result.is_err() || result.as_ref().is_ok_and(|steps| *steps < 10_000), "{text} {result:?}");
    }
}

#[test]
fn large_data_ends_within_the_steps() {
    let names = |count: usize| (0..count).map(|i| format!(r#""r{i:05}""#)).collect::<Vec<_>>().join(",");
    let constants = |count: usize| (0..count).map(|i| format!(r#"{{"const":{i}}}"#)).collect::<Vec<_>>().join(",");
    let patterns = r#"{"pattern":"[ab]*a[ab]{15}[ab]*b[ab]{15}c"}"#;
    let table = [
        (format!(r#"{{"items":{{"required":[{}]}}}}"#, names(5_000)), filled("{}"), "required"),
        (r#"{"items":{"type":"string"}}"#.into(), filled("1"), "type"),
        (format!(r#"{{"items":{{"oneOf":[{}]}}}}"#, constants(900)), filled("1"), LIMIT),
        (format!(r#"{{"items":{{"anyOf":[{}]}}}}"#, constants(900)), filled("1000"), "anyOf"),
        (format!(r#"{{"items":{{"enum":[{}]}}}}"#, names(5_000)), filled(r#""r04999""#), LIMIT),
        (patterns.into(), format!(r#""{}""#, "ab".repeat(100_000)), LIMIT),
        (format!(r#"{{"items":{patterns}}}"#), filled(&format!(r#""{}""#, "ab".repeat(500))), "pattern"),
        (r#"{"items":{"multipleOf":1e-300}}"#.into(), filled("1.5e300"), LIMIT),
        (format!(r#"{{"allOf":[{}{{}}]}}"#, r#"{"uniqueItems":true},"#.repeat(50)), filled("[]"), LIMIT),
        (r#"{"contains":{"const":1},"unevaluatedItems":{"const":2}}"#.into(), filled("1"), LIMIT),
    ];
    for (text, data, rule) in table {
        let start: String = text.chars().take(80).collect();
        assert_eq!(outcome(text, data), Err(rule.to_owned()), "{start}");
    }
}

#[test]
fn a_comparison_spends_its_steps_before_it_walks() {
    let members = |first: &str| (0..2_000).map(|i| format!(r#""{first}{i}":1"#)).collect::<Vec<_>>().join(",");
    for (constant, data) in [
        (format!("{{{}}}", members("a")), format!("{{{}}}", members("b"))),
        (format!("[{}2]", "1,".repeat(2_000)), format!("[{}3]", "1,".repeat(2_000))),
    ] {
        let text = schema(&format!(r#"{{"not":{{"const":{constant}}}}}"#));
        assert!(text.validate_within(&data, MAX_STEPS).unwrap() >= 2_000);
        assert_eq!(text.validate_within(&data, 1_000).unwrap_err()[0].rule, LIMIT);
    }
}

#[test]
fn ordinary_data_of_the_largest_size_is_far_from_the_limit() {
    let text = r##"{"type":"object","required":["lines"],"properties":{"lines":{"type":"array","items":{"$ref":"#/$defs/line"}}},
        "$defs":{"line":{"type":"object","required":["sku","quantity"],"additionalProperties":false,"properties":{
            "sku":{"type":"string","pattern":"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
            "quantity":{"type":"integer","minimum":1},"name":{"type":"string","maxLength":200},
            "kind":{"enum":["a","b"]},"tax":{"anyOf":[{"type":"null"},{"type":"number"}]}}}}}"##;
    let line = r#"{"sku":"0f8fad5b-d9cb-469f-a165-70867728950e","quantity":2,"name":"Widget, blue, large","kind":"a","tax":1.5}"#;
    let data = format!(r#"{{"lines":{}}}"#, filled(line).replacen(&format!("{line},"), "", 1));
    let steps = outcome(text.to_owned(), data).unwrap();
    assert!(steps < MAX_STEPS * 6 / 10, "{steps}");
}
