//! Compares a response with an example, field by field. Ids, times, secrets and signatures are compared by their
//! format, all other values exactly.

use std::sync::LazyLock;

use http::HeaderMap;
use regex_lite::{Captures, Regex};
use serde_json::Value;

use crate::support::Reply;

/// The formats of values that differ in every run. In examples, `…` may stand for the varying part.
const FORMATS: &str = concat!(
    r"(?<id>\b(?:we|wevt|wdlv|watt|wjob|wps|key|req)_(?:[0-9a-f]{32}\b|…))",
    r"|(?<ep>\bep_(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|…))",
    r"|(?<org>\borg_(?:[0-9a-hjkmnp-tv-z]{26}\b|…))",
    r"|(?<milliseconds>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)",
    r"|(?<seconds>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)",
    r"|(?<date>\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)",
    r"|(?<day>\b\d{4}-\d\d-\d\d\b)",
    r"|(?<secret>\bwhsec_[0-9a-f]{32}\b)",
    r"|(?<ed25519>\bwhsk_[0-9A-Za-z+/]{86}==)",
    r"|(?<public>\bwhpk_[0-9A-Za-z+/]{43}=)",
    r"|(?<kid>\bwkid_[0-9a-f]{16}\b)",
    r"|(?<presented>\bsk_live_[0-9A-Za-z]{43}\b)",
    r"|(?<preview>\bsk_live_…[0-9A-Za-z]{4}\b)",
    r"|(?<platform>\bplatform:[0-9a-f]{8}\b)",
    r"|(?<signature>\b[0-9a-f]{64}\b)",
    r"|(?<standard>\bv1,[0-9A-Za-z+/]{43}=)",
    r"|(?<asymmetric>\bv1a,[0-9A-Za-z+/]{86}==)",
);

/// A part of a text that differs in every run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) format: String,
    pub(crate) text: String,
}

fn formats() -> &'static Regex {
    static FORMAT: LazyLock<Regex> = LazyLock::new(|| Regex::new(FORMATS).unwrap());
    &FORMAT
}

fn token(found: &Captures<'_>) -> Token {
    let text = found[0].to_owned();
    let name = formats().capture_names().flatten().find(|name| found.name(name).is_some()).unwrap();
    let prefix = text.split_once('_').map_or("", |(prefix, _)| prefix);
    Token { format: if name == "id" { prefix.to_owned() } else { name.to_owned() }, text }
}

/// The tokens of a text, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    formats().captures_iter(text).map(|found| token(&found)).collect()
}

