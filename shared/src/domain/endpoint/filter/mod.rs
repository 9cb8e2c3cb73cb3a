//! Filters of endpoints: Amazon EventBridge event patterns over the type, subject, channels and data of an event.
//!
//! A filter is a JSON object with the structure of the event. A field has an array of values and rules, one of which
//! must match; all named fields must match, and of the objects in `$or` one. What is not named is not compared.
//!
//! - A text is equal if all characters are. `equals-ignore-case` compares the lower case of each character.
//! - Numbers are compared by their exact decimal value, also in `anything-but`: 300, 300.0 and 3e2 are equal.
//! - `prefix`, `suffix`, `equals-ignore-case`, `wildcard` and `cidr` match only strings, `numeric` only numbers.
//! - `anything-but` matches each value of the event that is not listed, also one of another kind; an absent field does
//!   not match.
//! - Of an array in the event, one value must match. If it contains objects, one of them must satisfy all conditions on
//!   its fields, except that a `$or` beside the array's field selects its object separately.
//! - `exists` regards values: an object, an empty array and an absent field do not exist, `null` does. In an array of
//!   objects, `{"exists": false}` is true of the object that satisfies the other conditions, or without another
//!   condition of all objects.
//!
//! The time to match grows with the number of rules times the size of the event, never faster. It is counted in
//! [`Steps`] and bounded.

mod compile;
mod json;
mod number;
mod pattern;
mod reader;
mod rule;
mod steps;
mod wildcard;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::domain::Invalid;
use crate::domain::event::MAX_DATA_LEVELS;
use compile::Compiler;
use json::{Json, Object};
use pattern::{Outcome, Pattern};

pub use steps::{MAX_EVENT_STEPS, MAX_FILTER_STEPS, MAX_REQUEST_STEPS, RequestSteps, StepBudget, Steps};

/// Most bytes of a filter's text.
pub const MAX_FILTER_BYTES: usize = 4_096;
/// Most levels of objects and arrays in a filter.
pub const MAX_FILTER_LEVELS: usize = 32;
/// Most values and rules of a filter, in the lists of `anything-but` as well.
pub const MAX_RULES: usize = 256;
/// The largest product of the numbers of alternatives of all `$or` of a filter.
pub const MAX_COMBINATIONS: usize = 1_000;
/// The bytes of memory for each field, value and rule, approximately.
const PART_BYTES: usize = 48;
/// Most characters of [`Mismatch::found`].
pub const MAX_FOUND_CHARS: usize = 200;

/// The fields of an event that a filter may name.
const ROOT_FIELDS: [&str; 4] = ["channels", "data", "subject", "type"];

/// Which events an endpoint receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pattern: Pattern,
    text: Box<str>,
    /// The number of its fields, values and rules.
    parts: usize,
}

/// Why a filter was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}{reason}", if path.is_empty() { "" } else { " " })]
pub struct FilterError {
    /// The JSON Pointer of the part that is at fault; empty for the whole filter.
    pub path: String,
    /// The reason, as a phrase that follows the path.
    pub reason: Invalid,
}

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    /// [`FilterError`] if it is not an event pattern, exceeds a limit, has the same name twice in an object, names a
    /// root field that events do not have, or the same field in a `$or` and beside it.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let whole = |reason| FilterError { path: String::new(), reason };
        if text.len() > MAX_FILTER_BYTES {
            return Err(whole(Invalid(format!("must be at most {MAX_FILTER_BYTES} bytes"))));
        }
        let json = Json::of_filter(text, MAX_FILTER_LEVELS).map_err(whole)?;
        let (pattern, parts) = Compiler::default().compile(&json)?;
        Ok(Self { text: pattern.to_string().into(), pattern, parts })
    }

    /// The canonical text: without spaces, fields sorted by name, `$or` last.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The approximate size of the compiled filter in bytes. It depends only on the text, and is larger than that.
    pub const fn bytes(&self) -> usize {
        self.text.len() + PART_BYTES * self.parts
    }

    /// Whether the event matches; `None` if `steps` are too few to tell.
    pub fn matches(&self, event: &EventView, steps: &Steps) -> Option<bool> {
        let outcome = self.pattern.outcome(Some(&event.0), steps);
        (!steps.are_exceeded()).then_some(outcome != Outcome::Differs)
    }

    /// The parts that do not match; empty if the event matches. If `steps` are too few, some are missing.
    pub fn explain(&self, event: &EventView, steps: &Steps) -> Vec<Mismatch> {
        let mut mismatches = Vec::new();
        self.pattern.explain(Some(&event.0), steps, &mut String::new(), &mut mismatches);
        mismatches
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What filters see of an event. It is parsed once for all filters.
#[derive(Debug)]
pub struct EventView<'a>(Json<'a>);

