use super::{schema, violations};
use crate::domain::schema::limits::MAX_VIOLATIONS;

#[test]
fn a_violation_names_the_place_the_rule_and_the_keyword() {
    let table: &[(&str, &str, &str, &str, &str, &str)] = &[
        (r#"{"type":["object","null"]}"#, "1.5", "", "type", "/type", "must be an object or null, and is a number"),
        (r#"{"type":"integer"}"#, r#""a""#, "", "type", "/type", "must be an integer, and is a string"),
        (r#"{"const":"a"}"#, "1", "", "const", "/const", r#"must be "a""#),
        (r#"{"enum":["b","a",5,null]}"#, "1", "", "enum", "/enum", r#"must be one of "a", "b", 5, null"#),
        (r#"{"enum":[{},[]]}"#, "1", "", "enum", "/enum", "must be one of the 2 values in enum"),
        (r#"{"items":{"minimum":1.5}}"#, "[2,1]", "/1", "minimum", "/items/minimum", "must be at least 1.5"),
        (r#"{"maxLength":1}"#, r#""ab""#, "", "maxLength", "/maxLength", "must have at most 1 character"),
        (r#"{"pattern":"b"}"#, r#""a""#, "", "pattern", "/pattern", "must match the pattern"),
        (r#"{"required":["a/b"]}"#, "{}", "", "required", "/required", r#"must have the property "a/b""#),
        (
            r#"{"dependentRequired":{"a":["b"]}}"#,
            r#"{"a":1}"#,
            "",
            "dependentRequired",
            "/dependentRequired",
            r#"must have the property "b", as it has "a""#,
        ),
        (
            r#"{"properties":{"a~":{"additionalProperties":false}}}"#,
            r#"{"a~":{"x/y":1}}"#,
            "/a~0/x~1y",
            "additionalProperties",
            "/properties/a~0/additionalProperties",
            "is not allowed",
        ),
        ("false", "1", "", "false", "", "is not allowed"),
        (
            r#"{"propertyNames":{"maxLength":1}}"#,
            r#"{"ab":1}"#,
            "",
            "maxLength",
            "/propertyNames/maxLength",
            r#"has the name "ab", which must have at most 1 character"#,
        ),
        (
            r#"{"uniqueItems":true}"#,
            "[1,2,1]",
            "",
            "uniqueItems",
            "/uniqueItems",
            "must have different elements, and those at 0 and 2 are equal",
        ),
        (
            r#"{"contains":true,"maxContains":1}"#,
            "[1,2]",
            "",
            "maxContains",
            "/maxContains",
            "must have at most 1 element that match the schema in contains",
        ),
        (r#"{"anyOf":[false,false]}"#, "1", "", "anyOf", "/anyOf", "must match at least one of the 2 schemas in anyOf"),
        (
            r#"{"oneOf":[true,true]}"#,
            "1",
            "",
            "oneOf",
            "/oneOf",
            "must match exactly one of the 2 schemas in oneOf, and matches several",
        ),
        (r#"{"not":{}}"#, "1", "", "not", "/not", "must not match the schema in not"),
        (
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"null"}}}"##,
            "1",
            "",
            "type",
            "/$defs/a/type",
            "must be null, and is an integer",
        ),
        (r#"{"if":true,"then":{"const":1}}"#, "2", "", "const", "/then/const", "must be 1"),
        (
            r#"{"unevaluatedProperties":false}"#,
            r#"{"a":1}"#,
            "/a",
            "unevaluatedProperties",
            "/unevaluatedProperties",
            "is not allowed",
        ),
    ];
    for (text, data, pointer, rule, schema_pointer, message) in table {
        let found = violations(text, data);
        let found: Vec<_> = found
            .iter()
            .map(|v| (v.pointer.as_str(), v.rule.as_str(), v.schema_pointer.as_str(), v.message.as_str()))
            .collect();
        assert_eq!(found, [(*pointer, *rule, *schema_pointer, *message)], "{text} {data}");
    }
}

#[test]
fn all_violations_are_listed_up_to_a_limit() {
    let found = violations(
        r#"{"required":["a","b"],"properties":{"c":{"type":"null","minimum":5},"d":{"items":{"type":"null"}}}}"#,
        r#"{"c":1,"d":[null,1,2]}"#,
    );
    let places: Vec<_> = found.iter().map(|v| format!("{} {}", v.pointer, v.rule)).collect();
    assert_eq!(places, [" required", " required", "/c type", "/c minimum", "/d/1 type", "/d/2 type"]);
    assert_eq!(violations(r#"{"items":false}"#, &format!("[{}1]", "1,".repeat(50))).len(), MAX_VIOLATIONS);
}

#[test]
fn messages_and_pointers_contain_little_data() {
    let long = "x".repeat(5_000);
    for text in [r#"{"additionalProperties":false}"#, r#"{"propertyNames":{"maxLength":1}}"#, r#"{"type":"null"}"#] {
        for violation in violations(text, &format!(r#"{{"{long}":"{long}"}}"#)) {
            assert!(violation.message.len() < 150 && violation.pointer.len() <= 1_024, "{violation:?}");
        }
    }
    let twice = schema("{}").validate_text(&format!(r#"{{"{long}":1,"{long}":2}}"#)).unwrap_err();
    assert!(twice[0].message.len() < 120);
}
