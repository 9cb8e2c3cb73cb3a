//! The steps of a comparison, and the size of a filter.

use super::*;

fn list(entry: &str, count: usize) -> String {
    vec![entry; count].join(",")
}

/// Filters and data of 26 KB for which a comparison takes long.
fn hostile() -> Vec<(&'static str, String, String)> {
    let a = |value: &str| format!(r#"{{"a":{value}}}"#);
    let long = a(&format!("\"{}\"", "a".repeat(26_000)));
    let names: Vec<_> = (0..150).map(|index| format!(r#""{index}":[{{"exists":false}}]"#)).collect();
    let deep = format!("{}[1]{}", r#"{"a":"#.repeat(29), "}".repeat(29));
    vec![
        ("numbers", a(&format!("[{}]", list("2", 256))), a(&format!("[{}]", list("1", 13_000)))),
        ("texts", a(&format!("[{}]", list("\"b\"", 256))), a(&format!("[{}]", list("\"a\"", 6_500)))),
        ("absent fields", a(&format!("{{{}}}", names.join(","))), a(&format!("[{}]", list("{}", 8_700)))),
        ("wildcards", a(&format!("[{}]", list(r#"{"wildcard":"*b*"}"#, 190))), long.clone()),
        (
            "none of the wildcards",
            a(&format!(r#"[{{"anything-but":{{"wildcard":[{}]}}}}]"#, list("\"*b*\"", 190))),
            long,
        ),
        ("digits", a(&format!("[{}]", list("2", 200))), a(&format!("1{}", "0".repeat(26_000)))),
        (
            "texts without case",
            a(&format!("[{}]", list(r#"{"equals-ignore-case":"aaaaaaaab"}"#, 100))),
            a(&format!("[{}]", list("\"aaaaaaaaa\"", 2_100))),
        ),
        ("empty arrays", a(&deep), a(&format!("[{}]", list("[]", 8_700)))),
    ]
}

#[test]
fn a_comparison_ends_within_its_steps() {
    for (name, filter, data) in hostile() {
        let filter = Filter::parse(&format!(r#"{{"data":{filter}}}"#)).unwrap();
        let event = EventView::new("a.b", ("t", "i"), &[""; 0], &data).unwrap();
        let all = Steps::new(u64::MAX);
        let matches = filter.matches(&event, &all);
        assert!(matches.is_some() && all.taken() > 5_000, "{name}: {}", all.taken());
        assert_eq!(filter.matches(&event, &Steps::new(all.taken())), matches, "{name}");
        for most in [0, 1, 1_000, all.taken() - 1] {
            let few = Steps::new(most);
            assert_eq!((filter.matches(&event, &few), few.taken()), (None, most), "{name}");
            assert_eq!(filter.explain(&event, &Steps::new(most)), [], "{name}");
        }
    }
}

#[test]
fn an_ordinary_comparison_takes_few_steps() {
    let filter = r#"{"type":[{"prefix":"invoice."}],"data":{"status":["paid"],"amount":[{"numeric":[">",100]}]}}"#;
    let filter = Filter::parse(filter).unwrap();
    let data = r#"{"status":"paid","amount":129.95,"lines":[1,2,3]}"#;
    let event = EventView::new("invoice.paid", ("t", "i"), &["eu"], data).unwrap();
    let steps = Steps::new(u64::MAX);
    assert_eq!(filter.matches(&event, &steps), Some(true));
    assert!((16..=32).contains(&steps.taken()), "{}", steps.taken());
}

#[test]
fn the_size_of_a_filter_counts_its_fields_values_and_rules() {
    for (filter, parts) in [
        (r#"{"type":["a"]}"#, 2),
        (r#"{"type":["a","b"],"data":{"x":[{"exists":true}]}}"#, 6),
        (r#"{"data":{"x":[{"anything-but":["a","b"]}]}}"#, 5),
        (r#"{"$or":[{"type":["a"]},{"type":["b"]}]}"#, 4),
    ] {
        assert_eq!(Filter::parse(filter).unwrap().bytes(), filter.len() + 48 * parts, "{filter}");
    }
}