impl<'a> EventView<'a> {
    /// The view of an event. `subject` is its type and id; `data` is the text of the event's JSON.
    ///
    /// # Errors
    /// [`Invalid`] if `data` is not JSON or has more than 64 levels. Data that was accepted has neither fault.
    pub fn new(
        event_type: &'a str,
        subject: (&'a str, &'a str),
        channels: &'a [impl AsRef<str>],
        data: &'a str,
    ) -> Result<Self, Invalid> {
        Ok(Self::with_data(event_type, subject, channels, Json::of_event(data, MAX_DATA_LEVELS)?))
    }

    /// As [`new`](Self::new), for an event whose `data` is the string `text`.
    pub fn of_text(
        event_type: &'a str,
        subject: (&'a str, &'a str),
        channels: &'a [impl AsRef<str>],
        text: &'a str,
    ) -> Self {
        Self::with_data(event_type, subject, channels, Json::Text(Cow::Borrowed(text)))
    }

    fn with_data(
        event_type: &'a str,
        subject: (&'a str, &'a str),
        channels: &'a [impl AsRef<str>],
        data: Json<'a>,
    ) -> Self {
        let text = |text: &'a str| Json::Text(Cow::Borrowed(text));
        let object = |members: Vec<(&'a str, Json<'a>)>| {
            Json::Object(Object::new(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect()))
        };
        Self(object(vec![
            ("channels", Json::Array(channels.iter().map(|channel| text(channel.as_ref())).collect())),
            ("data", data),
            ("subject", object(vec![("id", text(subject.1)), ("type", text(subject.0))])),
            ("type", text(event_type)),
        ]))
    }
}

/// A part of a filter that does not match an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The JSON Pointer of the field in the event. `$or` is written like a field.
    pub path: String,
    /// The part of the filter, as JSON.
    pub wanted: String,
    /// The first [`MAX_FOUND_CHARS`] characters of the field's JSON; `None` if the event does not have the field, and
    /// for `$or`.
    pub found: Option<String>,
}

impl Mismatch {
    fn new(path: &str, wanted: String, found: Option<&Json>) -> Self {
        Self { path: path.to_owned(), wanted, found: found.map(excerpt) }
    }
}

/// The first [`MAX_FOUND_CHARS`] characters of the value's JSON. The rest is not written.
fn excerpt(value: &Json) -> String {
    struct Excerpt(String, usize);
    impl fmt::Write for Excerpt {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let end = text.char_indices().nth(self.1).map_or(text.len(), |(end, _)| end);
            self.0.push_str(&text[..end]);
            self.1 -= text[..end].chars().count();
            if end < text.len() { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut written = Excerpt(String::new(), MAX_FOUND_CHARS);
    if write!(written, "{value}").is_err() {
        written.0.push('…');
    }
    written.0
}

/// Parses a network in CIDR notation.
fn parse_network(text: &str) -> Result<IpNet, Invalid> {
    // Some parsers read `010.0.0.0` as octal, others as decimal.
    let is_clear = text.split('/').next().is_some_and(|address| address.parse::<IpAddr>().is_ok());
    let network = IpNet::from_str(text).ok().filter(|_| is_clear);
    network.ok_or_else(|| Invalid::new("must be a network such as 10.0.0.0/8"))
}
