use super::check_table;

#[test]
fn keywords_for_all_types_hold_or_not() {
    check_table(
        "",
        &[
            ("true", &["1"], &[]),
            ("false", &[], &["1", "null"]),
            ("{}", &["1"], &[]),
            (r#"{"type":"null"}"#, &["null"], &["0", "false", r#""""#]),
            (r#"{"type":"boolean"}"#, &["true"], &["null", "0"]),
            (r#"{"type":"integer"}"#, &["1", "1.0", "-3", "1e300"], &["1.5", r#""1""#]),
            (r#"{"type":"number"}"#, &["1", "1.5"], &[r#""1""#]),
            (r#"{"type":"string"}"#, &[r#""""#], &["1"]),
            (r#"{"type":"array"}"#, &["[]"], &["{}"]),
            (r#"{"type":"object"}"#, &["{}"], &["[]"]),
            (r#"{"type":["string","null"]}"#, &[r#""a""#, "null"], &["1"]),
            (r#"{"enum":["a",1,null,{"a":[1]}]}"#, &[r#""a""#, "1.0", "null", r#"{"a":[1]}"#], &["2", r#"{"a":[2]}"#]),
            (r#"{"enum":[]}"#, &[], &["1", r#""a""#]),
            (r#"{"const":{"b":1,"a":[true]}}"#, &[r#"{"a":[true],"b":1.0}"#], &[r#"{"a":[1],"b":1}"#, "{}"]),
            (r#"{"format":"email","contentEncoding":"base64"}"#, &[r#""no""#], &[]),
            (r#"{"unknown":{"type":"strin"}}"#, &["1"], &[]),
        ],
    );
}

#[test]
fn keywords_for_numbers_hold_or_not() {
    check_table(
        "",
        &[
            (r#"{"minimum":1.1}"#, &["1.1", "2", r#""0""#], &["1", "-5"]),
            (r#"{"maximum":3}"#, &["3.0", "-1e300"], &["3.0001", "1e300"]),
            (r#"{"exclusiveMinimum":1}"#, &["1.1"], &["1"]),
            (
                r#"{"exclusiveMaximum":18446744073709551615}"#,
                &["18446744073709551614"],
                &["18446744073709551615", "1e20"],
            ),
            (r#"{"minimum":9007199254740993}"#, &["9007199254740993"], &["9007199254740992"]),
            (r#"{"multipleOf":0.01}"#, &["19.99", "0.07", "3", "-1.1"], &["0.001", "19.995"]),
            (r#"{"multipleOf":3}"#, &["9", "-9", "0", "3e20"], &["10", "1e20"]),
        ],
    );
}

#[test]
fn keywords_for_strings_hold_or_not() {
    check_table(
        "",
        &[
            (r#"{"minLength":2}"#, &[r#""ab""#, r#""éé""#, "1"], &[r#""a""#, r#""\ud83d\ude00""#]),
            (r#"{"maxLength":2}"#, &[r#""ab""#, r#""😀😀""#], &[r#""abc""#, r#""aaaaaaaaaaaaaaaa""#]),
            (r#"{"maxLength":2.0}"#, &[r#""ab""#], &[r#""abc""#]),
            (r#"{"pattern":"^a\\d+$"}"#, &[r#""a12""#, "1"], &[r#""a""#, r#""xa1""#]),
            (r#"{"pattern":"b"}"#, &[r#""abc""#], &[r#""ac""#]),
        ],
    );
}

#[test]
fn keywords_for_arrays_hold_or_not() {
    check_table(
        "",
        &[
            (r#"{"minItems":1}"#, &["[1]", "{}"], &["[]"]),
            (r#"{"maxItems":1}"#, &["[1]"], &["[1,2]"]),
            (
                r#"{"uniqueItems":true}"#,
                &["[1,2]", "[1,true]", r#"[{"a":1},{"a":2}]"#, r#"["1",1]"#],
                &["[1,1.0]", r#"[{"a":1,"b":2},{"b":2,"a":1}]"#, "[[[]],[[]]]"],
            ),
            (r#"{"uniqueItems":false}"#, &["[1,1]"], &[]),
            (r#"{"items":{"type":"integer"}}"#, &["[]", "[1,2]", "1"], &[r#"[1,"a"]"#]),
            (r#"{"prefixItems":[{"const":1}],"items":{"const":2}}"#, &["[1,2,2]", "[]", "[1]"], &["[2]", "[1,1]"]),
            (r#"{"prefixItems":[{"const":1}],"items":false}"#, &["[1]"], &["[1,1]"]),
            (r#"{"contains":{"const":1}}"#, &["[0,1]", "{}"], &["[]", "[0]"]),
            (r#"{"contains":{"const":1},"minContains":2}"#, &["[1,0,1]"], &["[1]", "[]"]),
            (r#"{"contains":{"const":1},"minContains":0}"#, &["[]"], &[]),
            (r#"{"contains":{"const":1},"maxContains":1}"#, &["[1,0]"], &["[1,1]", "[]"]),
            (r#"{"minContains":5}"#, &["[]"], &[]),
            (r#"{"prefixItems":[true],"unevaluatedItems":false}"#, &["[1]"], &["[1,2]"]),
            (r#"{"contains":{"const":1},"unevaluatedItems":{"const":2}}"#, &["[1,2,1]"], &["[1,3]"]),
            (
                r#"{"anyOf":[{"prefixItems":[{"const":1}]},{"prefixItems":[true,{"const":2}]}],"unevaluatedItems":false}"#,
                &["[1]", "[1,2]", "[0,2]"],
                &["[1,3]", "[1,2,3]"],
            ),
        ],
    );
}

#[test]
fn keywords_for_objects_hold_or_not() {
    check_table(
        "",
        &[
            (r#"{"minProperties":1}"#, &[r#"{"a":1}"#, "[]"], &["{}"]),
            (r#"{"maxProperties":1}"#, &[r#"{"a":1}"#], &[r#"{"a":1,"b":1}"#]),
            (r#"{"required":["a","b"]}"#, &[r#"{"b":1,"a":1}"#, "1"], &[r#"{"a":1}"#, "{}"]),
            (r#"{"dependentRequired":{"a":["b"]}}"#, &[r#"{"a":1,"b":1}"#, "{}"], &[r#"{"a":1}"#]),
            (r#"{"dependentSchemas":{"a":{"minProperties":2}}}"#, &[r#"{"a":1,"b":1}"#, "{}"], &[r#"{"a":1}"#]),
            (r#"{"dependencies":{"a":["b"],"c":false}}"#, &[r#"{"a":1,"b":1}"#], &[r#"{"a":1}"#, r#"{"c":1}"#]),
            (r#"{"properties":{"a":{"type":"null"}}}"#, &["{}", r#"{"a":null,"b":1}"#], &[r#"{"a":1}"#]),
            (r#"{"patternProperties":{"^a":{"type":"null"}}}"#, &[r#"{"ab":null,"b":1}"#], &[r#"{"ab":1}"#]),
            (
                r#"{"properties":{"a":true},"patternProperties":{"^b":true},"additionalProperties":{"const":1}}"#,
                &[r#"{"a":2,"b":2,"c":1}"#],
                &[r#"{"c":2}"#],
            ),
            (r#"{"propertyNames":{"maxLength":2}}"#, &[r#"{"ab":1}"#], &[r#"{"abc":1}"#]),
            (
                r#"{"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false}"#,
                &[r#"{"a":1}"#],
                &[r#"{"b":1}"#],
            ),
            (
                r#"{"oneOf":[{"properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":true},"required":["b"]}],"unevaluatedProperties":false}"#,
                &[r#"{"a":1}"#, r#"{"b":1}"#],
                &[r#"{"a":1,"c":1}"#, r#"{"b":1,"a":2}"#],
            ),
            (
                r#"{"if":{"properties":{"a":{"const":1}},"required":["a"]},"then":{"properties":{"b":true}},"else":{"properties":{"c":true}},"unevaluatedProperties":false}"#,
                &[r#"{"a":1,"b":1}"#, r#"{"c":1}"#],
                &[r#"{"a":1,"c":1}"#, r#"{"b":1}"#],
            ),
            (r#"{"not":{"properties":{"a":true}},"unevaluatedProperties":false}"#, &[], &[r#"{"a":1}"#]),
            (
                r##"{"$ref":"#/$defs/a","unevaluatedProperties":false,"$defs":{"a":{"properties":{"a":true}}}}"##,
                &[r#"{"a":1}"#],
                &[r#"{"b":1}"#],
            ),
            (
                r#"{"dependentSchemas":{"a":{"properties":{"b":true}}},"properties":{"a":true},"unevaluatedProperties":{"const":0}}"#,
                &[r#"{"a":1,"b":1}"#, r#"{"b":0}"#],
                &[r#"{"b":1}"#],
            ),
        ],
    );
}

#[test]
fn combinations_hold_or_not() {
    check_table(
        "",
        &[
            (r#"{"allOf":[{"minimum":1},{"maximum":2}]}"#, &["1"], &["0", "3"]),
            (r#"{"anyOf":[{"const":1},{"const":2}]}"#, &["1", "2"], &["3"]),
            (r#"{"oneOf":[{"minimum":1},{"maximum":2}]}"#, &["0", "3"], &["1"]),
            (r#"{"not":{"const":1}}"#, &["2"], &["1"]),
            (r#"{"if":{"minimum":5},"then":{"maximum":7},"else":{"const":1}}"#, &["6", "1"], &["8", "2"]),
            (r#"{"then":false,"else":false}"#, &["1"], &[]),
        ],
    );
}
