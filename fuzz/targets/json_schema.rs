//! Verdicts are those of the crate `jsonschema`, for schemas and data that the bytes generate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use shared::domain::schema::Schema;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let draft = choices.next(5);
    let mut document = schema(&mut choices, draft, 4);
    if let Value::Object(keywords) = &mut document {
        keywords.insert("$schema".into(), DRAFTS[draft].into());
        let definitions: Map<_, _> = (0..3).map(|i| (format!("d{i}"), schema(&mut choices, draft, 3))).collect();
        keywords.insert("definitions".into(), definitions.into());
    }
    let text = document.to_string();
    let Ok(ours) = Schema::compile(&text) else { return };
    let Ok(theirs) = jsonschema::validator_for(&document) else { panic!("only we accept {text}") };
    for _ in 0..4 {
        let data = value(&mut choices, 3);
        let outcome = ours.validate_text(&data.to_string());
        if outcome.as_ref().is_err_and(|violations| violations[0].rule == "limit") {
            continue;
        }
        assert_eq!(outcome.is_ok(), theirs.is_valid(&data), "{text} {data} {outcome:?}");
    }
});

const DRAFTS: [&str; 5] = [
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];
const NAMES: [&str; 4] = ["a", "b", "ab", "c"];
const PATTERNS: [&str; 5] = ["a", "^a", "b$", "^[a-b]+$", "c?"];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self, below: usize) -> usize {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                usize::from(*first) % below
            }
            None => 0,
        }
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.next(of.len())]
    }
}

fn value(choices: &mut Choices<'_>, depth: usize) -> Value {
    match choices.next(if depth == 0 { 7 } else { 11 }) {
        0 => Value::Null,
        1 => json!(choices.next(2) == 0),
        2 => json!(choices.next(5)),
        // In draft 4, 1.0 is an integer for us and not for `jsonschema`.
        3 => json!(choices.next(5) as f64 + 0.5),
        4 => json!(-(choices.next(3) as i64)),
        5 => json!(""),
        6 => json!(choices.one(&NAMES)),
        7 | 8 => (0..choices.next(4)).map(|_| value(choices, depth - 1)).collect(),
        _ => (0..choices.next(4))
            .map(|_| (choices.one(&NAMES).to_owned(), value(choices, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

fn schema(choices: &mut Choices<'_>, draft: usize, depth: usize) -> Value {
    if depth == 0 || choices.next(8) == 0 {
        return match choices.next(if draft == 0 { 1 } else { 3 }) {
            0 => json!({}),
            1 => json!(true),
            _ => json!(false),
        };
    }
    let mut keywords = Map::new();
    for _ in 0..=choices.next(3) {
        let (keyword, value) = keyword(choices, draft, depth - 1);
        keywords.insert(keyword.into(), value);
    }
    keywords.into()
}

fn keyword(choices: &mut Choices<'_>, draft: usize, depth: usize) -> (&'static str, Value) {
    let names = |choices: &mut Choices<'_>| {
        let mut names = vec![choices.one(&NAMES)];
        names.extend(Some(choices.one(&NAMES)).filter(|name| !names.contains(name)));
        json!(names)
    };
    let list =
        |choices: &mut Choices<'_>| -> Value { (0..=choices.next(3)).map(|_| schema(choices, draft, depth)).collect() };
    let map = |choices: &mut Choices<'_>, keys: &[&str]| -> Value {
        (0..=choices.next(2))
            .map(|_| (choices.one(keys).to_owned(), schema(choices, draft, depth)))
            .collect::<Map<_, _>>()
            .into()
    };
    match choices.next(34) {
        0 | 1 => ("type", json!(choices.one(&TYPES))),
        2 => ("enum", json!([value(choices, 1), choices.next(9)])),
        3 if draft > 0 => ("const", value(choices, 2)),
        4 => ("minimum", json!(choices.next(5))),
        5 => ("maximum", json!(choices.next(5) as f64 / 2.0)),
        6 if draft > 0 => ("exclusiveMinimum", json!(choices.next(5))),
        7 => ("multipleOf", json!((choices.next(4) + 1) as f64 / 2.0)),
        8 => ("minLength", json!(choices.next(3))),
        9 => ("maxItems", json!(choices.next(3))),
        10 => ("minItems", json!(choices.next(3))),
        11 => ("minProperties", json!(choices.next(3))),
        12 => ("required", names(choices)),
        13 if draft > 2 => ("dependentRequired", json!({ choices.one(&NAMES): names(choices) })),
        14 => ("pattern", json!(choices.one(&PATTERNS))),
        15 => ("uniqueItems", json!(true)),
        16 => ("allOf", list(choices)),
        17 => ("anyOf", list(choices)),
        18 => ("oneOf", list(choices)),
        19 => ("not", schema(choices, draft, depth)),
        20 if draft > 1 => ("if", schema(choices, draft, depth)),
        21 if draft > 1 => ("then", schema(choices, draft, depth)),
        22 if draft > 1 => ("else", schema(choices, draft, depth)),
        23 => ("properties", map(choices, &NAMES)),
        24 => ("patternProperties", map(choices, &PATTERNS)),
        25 => ("additionalProperties", schema(choices, draft, depth)),
        26 if draft > 0 => ("propertyNames", schema(choices, draft, depth)),
        27 if draft == 4 => ("prefixItems", list(choices)),
        28 => ("items", schema(choices, draft, depth)),
        29 if draft > 0 => ("contains", schema(choices, draft, depth)),
        30 if draft > 2 => {
            let keyword = ["minContains", "maxContains"][choices.next(2)];
            (keyword, json!(choices.next(3)))
        }
        31 if draft > 2 => ("unevaluatedProperties", schema(choices, draft, depth)),
        // In 2019-09, `contains` evaluates elements for `jsonschema`, and not in the specification.
        32 if draft == 4 => ("unevaluatedItems", schema(choices, draft, depth)),
        33 if draft > 2 => ("dependentSchemas", map(choices, &NAMES)),
        _ => ("$ref", json!(["#", "#/definitions/d0", "#/definitions/d1", "#/definitions/d2"][choices.next(4)])),
    }
}
