use super::{check_table, refusal};

#[test]
fn references_stay_in_the_document() {
    check_table(
        "",
        &[
            (r##"{"$ref":"#/$defs/a%25b~1","$defs":{"a%b/":{"const":1}}}"##, &["1"], &["2"]),
            (r##"{"$ref":"#x","$defs":{"a":{"$anchor":"x","const":1}}}"##, &["1"], &["2"]),
            (r##"{"$ref":"#/$defs/a","maximum":5,"$defs":{"a":{"minimum":1}}}"##, &["1"], &["0", "6"]),
            (
                r##"{"properties":{"a":{"$ref":"#"}},"additionalProperties":false}"##,
                &[r#"{"a":{"a":{}}}"#],
                &[r#"{"a":{"b":1}}"#],
            ),
            (r##"{"$id":"http://x/y/z","$ref":"/q","$defs":{"a":{"$id":"http://x/q","const":1}}}"##, &["1"], &["2"]),
            (
                r##"{"$id":"http://x/y/z","$ref":"b#c","$defs":{"a":{"$id":"b","items":{"$anchor":"c","const":1}}}}"##,
                &["1"],
                &["2"],
            ),
            (r##"{"$id":"urn:a","$ref":"urn:a#/$defs/x","$defs":{"x":{"const":1}}}"##, &["1"], &["2"]),
            (r##"{"$ref":"#/$defs/a/prefixItems/0","$defs":{"a":{"prefixItems":[{"const":1}]}}}"##, &["1"], &["2"]),
            (r##"{"$ref":"#/x-types/a","x-types":{"a":{"const":1}}}"##, &["1"], &["2"]),
        ],
    );
}

#[test]
fn a_bad_reference_is_named() {
    let table = [
        (r#"{"$ref":"http://127.0.0.1:9/x.json"}"#, "/$ref", "other documents"),
        (r#"{"$ref":"file:///etc/hostname"}"#, "/$ref", "other documents"),
        (r#"{"$ref":"https://json-schema.org/draft/2020-12/schema"}"#, "/$ref", "other documents"),
        (r##"{"$defs":{"a":{"$ref":"#/$defs/none"}}}"##, "/$defs/a/$ref", "exists"),
        (r##"{"items":{"$ref":"#none"}}"##, "/items/$ref", "anchor"),
        (r##"{"$ref":"#/a","a":5}"##, "/a", "must be a schema"),
        (r#"{"$ref":1}"#, "/$ref", "string"),
        (r#"{"$defs":{"a":{"$id":"x"},"b":{"$id":"x"}}}"#, "/$defs/b/$id", "another"),
        (r#"{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}"#, "/$defs/b/$anchor", "another"),
        (r##"{"$defs":{"a":{"$id":"#x"}}}"##, "/$defs/a/$id", "fragment"),
        (r##"{"$ref":"#"}"##, "", "never ends"),
        (r##"{"allOf":[{"$ref":"#"}]}"##, "", "never ends"),
        (r##"{"items":{"not":{"$ref":"#/items"}}}"##, "/items", "never ends"),
        (r##"{"$dynamicAnchor":"n","$dynamicRef":"#n"}"##, "", "never ends"),
        (
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"if":{"$ref":"#/$defs/a"}}}}"##,
            "/$defs/a",
            "never ends",
        ),
    ];
    for (text, pointer, reason) in table {
        let error = refusal(text);
        assert_eq!(error.pointer, pointer, "{text} {error}");
        assert!(error.reason.contains(reason), "{text} {error}");
    }
}
