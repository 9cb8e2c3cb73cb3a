//! Reading of JSON.

use super::super::json::Json;

#[test]
fn values_keep_the_text_of_numbers_and_the_last_member_of_a_name() {
    for (text, written) in [
        (" { \"b\" : [ 1.0 , -2e+3 ] , \"a\" : null } ", r#"{"a":null,"b":[1.0,-2e+3]}"#),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"["\u0041\/\ud83d\ude00\n", true, false, {}, []]"#, r#"["A/😀\n",true,false,{},[]]"#),
        (r#""\u0000\u001f\b\f\r\t\"\\""#, r#""\u0000\u001f\b\f\r\t\"\\""#),
        (
            r#"["\ud800", "\ud800x", "\udc00\ud800", "\ud800\u0041"]"#,
            "[\"\u{fffd}\",\"\u{fffd}x\",\"\u{fffd}\u{fffd}\",\"\u{fffd}A\"]",
        ),
        ("0", "0"),
    ] {
        assert_eq!(Json::of_event(text, 8).unwrap().to_string(), written, "{text}");
    }
}

#[test]
fn other_texts_are_refused() {
    for bad in [
        "",
        " ",
        "nul",
        "nulls",
        "tru",
        "{",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "--1",
        "0x1",
        "NaN",
        "1 2",
        "\"",
        "\"a",
        "\"\\x\"",
        "\"\\",
        "\"\\u12\"",
        "\"\\u12é\"",
        "\"\\ud800\\u1\"",
        "\"\n\"",
        "\"\u{1}\"",
        "\u{a0}1",
        "'a'",
    ] {
        assert!(Json::of_event(bad, 8).is_err(), "{bad}");
    }
}

#[test]
fn levels_are_limited() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(Json::of_event(&nested(64), 64).is_ok());
    for deep in [nested(65), "[".repeat(100_000), "{\"a\":".repeat(100_000)] {
        assert!(Json::of_event(&deep, 64).is_err());
    }
}

#[test]
fn filters_have_neither_repeated_names_nor_lone_surrogates() {
    for bad in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#, r#""\ud800""#, r#"{"\udfff":1}"#] {
        assert!(Json::of_filter(bad, 8).is_err() && Json::of_event(bad, 8).is_ok(), "{bad}");
    }
    assert!(Json::of_filter(r#"{"a":{"a":"\ud83d\ude00"}}"#, 8).is_ok());
}
