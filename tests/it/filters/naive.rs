//! A second, independent implementation of filters. It follows the documented semantics literally, on the text of the
//! JSON, without regard to time.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::value::RawValue;

type Members = BTreeMap<String, Box<RawValue>>;

/// A value of the filter or the event.
enum Value {
    Object(Members),
    Array(Vec<Value>),
    Text(String),
    /// A number with aligned digits, or a literal.
    Other(String),
}

/// Whether a filter that is valid matches an event; `None` if this implementation cannot tell, because a string has a
/// lone surrogate or a number a large exponent.
pub(crate) fn matches(filter: &str, event: &str) -> Option<bool> {
    let (filter, event) = (read(filter)?, read(event)?);
    let Value::Object(filter) = filter else { return None };
    Some(found(&filter, Some(&event))? || absent(&filter, Some(&event))?)
}

fn read(text: &str) -> Option<Value> {
    Some(match text.trim_start().chars().next()? {
        '{' => Value::Object(serde_json::from_str(text).ok()?),
        '[' => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
            Value::Array(items.iter().map(|item| read(item.get())).collect::<Option<_>>()?)
        }
        '"' => Value::Text(serde_json::from_str(text).ok()?),
        '-' | '0'..='9' => Value::Other(aligned(text.trim())?),
        _ => Value::Other(text.trim().to_owned()),
    })
}

/// A number as its sign, 200 digits before the point and 200 digits after it.
fn aligned(text: &str) -> Option<String> {
    const WIDTH: usize = 200;
    let lower = text.to_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let exponent: isize = exponent.parse().ok().filter(|it: &isize| it.abs() < 100)?;
    let digits = mantissa.trim_start_matches('-');
    let point = digits.find('.').unwrap_or(digits.len()) as isize + exponent;
    let digits = digits.replace('.', "");
    let mut cells = vec![b'0'; 2 * WIDTH];
    for (index, digit) in digits.bytes().enumerate() {
        let at = WIDTH as isize - point + index as isize;
        match cells.get_mut(usize::try_from(at).ok()?) {
            Some(cell) => *cell = digit,
            None => return None,
        }
    }
    let is_zero = cells.iter().all(|cell| *cell == b'0');
    let sign = if mantissa.starts_with('-') && !is_zero { '-' } else { '+' };
    Some(sign.to_string() + &String::from_utf8(cells).ok()?)
}

fn is_number(text: &str) -> bool {
    text.starts_with(['+', '-'])
}

fn less(a: &str, b: &str) -> bool {
    match (a.starts_with('-'), b.starts_with('-')) {
        (false, false) => a < b,
        (true, true) => a > b,
        (a_is_negative, _) => a_is_negative,
    }
}

/// The objects of a value: itself, or those in the array and in arrays in it.
fn objects(value: Option<&Value>) -> Vec<&Members> {
    match value {
        Some(Value::Object(members)) => vec![members],
        Some(Value::Array(items)) => items.iter().flat_map(|item| objects(Some(item))).collect(),
        _ => Vec::new(),
    }
}

/// The strings, numbers and literals of a value: itself, or those in the array and in arrays in it.
fn leaves(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Object(_)) => Vec::new(),
        Some(Value::Array(items)) => items.iter().flat_map(|item| leaves(Some(item))).collect(),
        Some(leaf) => vec![leaf],
    }
}

/// Whether one object satisfies all conditions, at least one of them by a value.
fn found(filter: &Members, value: Option<&Value>) -> Option<bool> {
    for object in objects(value) {
        let (mut all, mut any) = (true, false);
        for (name, condition) in filter {
            let (is_found, is_absent) = condition_of(name, condition, Some(object))?;
            all &= is_found || is_absent;
            any |= is_found;
        }
        if all && any {
            return Some(true);
        }
    }
    Some(false)
}

/// Whether all conditions hold because no object has the fields.
fn absent(filter: &Members, value: Option<&Value>) -> Option<bool> {
    let objects = objects(value).into_iter().map(Some).chain([None]);
    for object in objects {
        for (name, condition) in filter {
            if !condition_of(name, condition, object)?.1 {
                return Some(false);
            }
        }
    }
    Some(true)
}

