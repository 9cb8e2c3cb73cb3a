//! A compiled filter, and how it is matched.

use std::fmt::{self, Write};

use super::compile::push_pointer;
use super::json::{Json, Object, write_list, write_string};
use super::rule::{Rule, Scalar};
use super::{Mismatch, Steps};

/// Conditions on the fields of an object, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The fields by name, sorted.
    pub(super) fields: Box<[(Box<str>, Node)]>,
    /// The objects of `$or`, one of which must match; empty without `$or`.
    pub(super) alternatives: Box<[Self]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Object(Pattern),
    Leaf(Leaf),
}

/// The rules for one field, one of which must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) rules: Box<[Rule]>,
    /// The text of the rules.
    pub(super) wanted: Box<str>,
}

/// The steps of finding a member of an object.
const LOOKUP_STEPS: usize = 4;

/// Whether a part of a filter matches. If the steps are exceeded, the outcome is [`Found`](Self::Found), which ends the
/// comparison, and has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// It does not match.
    Differs,
    /// It matches because the event does not have the fields: all that held is `{"exists": false}`.
    IsAbsent,
    /// It matches, and a field of the event was found.
    Found,
}

impl Pattern {
    /// Matches a value of the event; `None` if there is none. If it is an array, one of its objects must satisfy all
    /// conditions, and an absence without another condition must hold for all of its objects.
    pub(super) fn outcome(&self, value: Option<&Json>, steps: &Steps) -> Outcome {
        match value {
            Some(Json::Object(object)) => self.members(Some(object), steps),
            Some(Json::Array(values)) => {
                let mut outcome = self.members(None, steps);
                any_object(values, steps, &mut |object| {
                    match self.outcome(Some(object), steps) {
                        Outcome::Found => outcome = Outcome::Found,
                        other => outcome = outcome.min(other),
                    }
                    outcome == Outcome::Found
                });
                if steps.are_exceeded() { Outcome::Found } else { outcome }
            }
            _ => self.members(None, steps),
        }
    }

    /// Matches the members of an object; `None` if there is none.
    fn members(&self, object: Option<&Object>, steps: &Steps) -> Outcome {
        let mut outcome = Outcome::IsAbsent;
        for (name, node) in &self.fields {
            if !steps.take(LOOKUP_STEPS) {
                return Outcome::Found;
            }
            match node.outcome(object.and_then(|it| it.get(name)), steps) {
                Outcome::Differs => return Outcome::Differs,
                other => outcome = outcome.max(other),
            }
        }
        if self.alternatives.is_empty() {
            return outcome;
        }
        let mut best = Outcome::Differs;
        for alternative in &self.alternatives {
            best = best.max(alternative.members(object, steps));
            if best == Outcome::Found {
                break;
            }
        }
        if best == Outcome::Differs { best } else { outcome.max(best) }
    }

    /// Appends the parts that do not match.
    pub(super) fn explain(
        &self,
        value: Option<&Json>,
        steps: &Steps,
        path: &mut String,
        mismatches: &mut Vec<Mismatch>,
    ) {
        if self.outcome(value, steps) != Outcome::Differs {
            return;
        }
        let object = match value {
            Some(Json::Object(object)) => Some(object),
            Some(Json::Array(_)) => return mismatches.push(Mismatch::new(path, self.to_string(), value)),
            _ => None,
        };
        let length = path.len();
        for (name, node) in &self.fields {
            push_pointer(path, name);
            let member = object.and_then(|it| it.get(name));
            match node {
                Node::Object(pattern) => pattern.explain(member, steps, path, mismatches),
                Node::Leaf(leaf) if leaf.outcome(member, steps) == Outcome::Differs => {
                    mismatches.push(Mismatch::new(path, leaf.wanted.to_string(), member));
                }
                Node::Leaf(_) => (),
            }
            path.truncate(length);
        }
        let alternatives = self.alternatives.iter().map(|it| it.members(object, steps)).max();
        if alternatives == Some(Outcome::Differs) {
            push_pointer(path, "$or");
            mismatches.push(Mismatch::new(path, Alternatives(&self.alternatives).to_string(), None));
            path.truncate(length);
        }
    }
}

impl Node {
    fn outcome(&self, value: Option<&Json>, steps: &Steps) -> Outcome {
        match self {
            Self::Object(pattern) => pattern.outcome(value, steps),
            Self::Leaf(leaf) => leaf.outcome(value, steps),
        }
    }
}

impl Leaf {
    /// Matches a value of the event; `None` if there is none. An object is no value, and of an array one value must
    /// match.
    fn outcome(&self, value: Option<&Json>, steps: &Steps) -> Outcome {
        let matches =
            |value: &Scalar| self.rules.iter().any(|rule| !steps.take(rule.cost(value)) || rule.matches(value));
        match value.and_then(|value| any_scalar(value, steps, &matches)) {
            Some(true) => Outcome::Found,
            Some(false) => Outcome::Differs,
            None if self.rules.contains(&Rule::Exists(false)) => Outcome::IsAbsent,
            None => Outcome::Differs,
        }
    }
}

/// Whether one of the objects in an array, or in arrays in it, is as wanted.
fn any_object(values: &[Json], steps: &Steps, wanted: &mut impl FnMut(&Json) -> bool) -> bool {
    values.iter().any(|value| match value {
        _ if !steps.take(1) => true,
        Json::Array(values) => any_object(values, steps, wanted),
        Json::Object(_) => wanted(value),
        _ => false,
    })
}

/// Whether the value, or one of those in an array and in arrays in it, is as wanted; `None` if there is none, because
/// objects are no values.
fn any_scalar(value: &Json, steps: &Steps, wanted: &impl Fn(&Scalar) -> bool) -> Option<bool> {
    if !steps.take(Scalar::cost(value)) {
        return Some(true);
    }
    let Json::Array(values) = value else { return Scalar::of(value).map(|it| wanted(&it)) };
    let mut found = None;
    for value in values {
        match any_scalar(value, steps, wanted) {
            Some(true) => return Some(true),
            other => found = found.or(other),
        }
    }
    found
}

/// Writes the pattern as JSON without spaces, the fields sorted by name and `$or` last.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        write_list(f, &self.fields, |f, (name, node)| {
            write_string(f, name)?;
            match node {
                Node::Object(pattern) => write!(f, ":{pattern}"),
                Node::Leaf(leaf) => write!(f, ":{}", leaf.wanted),
            }
        })?;
        if !self.alternatives.is_empty() {
            let comma = if self.fields.is_empty() { "" } else { "," };
            write!(f, "{comma}\"$or\":{}", Alternatives(&self.alternatives))?;
        }
        f.write_char('}')
    }
}

struct Alternatives<'a>(&'a [Pattern]);

impl fmt::Display for Alternatives<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        write_list(f, self.0, |f, pattern| write!(f, "{pattern}"))?;
        f.write_char(']')
    }
}