/// Replaces each token of a text.
pub(crate) fn with_tokens(text: &str, replace: impl Fn(Token) -> String) -> String {
    formats().replace_all(text, |found: &Captures<'_>| replace(token(found))).into_owned()
}

fn formats_only(text: &str) -> String {
    with_tokens(text, |token| format!("<{}>", token.format))
}

/// Asserts that a value has the shape of the example.
#[track_caller]
pub(crate) fn assert_like(actual: &Value, example: &Value) {
    let differences = differences(actual, example);
    assert!(differences.is_empty(), "{}\nin {actual:#}", differences.join("\n"));
}

/// The differences between a value and the shape of an example.
pub(crate) fn differences(actual: &Value, example: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("$", actual, example, &mut found);
    found
}

fn compare(at: &str, actual: &Value, example: &Value, found: &mut Vec<String>) {
    match (actual, example) {
        (Value::Object(actual), Value::Object(example)) => {
            let missing = example.keys().filter(|name| !actual.contains_key(*name));
            found.extend(missing.map(|name| format!("{at}.{name} is missing")));
            for (name, value) in actual {
                match example.get(name) {
                    None => found.push(format!("{at}.{name} is not in the example: {value}")),
                    // The durations of attempts differ in every run.
                    Some(_) if ["duration_ms", "p50", "p95", "p99"].contains(&name.as_str()) && value.is_u64() => {}
                    Some(example) => compare(&format!("{at}.{name}"), value, example, found),
                }
            }
        }
        (Value::Array(actual), Value::Array(example)) if actual.len() == example.len() => {
            for (index, (actual, example)) in actual.iter().zip(example).enumerate() {
                compare(&format!("{at}[{index}]"), actual, example, found);
            }
        }
        (Value::String(actual), Value::String(example)) if formats_only(actual) == formats_only(example) => {
            let foreign = tokens(actual).into_iter().filter(|token| !is_ours(token));
            found.extend(foreign.map(|token| format!("{at}: {} is not a UUIDv7", token.text)));
        }
        (actual, example) if actual == example => {}
        (actual, example) => found.push(format!("{at} is {actual}, not {example}")),
    }
}

/// Whether an id is a UUIDv7. Tokens of other formats return true.
fn is_ours(token: &Token) -> bool {
    if !["we", "wevt", "wdlv", "watt", "wrec", "wps", "key", "req", "ep"].contains(&token.format.as_str()) {
        return true;
    }
    let digits: Vec<_> = token.text.chars().skip_while(|c| *c != '_').filter(char::is_ascii_hexdigit).collect();
    digits.len() == 32 && digits[12] == '7' && "89ab".contains(digits[16])
}

/// The body of the response, which must have this status. Also checks the properties of every response with
/// [`assert_well_formed`].
#[track_caller]
pub(crate) fn body_of(reply: &Reply, status: u16) -> Value {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_well_formed(reply);
    reply.body.clone()
}

/// Asserts the properties of every response of any status: the request id, and JSON if there is a body.
#[track_caller]
pub(crate) fn assert_well_formed(reply: &Reply) {
    let id = only(&reply.headers, "x-request-id");
    let as_expected = tokens(id);
    assert_eq!(as_expected, [Token { format: "req".to_owned(), text: id.to_owned() }]);
    assert!(is_ours(&as_expected[0]), "{id}");
    if [204, 304].contains(&reply.status) {
        assert!(reply.body.is_null() && !reply.headers.contains_key("content-type"));
        return;
    }
    let is_key_set = reply.body.get("keys").is_some();
    let content_type = if is_key_set { "application/jwk-set+json" } else { "application/json" };
    assert_eq!(only(&reply.headers, "content-type"), content_type);
    if reply.status < 400 {
        assert!(reply.body.get("meta").is_none_or(|meta| *meta == serde_json::json!({"request_id": id})));
        return;
    }
    let error = reply.body["error"].as_object().unwrap_or_else(|| panic!("no error: {}", reply.body));
    let mut names: Vec<_> = error.keys().map(String::as_str).filter(|name| *name != "details").collect();
    names.sort_unstable();
    assert_eq!(names, ["code", "docs_url", "message", "request_id"]);
    assert_eq!(error["request_id"], id);
    assert_eq!(reply.body.as_object().unwrap().len(), 1);
}

#[track_caller]
fn only<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let values: Vec<_> = headers.get_all(name).iter().collect();
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0].to_str().unwrap()
}

#[test]
fn a_response_differs_from_an_example_by_names_types_formats_or_values() {
    use serde_json::json;
    let id = "we_0198f0c26c3b7a9e8d4b1f2a3c4d5e6f";
    let same = [
        (json!(id), json!("we_…")),
        (json!({"a": 1, "b": null}), json!({"b": null, "a": 1})),
        (json!("2026-11-20T10:00:00.123Z"), json!("2024-01-01T00:00:00.000Z")),
        (json!({"duration_ms": 3}), json!({"duration_ms": 12})),
        (json!(format!("{{\"id\":\"{id}\"}}")), json!("{\"id\":\"we_…\"}")),
    ];
    for (actual, example) in same {
        assert_eq!(differences(&actual, &example), Vec::<String>::new());
    }
    let different = [
        (json!(id.replace("7a9e", "4a9e")), json!("we_…")),
        (json!(id.replace("we_", "wevt_")), json!("we_…")),
        (json!(format!("{id}0")), json!("we_…")),
        (json!({"a": 1}), json!({"a": 1, "b": null})),
        (json!({"a": 1, "b": null}), json!({"a": 1})),
        (json!("2026-11-20T10:00:00Z"), json!("2024-01-01T00:00:00.000Z")),
        (json!({"duration_ms": "3"}), json!({"duration_ms": 12})),
        (json!([1]), json!([1, 2])),
        (json!("1"), json!(1)),
        (json!(null), json!("we_…")),
    ];
    for (actual, example) in different {
        assert!(!differences(&actual, &example).is_empty(), "{actual} {example}");
    }
}
