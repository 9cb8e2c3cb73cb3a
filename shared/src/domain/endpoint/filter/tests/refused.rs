//! Tests of what filters refuse, of their limits, and of what they say.

use super::*;

fn refusal(filter: &str) -> String {
    Filter::parse(filter).unwrap_err().to_string()
}

fn all() -> Steps {
    Steps::new(u64::MAX)
}

fn event(data: &str) -> EventView<'_> {
    EventView::new("a.b", ("organization", "org_1"), &["eu"], data).unwrap()
}

#[test]
fn refusals_name_the_part_and_the_reason() {
    for (filter, expected) in [
        ("", "must be JSON; it is not at byte 0"),
        ("[]", "must be an object"),
        ("{}", "must name a field"),
        (r#"{"type": ["a"], "type": ["b"]}"#, "must not have type twice in one object"),
        (r#"{"type": ["\ud800"]}"#, "must be JSON; byte 17 ends half a surrogate pair"),
        (r#"{"detail": {"a": [1]}}"#, "/detail must be one of channels, data, subject, type"),
        (
            r#"{"$or": [{"type": ["a"]}, {"source": ["b"]}]}"#,
            "/$or/1/source must be one of channels, data, subject, type",
        ),
        (r#"{"type": "a"}"#, "/type must be an object, or an array of values and rules"),
        (r#"{"type": []}"#, "/type must have a value or rule"),
        (r#"{"type": [["a"]]}"#, "/type/0 must not be an array"),
        (r#"{"type": [{}]}"#, "/type/0 must have exactly one operator"),
        (r#"{"type": ["a", {"prefix": "a", "suffix": "b"}]}"#, "/type/1 must have exactly one operator"),
        (
            r#"{"type": [{"regex": "a"}]}"#,
            "/type/0/regex must be one of prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists, cidr",
        ),
        (r#"{"type": [{"prefix": 1}]}"#, "/type/0/prefix must be a string"),
        (r#"{"type": [{"prefix": ["a"]}]}"#, "/type/0/prefix must be a string"),
        (r#"{"type": [{"suffix": {"wildcard": "a"}}]}"#, "/type/0/suffix/wildcard must be equals-ignore-case"),
        (r#"{"type": [{"equals-ignore-case": null}]}"#, "/type/0/equals-ignore-case must be a string"),
        (r#"{"type": [{"wildcard": "a**"}]}"#, "/type/0/wildcard must not have two * in a row"),
        (r#"{"type": [{"wildcard": "\\a"}]}"#, r"/type/0/wildcard must have only * or \ after a \"),
        (r#"{"type": [{"anything-but": []}]}"#, "/type/0/anything-but must not be empty"),
        (r#"{"type": [{"anything-but": ["a", 1]}]}"#, "/type/0/anything-but must have only strings or only numbers"),
        (r#"{"type": [{"anything-but": ["a", null]}]}"#, "/type/0/anything-but/1 must be a string"),
        (r#"{"type": [{"anything-but": true}]}"#, "/type/0/anything-but must be a string"),
        (r#"{"type": [{"anything-but": {"prefix": ""}}]}"#, "/type/0/anything-but/prefix must not be empty"),
        (r#"{"type": [{"anything-but": {"suffix": ["a", ""]}}]}"#, "/type/0/anything-but/suffix/1 must not be empty"),
        (
            r#"{"type": [{"anything-but": {"numeric": ["=", 1]}}]}"#,
            "/type/0/anything-but/numeric/0 must be one of prefix, suffix, equals-ignore-case, wildcard",
        ),
        (r#"{"type": [{"exists": "true"}]}"#, "/type/0/exists must be true or false"),
        (r#"{"type": [{"cidr": "10.0.0.0"}]}"#, "/type/0/cidr must be a network such as 10.0.0.0/8"),
        (r#"{"type": [{"cidr": "10.0.0.0/33"}]}"#, "/type/0/cidr must be a network such as 10.0.0.0/8"),
        (r#"{"type": [{"cidr": "010.0.0.0/8"}]}"#, "/type/0/cidr must be a network such as 10.0.0.0/8"),
        (r#"{"type": [{"cidr": 10}]}"#, "/type/0/cidr must be a network such as 10.0.0.0/8"),
        (r#"{"data": {"a": [1e10000]}}"#, "/data/a/0 must have an exponent of at most 4 digits"),
        (r#"{"data": {"a/b": [{"numeric": [">", "1"]}]}}"#, "/data/a~1b/0/numeric must be a number"),
        (r#"{"$or": {"type": ["a"]}}"#, "/$or must be an array of objects"),
        (r#"{"$or": [{"type": ["a"]}]}"#, "/$or must have at least two objects"),
        (r#"{"$or": [{"type": ["a"]}, 1]}"#, "/$or/1 must be an object"),
        (r#"{"$or": [{"type": ["a"]}, {}]}"#, "/$or/1 must name a field"),
        (
            r#"{"$or": [{"data": {"prefix": ["a"]}}, {"type": ["a"]}]}"#,
            "/$or/0/data/prefix must not be the name of an operator in $or",
        ),
        (
            r#"{"data": {"a": [1]}, "$or": [{"data": {"a": [1]}}, {"type": ["a"]}]}"#,
            "/data/a must not be in a $or and beside it",
        ),
        (
            r#"{"data": {"$or": [{"a": [1]}, {"b": [1]}]}, "$or": [{"type": ["a"]}, {"data": {"b": [2]}}]}"#,
            "/data/$or/1/b must not be in a $or and beside it",
        ),
    ] {
        assert_eq!(refusal(filter), expected, "{filter}");
    }
    for numeric in [
        "[]",
        "{}",
        "1",
        "[1]",
        "[\">\"]",
        "[\"==\", 1]",
        "[\"<\", 1, \">\", 0]",
        "[\">\", 5, \"<\", 5]",
        "[\"=\", 1, \"<\", 5]",
        "[\">\", 1, \"=\", 5]",
        "[\">\", 1, \"<\"]",
        "[\">\", 1, \"<\", 2, \"<\", 3]",
    ] {
        let refused = refusal(&format!(r#"{{"type": [{{"numeric": {numeric}}}]}}"#));
        assert!(refused.starts_with("/type/0/numeric must be a comparison such as"), "{numeric}: {refused}");
    }
}

#[test]
fn alternatives_may_name_the_same_field() {
    let filter = r#"{"$or": [{"type": ["a.b"]}, {"type": ["c.d"], "data": {"x": [1]}}, {"data": {"x": [2]}}]}"#;
    assert!(Filter::parse(filter).unwrap().matches(&event("{}"), &all()).unwrap());
}

#[test]
fn filters_have_limits() {
    let text = |length: usize| format!(r#"{{"type": ["{}"]}}"#, "a".repeat(length - 14));
    assert_eq!(text(4_096).len(), 4_096);
    assert!(Filter::parse(&text(4_096)).is_ok());
    assert_eq!(refusal(&text(4_097)), "must be at most 4096 bytes");

    let rules = |count: usize| format!(r#"{{"data": {{"a": [{}]}}}}"#, vec!["1"; count].join(","));
    assert!(Filter::parse(&rules(256)).is_ok());
    assert_eq!(refusal(&rules(257)), "/data/a/256 must be one of at most 256 values and rules");
    let listed =
        |count: usize| format!(r#"{{"data": {{"a": [{{"anything-but": [{}]}}]}}}}"#, vec!["1"; count].join(","));
    assert!(Filter::parse(&listed(255)).is_ok());
    assert!(Filter::parse(&listed(256)).is_err());

    let nested =
        |levels: usize| format!(r#"{{"data": {}[1]{}}}"#, r#"{"a":"#.repeat(levels - 2), "}".repeat(levels - 2));
    assert!(Filter::parse(&nested(32)).is_ok());
    assert_eq!(refusal(&nested(33)), "must have fewer levels of arrays and objects");

    let or = |names: &str, alternatives: usize| {
        let objects: Vec<_> = (0..alternatives).map(|it| format!(r#"{{"{names}{it}":[1]}}"#)).collect();
        format!(r#""{names}": {{"$or": [{}]}}"#, objects.join(","))
    };
    let product = |last| format!(r#"{{"data": {{{},{},{}}}}}"#, or("a", 10), or("b", 10), or("c", last));
    assert!(Filter::parse(&product(10)).is_ok());
    assert_eq!(refusal(&product(11)), "/data/c/$or must not multiply the combinations of all $or to more than 1000");
}

#[test]
fn the_canonical_text_is_short_and_sorted() {
    for (filter, canonical) in [
        (
            r#" { "type" : [ "\u0061\/" , 1.50 ] , "$or":[{"data":{"b":[null]}},{"data":{"a":[true]}}], "channels":[{"prefix" : "x"}] } "#,
            r#"{"channels":[{"prefix":"x"}],"type":["a/",1.50],"$or":[{"data":{"b":[null]}},{"data":{"a":[true]}}]}"#,
        ),
        (r#"{"$or":[{"type":["a"]},{"type":["\u001f"]}]}"#, r#"{"$or":[{"type":["a"]},{"type":["\u001f"]}]}"#),
    ] {
        let parsed = Filter::parse(filter).unwrap();
        assert_eq!(parsed.as_str(), canonical);
        assert_eq!(Filter::parse(canonical), Ok(parsed));
    }
}

#[test]
fn an_explanation_names_the_parts_that_do_not_match() {
    let filter = r#"{"type": ["a.b"], "channels": ["us"], "data": {"amount": [{"numeric": [">", 10]}], "a/b": {"c": ["x"]},
        "lines": {"sku": ["a"], "gift": [true]}, "$or": [{"p": [1]}, {"q": [2]}]}}"#;
    let long = "é".repeat(300);
    let data = format!(r#"{{"amount": 7, "lines": [{{"sku": "a"}}, {{"gift": true, "note": "{long}"}}], "p": 2}}"#);
    let shown: Vec<_> = Filter::parse(filter).unwrap().explain(&event(&data), &all());
    let shown: Vec<_> = shown.iter().map(|it| (&*it.path, &*it.wanted, it.found.as_deref())).collect();
    let lines = format!(r#"[{{"sku":"a"}},{{"gift":true,"note":"{}…"#, "é".repeat(200 - 34));
    assert_eq!(
        shown,
        [
            ("/channels", r#"["us"]"#, Some(r#"["eu"]"#)),
            ("/data/a~1b/c", r#"["x"]"#, None),
            ("/data/amount", r#"[{"numeric":[">",10]}]"#, Some("7")),
            ("/data/lines", r#"{"gift":[true],"sku":["a"]}"#, Some(&*lines)),
            ("/data/$or", r#"[{"p":[1]},{"q":[2]}]"#, None),
        ]
    );
    assert_eq!(Filter::parse(r#"{"type": ["a.b"]}"#).unwrap().explain(&event("{}"), &all()), []);
}

#[test]
fn hostile_filters_and_events_are_refused_or_compared() {
    for hostile in [
        "[".repeat(4_096),
        r#"{"data":"#.repeat(500),
        format!(r#"{{"type":[{{"wildcard":"{}"}}]}}"#, "*".repeat(4_000)),
        format!(r#"{{"data":{{"a":[{}]}}}}"#, "9".repeat(4_000)),
        format!(r#"{{"type":["{}"]}}"#, "\\".repeat(4_001)),
    ] {
        let _ = Filter::parse(&hostile);
    }
    let stars = format!(r#"{{"data":{{"a":[{{"wildcard":"{}b"}}]}}}}"#, "*a".repeat(2_000));
    let text = format!(r#"{{"a":"{}"}}"#, "a".repeat(260_000));
    assert!(!Filter::parse(&stars).unwrap().matches(&event(&text), &all()).unwrap());
    let digits = format!(r#"{{"a":{}}}"#, "9".repeat(260_000));
    let numeric = Filter::parse(r#"{"data":{"a":[{"numeric":[">",1e9999]}]}}"#).unwrap();
    assert!(numeric.matches(&event(&digits), &all()).unwrap());
    assert!(EventView::new("a", ("b", "c"), &[""; 0], &("[".repeat(65) + &"]".repeat(65))).is_err());
}
