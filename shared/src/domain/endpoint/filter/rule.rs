//! The rules for one field: exact values and comparison operators.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;

use super::json::Json;
use super::number::{Decimal, Number};
use super::wildcard::Wildcard;

/// One entry of a field's array. The field matches if one of its entries does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// `null`, `true` or `false`.
    Word(&'static str),
    Number(Number),
    Text(TextRule),
    /// `anything-but` with texts: any value but a text that matches one of them.
    NoText(Box<[TextRule]>),
    /// `anything-but` with numbers: any value but one of these numbers.
    NoNumber(Box<[Number]>),
    Numeric {
        low: Option<Bound>,
        high: Option<Bound>,
    },
    Cidr(IpNet),
    Exists(bool),
}

/// A bound of `numeric`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) number: Number,
    pub(super) is_included: bool,
}

/// A value of an event that is neither an array nor an object.
pub(super) enum Scalar<'a> {
    /// `null`, `true` or `false`.
    Word(&'static str),
    Number(Decimal<'a>),
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    /// The steps of [`of`](Self::of).
    pub(super) const fn cost(json: &Json) -> usize {
        match json {
            Json::Number(text) => 1 + text.len() / 4,
            _ => 1,
        }
    }

    /// The value; `None` for an array or object.
    pub(super) fn of(json: &'a Json) -> Option<Self> {
        match json {
            Json::Word(word) => Some(Self::Word(word)),
            Json::Number(text) => Some(Self::Number(Decimal::read(text))),
            Json::Text(text) => Some(Self::Text(text)),
            Json::Array(_) | Json::Object(_) => None,
        }
    }
}

impl Rule {
    /// Whether the rule matches this value.
    pub(super) fn matches(&self, value: &Scalar) -> bool {
        match (self, value) {
            (Self::Exists(exists), _) => *exists,
            (Self::Word(own), Scalar::Word(value)) => own == value,
            (Self::Number(own), Scalar::Number(value)) => own.compare(value).is_eq(),
            (Self::Text(own), Scalar::Text(value)) => own.matches(value),
            (Self::NoText(none), Scalar::Text(value)) => !none.iter().any(|own| own.matches(value)),
            (Self::NoNumber(none), Scalar::Number(value)) => !none.iter().any(|own| own.compare(value).is_eq()),
            (Self::NoText(_) | Self::NoNumber(_), _) => true,
            (Self::Numeric { low, high }, Scalar::Number(value)) => {
                low.as_ref().is_none_or(|low| low.holds(value, Ordering::Less))
                    && high.as_ref().is_none_or(|high| high.holds(value, Ordering::Greater))
            }
            (Self::Cidr(network), Scalar::Text(value)) => {
                value.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))
            }
            _ => false,
        }
    }

    /// The steps of [`matches`](Self::matches).
    pub(super) fn cost(&self, value: &Scalar) -> usize {
        match (self, value) {
            (Self::Text(own), Scalar::Text(value)) => own.cost(value),
            (Self::NoText(none), Scalar::Text(value)) => none.iter().map(|own| own.cost(value)).sum(),
            (Self::NoNumber(none), Scalar::Number(_)) => 2 * none.len(),
            (Self::Number(_) | Self::Numeric { .. }, Scalar::Number(_)) => 4,
            // A text that is longer than every address is not read to its end.
            (Self::Cidr(_), Scalar::Text(value)) => 4 + value.len().min(48) / 2,
            _ => 1,
        }
    }
}

impl Bound {
    /// Whether the bound is equal and included, or is on this side of the value.
    fn holds(&self, value: &Decimal, side: Ordering) -> bool {
        match self.number.compare(value) {
            Ordering::Equal => self.is_included,
            other => other == side,
        }
    }
}

/// A comparison with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextRule {
    Equals(Box<str>),
    EqualsIgnoreCase(Folded),
    Prefix(Box<str>),
    PrefixIgnoreCase(Folded),
    Suffix(Box<str>),
    SuffixIgnoreCase(Folded),
    Wildcard(Wildcard),
}

impl TextRule {
    /// The steps of [`matches`](Self::matches).
    fn cost(&self, value: &str) -> usize {
        match self {
            Self::Equals(_) | Self::Prefix(_) | Self::Suffix(_) => 2,
            Self::EqualsIgnoreCase(own) | Self::PrefixIgnoreCase(own) | Self::SuffixIgnoreCase(own) => {
                2 + 2 * own.0.len().min(value.len())
            }
            Self::Wildcard(_) => 1 + value.len() / 4,
        }
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Equals(own) => **own == *value,
            Self::EqualsIgnoreCase(own) => own.chars().eq(fold(value)),
            Self::Prefix(own) => value.starts_with(&**own),
            Self::PrefixIgnoreCase(own) => starts_with(fold(value), own.chars()),
            Self::Suffix(own) => value.ends_with(&**own),
            Self::SuffixIgnoreCase(own) => starts_with(fold(value).rev(), own.chars().rev()),
            Self::Wildcard(own) => own.matches(value),
        }
    }
}

/// A text in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded(Box<str>);

impl Folded {
    pub(super) fn new(text: &str) -> Self {
        Self(fold(text).collect::<String>().into_boxed_str())
    }

    fn chars(&self) -> std::str::Chars<'_> {
        self.0.chars()
    }
}

/// The lower case of each character, independent of the characters beside it and of the language.
fn fold(text: &str) -> impl DoubleEndedIterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

fn starts_with(mut value: impl Iterator<Item = char>, mut start: impl Iterator<Item = char>) -> bool {
    start.all(|own| value.next() == Some(own))
}
