use super::{refusal, schema};
use crate::domain::schema::LIMIT;

fn nested(open: &str, inside: &str, close: &str, count: usize) -> String {
    format!("{}{inside}{}", open.repeat(count), close.repeat(count))
}

fn list(count: usize, element: impl Fn(usize) -> String) -> String {
    (0..count).map(element).collect::<Vec<_>>().join(",")
}

#[test]
fn keywords_have_values_of_their_form() {
    let table = [
        (r#"5"#, ""),
        (r#"{"type":"strin"}"#, "/type"),
        (r#"{"type":[]}"#, "/type"),
        (r#"{"type":["null","null"]}"#, "/type"),
        (r#"{"enum":1}"#, "/enum"),
        (r#"{"minimum":"3"}"#, "/minimum"),
        (r#"{"multipleOf":0}"#, "/multipleOf"),
        (r#"{"multipleOf":-1}"#, "/multipleOf"),
        (r#"{"minLength":-1}"#, "/minLength"),
        (r#"{"minLength":1.5}"#, "/minLength"),
        (r#"{"uniqueItems":1}"#, "/uniqueItems"),
        (r#"{"required":"a"}"#, "/required"),
        (r#"{"required":["a","a"]}"#, "/required"),
        (r#"{"dependentRequired":{"a/b":[1]}}"#, "/dependentRequired/a~1b"),
        (r#"{"properties":[]}"#, "/properties"),
        (r#"{"properties":{"a":[]}}"#, "/properties/a"),
        (r#"{"allOf":[]}"#, "/allOf"),
        (r#"{"allOf":{}}"#, "/allOf"),
        (r#"{"anyOf":[1]}"#, "/anyOf/0"),
        (r#"{"not":1}"#, "/not"),
        (r#"{"pattern":"["}"#, "/pattern"),
        (r#"{"pattern":"(?=a)"}"#, "/pattern"),
        (r#"{"patternProperties":{"(":true}}"#, "/patternProperties/("),
        (r#"{"$anchor":"1"}"#, "/$anchor"),
        (r#"{"$id":1}"#, "/$id"),
        (r#"{"description":1}"#, "/description"),
        (r#"{"deprecated":"yes"}"#, "/deprecated"),
        (r#"{"examples":{}}"#, "/examples"),
        (r#"{"$defs":{"unused":{"type":5}}}"#, "/$defs/unused/type"),
        (r#"{"a":1,"a":2}"#, "/a"),
        (r#"{"minimum":1e999}"#, "/minimum"),
        ("{", ""),
        ("", ""),
    ];
    for (text, pointer) in table {
        assert_eq!(refusal(text).pointer, pointer, "{text}");
    }
}

/// A process bounds the memory of its compiled schemas by what they report, however their texts are written.
#[test]
fn the_bytes_of_patterns_are_counted() {
    let plain = schema(r#"{"title":"^[a-z]{1,200}$"}"#).bytes();
    let patterns = [r#"{"pattern":"^[a-z]{1,200}$"}"#, r#"{"patternProperties":{"^[a-z]{1,200}$":true}}"#];
    for text in patterns {
        for text in [text.to_owned(), text.replace("pattern", r"\u0070attern")] {
            assert!(schema(&text).bytes() > plain + 1_000, "{text}");
        }
    }
    // It has too many states for a DFA, so its engine keeps states while it matches.
    let bytes = schema(r#"{"pattern":"(a|b)*a(a|b){20}c"}"#).bytes();
    assert!(bytes > 128 * 1024, "{bytes}");
}

#[test]
fn schemas_are_limited() {
    let table = [
        (r#"{"description":"x"}"#.replace('x', &"x".repeat(65_520)), false),
        (r#"{"description":"x"}"#.replace('x', &"x".repeat(65_519 - 3)), true),
        (nested(r#"{"not":"#, "{}", "}", 31), true),
        (nested(r#"{"not":"#, "{}", "}", 32), false),
        (nested(r#"{"items":"#, "{}", "}", 63), true),
        (nested(r#"{"items":"#, "{}", "}", 64), false),
        (format!(r#"{{"default":{}}}"#, nested("[", "", "]", 63)), true),
        (format!(r#"{{"default":{}}}"#, nested("[", "", "]", 64)), false),
        (format!(r#"{{"properties":{{{}}}}}"#, list(1_999, |i| format!(r#""{i}":true"#))), true),
        (format!(r#"{{"properties":{{{}}}}}"#, list(2_000, |i| format!(r#""{i}":true"#))), false),
        (format!(r#"{{"enum":[{}]}}"#, list(9_999, |i| format!("{i}"))), true),
        (format!(r#"{{"enum":[{}]}}"#, list(10_000, |i| format!("{i}"))), false),
        (format!(r#"{{"const":[{}],"enum":[{}]}}"#, list(5_000, |_| "1".into()), list(5_000, |_| "1".into())), false),
        (format!(r#"{{"required":[{}]}}"#, list(6_000, |i| format!(r#""{i}""#))), true),
        (format!(r#"{{"anyOf":[{}]}}"#, list(100, |i| format!(r#"{{"pattern":"a{i}"}}"#))), true),
        (format!(r#"{{"anyOf":[{}]}}"#, list(101, |i| format!(r#"{{"pattern":"a{i}"}}"#))), false),
        (format!(r#"{{"anyOf":[{}]}}"#, list(101, |_| r#"{"pattern":"a"}"#.into())), true),
        (format!(r#"{{"pattern":"{}"}}"#, "a".repeat(1_024)), true),
        (format!(r#"{{"pattern":"{}"}}"#, "a".repeat(1_025)), false),
        (r#"{"pattern":"(a{1,1000}){1,1000}"}"#.into(), false),
        (format!(r#"{{"anyOf":[{}]}}"#, list(80, |i| format!(r#"{{"pattern":"^[ab]*a[ab]{{900}}{i}c$"}}"#))), false),
        (format!(r#"{{"anyOf":[{}]}}"#, list(999, |_| "true".into())), true),
        (format!(r#"{{"anyOf":[{}]}}"#, list(1_000, |_| "true".into())), false),
        (format!(r#"{{"$defs":{{{}}}}}"#, list(100, |i| format!(r#""{i}":{{"$dynamicAnchor":"a{i}"}}"#))), true),
        (format!(r#"{{"$defs":{{{}}}}}"#, list(101, |i| format!(r#""{i}":{{"$dynamicAnchor":"a{i}"}}"#))), false),
        // Each definition refers twice to the one before.
        (laughs(8), true),
        (laughs(9), false),
        (chain(30), true),
        (chain(31), false),
        (chain(1_800), false),
    ];
    for (text, accepted) in table {
        let result = crate::domain::schema::Schema::compile(&text).map(|_| ()).map_err(|error| error.to_string());
        let start: String = text.chars().take(60).collect();
        assert_eq!(result.is_ok(), accepted, "{start} ({} bytes) {result:?}", text.len());
    }
}

fn laughs(levels: usize) -> String {
    let definition = |i: usize| match i {
        0 => r#""l0":{}"#.to_owned(),
        i => format!(r##""l{i}":{{"anyOf":[{{"$ref":"#/$defs/l{0}"}},{{"$ref":"#/$defs/l{0}"}}]}}"##, i - 1),
    };
    format!(r##"{{"items":{{"$ref":"#/$defs/l{}"}},"$defs":{{{}}}}}"##, levels - 1, list(levels, definition))
}

fn chain(references: usize) -> String {
    let definition = |i: usize| match i {
        0 => r#""d0":{}"#.to_owned(),
        i => format!(r##""d{i}":{{"$ref":"#/$defs/d{}"}}"##, i - 1),
    };
    let definitions = list(references + 1, definition);
    format!(r##"{{"items":{{"$ref":"#/$defs/d{references}"}},"$defs":{{{definitions}}}}}"##)
}

#[test]
fn data_is_limited() {
    let any = schema("true");
    let deep = |levels| nested("[", "", "]", levels);
    assert_eq!(any.validate_text(&deep(100)), Ok(()));
    for data in [deep(101), deep(100_000), "1e999".into(), format!("[{}1]", "1,".repeat(131_072))] {
        let violations = any.validate_text(&data).unwrap_err();
        assert_eq!(violations.iter().map(|v| v.rule.as_str()).collect::<Vec<_>>(), [LIMIT]);
    }
    for data in ["", "{", "[1,]", r#"{"a":1,"a":1}"#, r#""\ud800""#] {
        assert_eq!(any.validate_text(data).unwrap_err()[0].rule, "json", "{data}");
    }
}

#[test]
fn a_text_is_limited_by_its_own_size() {
    let text = schema(r#"{"type":"string","minLength":5}"#);
    assert_eq!(text.validate_string(&"\n".repeat(256 * 1024)), Ok(()));
    assert_eq!(text.validate_string(&"\n".repeat(256 * 1024 + 1)).unwrap_err()[0].rule, LIMIT);
    assert_eq!(text.validate_string("\"a\"").unwrap_err()[0].rule, "minLength");
}

#[test]
fn an_example_has_a_tenth_of_the_steps() {
    let items = schema(r#"{"items":{"type":"integer"}}"#);
    let data = format!("[{}1]", "1,".repeat(20_000));
    assert_eq!(items.validate_text(&data), Ok(()));
    assert_eq!(items.validate_example(&data).unwrap_err()[0].rule, LIMIT);
    assert_eq!(items.validate_example("[1]"), Ok(()));
}

#[test]
fn debug_output_is_short() {
    assert_eq!(format!("{:?}", schema(r#"{"items":{"const":"secret"}}"#)), "Schema(Draft202012, 2 subschemas)");
}