/// Whether the condition on this field holds by a value, and by absence.
fn condition_of(name: &str, condition: &RawValue, object: Option<&Members>) -> Option<(bool, bool)> {
    let condition = read(condition.get())?;
    if let ("$or", Value::Array(alternatives)) = (name, &condition) {
        let mut result = (false, false);
        for alternative in alternatives {
            let Value::Object(filter) = alternative else { return None };
            let this: Option<Value> = object.map(copy);
            result.0 |= found(filter, this.as_ref())?;
            result.1 |= absent(filter, this.as_ref())?;
        }
        return Some(result);
    }
    let value = match object.and_then(|members| members.get(name)) {
        Some(raw) => Some(read(raw.get())?),
        None => None,
    };
    match condition {
        Value::Object(filter) => Some((found(&filter, value.as_ref())?, absent(&filter, value.as_ref())?)),
        Value::Array(rules) => {
            let leaves = leaves(value.as_ref());
            let (mut is_found, mut may_be_absent) = (false, false);
            for rule in &rules {
                may_be_absent |=
                    matches!(rule, Value::Object(it) if it.get("exists").is_some_and(|it| it.get() == "false"));
                for leaf in &leaves {
                    is_found |= rule_matches(rule, leaf)?;
                }
            }
            Some((is_found, leaves.is_empty() && may_be_absent))
        }
        _ => None,
    }
}

fn copy(members: &Members) -> Value {
    Value::Object(members.clone())
}

fn rule_matches(rule: &Value, leaf: &Value) -> Option<bool> {
    let operator = match (rule, leaf) {
        (Value::Object(operator), _) => operator,
        (Value::Text(a), Value::Text(b)) | (Value::Other(a), Value::Other(b)) => return Some(a == b),
        _ => return Some(false),
    };
    let (name, operand) = operator.first_key_value()?;
    let operand = read(operand.get())?;
    Some(match (&**name, operand, leaf) {
        ("exists", Value::Other(exists), _) => exists == "true",
        ("anything-but", operand, leaf) => !any_of(operand, leaf)?,
        ("numeric", Value::Array(terms), Value::Other(number)) if is_number(number) => {
            let mut holds = true;
            for pair in terms.chunks(2) {
                let [Value::Text(operator), Value::Other(bound)] = pair else { return None };
                holds &= match &**operator {
                    "=" => number == bound,
                    "<" => less(number, bound),
                    "<=" => !less(bound, number),
                    ">" => less(bound, number),
                    _ => !less(number, bound),
                };
            }
            holds
        }
        ("cidr", Value::Text(network), Value::Text(text)) => is_within(text, &network),
        ("prefix" | "suffix" | "equals-ignore-case" | "wildcard", operand, Value::Text(text)) => {
            text_matches(name, &operand, text)?
        }
        _ => false,
    })
}

/// Whether one of the operands of `anything-but` equals or matches the value.
fn any_of(operand: Value, leaf: &Value) -> Option<bool> {
    match operand {
        Value::Array(values) => values.iter().try_fold(false, |any, value| Some(any | rule_matches(value, leaf)?)),
        Value::Object(operator) => {
            let (name, operand) = operator.first_key_value()?;
            let Value::Text(text) = leaf else { return Some(false) };
            match read(operand.get())? {
                Value::Array(all) => all.iter().try_fold(false, |any, one| Some(any | text_matches(name, one, text)?)),
                one => text_matches(name, &one, text),
            }
        }
        value => rule_matches(&value, leaf),
    }
}

fn text_matches(name: &str, operand: &Value, text: &str) -> Option<bool> {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    Some(match (name, operand) {
        ("prefix", Value::Text(own)) => text.get(..own.len()) == Some(own),
        ("suffix", Value::Text(own)) => text.ends_with(own.as_str()),
        ("equals-ignore-case", Value::Text(own)) => lower(text) == lower(own),
        ("wildcard", Value::Text(own)) => wildcard(own, text),
        (name, Value::Object(inner)) => {
            let Value::Text(own) = read(inner.get("equals-ignore-case")?.get())? else { return None };
            if name == "prefix" { lower(text).starts_with(&lower(&own)) } else { lower(text).ends_with(&lower(&own)) }
        }
        _ => return None,
    })
}

/// A table of which beginnings of the text each beginning of the pattern matches.
fn wildcard(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        let mut next = vec![false; text.len() + 1];
        let literal = if char == '\\' { chars.next() } else { (char != '*').then_some(char) };
        for end in 0..=text.len() {
            next[end] = match literal {
                Some(literal) => end > 0 && ends[end - 1] && text[end - 1] == literal,
                None => ends[end] || end > 0 && next[end - 1],
            };
        }
        ends = next;
    }
    ends[text.len()]
}

fn is_within(address: &str, network: &str) -> bool {
    let Some((first, prefix)) = network.split_once('/') else { return false };
    let (Ok(first), Ok(prefix)) = (first.parse(), prefix.parse::<u32>()) else { return false };
    let (bits, first, width) = match (address.parse(), first) {
        (Ok(IpAddr::V4(a)), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (Ok(IpAddr::V6(a)), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    (bits ^ first).checked_shr(width - prefix).unwrap_or(0) == 0
}
