use super::{check_table, refusal, schema};
use crate::domain::schema::Draft;

const DRAFT_4: &str = "http://json-schema.org/draft-04/schema#";
const DRAFT_6: &str = "http://json-schema.org/draft-06/schema#";
const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";
const DRAFT_2019: &str = "https://json-schema.org/draft/2019-09/schema";
const DRAFT_2020: &str = "https://json-schema.org/draft/2020-12/schema";

#[test]
fn the_schema_keyword_selects_the_draft() {
    let table = [
        (DRAFT_4, Draft::Draft4),
        (DRAFT_6, Draft::Draft6),
        (DRAFT_7, Draft::Draft7),
        ("http://json-schema.org/draft-07/schema", Draft::Draft7),
        (DRAFT_2019, Draft::Draft201909),
        (DRAFT_2020, Draft::Draft202012),
    ];
    for (uri, draft) in table {
        assert_eq!(schema(&format!(r#"{{"$schema":"{uri}"}}"#)).draft(), draft);
    }
    assert_eq!(schema("{}").draft(), Draft::Draft202012);
    for unknown in [r#"{"$schema":"http://json-schema.org/draft-03/schema#"}"#, r#"{"$schema":1}"#] {
        assert_eq!(refusal(unknown).pointer, "/$schema");
    }
    let nested = format!(r#"{{"$schema":"{DRAFT_7}","properties":{{"a":{{"$schema":"{DRAFT_4}"}}}}}}"#);
    assert_eq!(refusal(&nested).pointer, "/properties/a/$schema");
}

#[test]
fn draft_4_has_its_own_keywords() {
    check_table(
        DRAFT_4,
        &[
            (r#"{"minimum":3,"exclusiveMinimum":true}"#, &["4"], &["3"]),
            (r#"{"maximum":3,"exclusiveMaximum":false}"#, &["3"], &["4"]),
            (
                r#"{"const":1,"contains":false,"if":true,"then":false,"propertyNames":false}"#,
                &["2", r#"{"a":[1]}"#],
                &[],
            ),
            (r#"{"additionalProperties":false}"#, &["{}"], &[r#"{"a":1}"#]),
            (r#"{"items":[{"const":1,"enum":[1]}],"additionalItems":false}"#, &["[1]"], &["[2]", "[1,1]"]),
            (
                r##"{"id":"http://x/a","items":{"$ref":"#b"},"definitions":{"b":{"id":"#b","type":"null"}}}"##,
                &["[null]"],
                &["[1]"],
            ),
        ],
    );
    for (text, pointer) in [
        (r#""properties":{"a":true}"#, "/properties/a"),
        (r#""exclusiveMinimum":3"#, "/exclusiveMinimum"),
        (r#""required":[]"#, "/required"),
        (r#""enum":[]"#, "/enum"),
    ] {
        assert_eq!(refusal(&format!(r#"{{"$schema":"{DRAFT_4}",{text}}}"#)).pointer, pointer);
    }
}

#[test]
fn drafts_6_and_7_differ_in_conditions() {
    let table: [(&str, &[&str], &[&str]); 3] = [
        (
            r#"{"exclusiveMinimum":3,"propertyNames":{"maxLength":1},"contains":true}"#,
            &["4"],
            &["3", "[]", r#"{"ab":1}"#],
        ),
        (r##"{"$ref":"#/definitions/a","maximum":1,"definitions":{"a":{"minimum":5}}}"##, &["6"], &["1"]),
        (
            r##"{"items":{"$ref":"#b"},"definitions":{"b":{"$id":"#b","type":"null"}},"dependentRequired":{"a":["b"]}}"##,
            &["[null]", r#"{"a":1}"#],
            &["[1]"],
        ),
    ];
    check_table(DRAFT_6, &table);
    check_table(DRAFT_7, &table);
    check_table(DRAFT_6, &[(r#"{"if":true,"then":false}"#, &["1"], &[])]);
    check_table(DRAFT_7, &[(r#"{"if":true,"then":false}"#, &[], &["1"])]);
}

#[test]
fn draft_2019_has_arrays_in_items_and_recursive_references() {
    check_table(
        DRAFT_2019,
        &[
            (
                r#"{"items":[{"const":1}],"additionalItems":{"const":2},"prefixItems":[false]}"#,
                &["[1,2]"],
                &["[1,1]", "[2]"],
            ),
            (r#"{"items":[true],"contains":{"const":5},"unevaluatedItems":false}"#, &["[5]"], &["[1,5]"]),
            (
                r##"{"$id":"http://x/strict","$recursiveAnchor":true,"$ref":"tree","unevaluatedProperties":false,
                    "$defs":{"tree":{"$id":"tree","$recursiveAnchor":true,"properties":{"c":{"$recursiveRef":"#"}}}}}"##,
                &[r#"{"c":{"c":{}}}"#],
                &[r#"{"c":{"d":1}}"#],
            ),
            (
                r##"{"$id":"http://x/strict","$ref":"tree","$defs":{"tree":{"$id":"tree","$recursiveAnchor":true,
                    "properties":{"c":{"$recursiveRef":"#"}},"unevaluatedProperties":false}}}"##,
                &[r#"{"c":{}}"#],
                &[r#"{"c":{"d":1}}"#],
            ),
        ],
    );
}

#[test]
fn draft_2020_has_prefix_items_and_dynamic_references() {
    check_table(
        DRAFT_2020,
        &[
            (
                r##"{"$id":"http://x/strict","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false,
                    "$defs":{"tree":{"$id":"tree","$dynamicAnchor":"node","properties":{"c":{"$dynamicRef":"#node"}}}}}"##,
                &[r#"{"c":{"c":{}}}"#],
                &[r#"{"c":{"d":1}}"#],
            ),
            (
                r##"{"$id":"http://x/strict","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false,
                    "$defs":{"tree":{"$id":"tree","$anchor":"node","properties":{"c":{"$dynamicRef":"#node"}}}}}"##,
                &[r#"{"c":{"d":1}}"#],
                &[r#"{"d":1}"#],
            ),
        ],
    );
    let nested = r#"{"items":[true]}"#;
    assert_eq!(refusal(nested).pointer, "/items");
}
