//! The messages of violations.

use super::budget::Exhausted;
use super::{Evaluation, Frame, assert};
use crate::domain::schema::document::equality::first_repetition;
use crate::domain::schema::document::{Document, Json, NodeId};
use crate::domain::schema::limits::{MAX_POINTER_BYTES, MAX_VIOLATIONS};
use crate::domain::schema::pointer;
use crate::domain::schema::program::Keyword;
use crate::domain::schema::violation::{Violation, quoted, shortened};

/// Most values of an `enum` that a message lists.
const MAX_LISTED_VALUES: usize = 10;

impl Evaluation<'_, '_> {
    /// Adds the violations of a keyword.
    pub(super) fn report(&mut self, keyword: &Keyword, frame: &Frame) -> Result<(), Exhausted> {
        if let Keyword::Required(names) = keyword {
            self.budget.spend(u32::try_from(8 * names.len()).unwrap_or(u32::MAX))?;
        }
        let document = self.document;
        match (keyword, document.value(frame.node)) {
            (Keyword::Required(names), Json::Object(object)) => {
                let missing = names.iter().filter(|name| document.position(*object, name).is_none());
                for name in missing.take(MAX_VIOLATIONS) {
                    self.add(keyword.name(), frame, format!("must have the property {}", quoted(name)));
                }
            }
            (Keyword::DependentRequired(rule, lists), Json::Object(object)) => {
                let has = |name: &str| document.position(*object, name).is_some();
                for (name, names) in lists.iter().filter(|(name, _)| has(name)) {
                    for missing in names.iter().filter(|name| !has(name)) {
                        let message = format!("must have the property {}, as it has {}", quoted(missing), quoted(name));
                        self.add(rule, frame, message);
                    }
                }
            }
            (Keyword::Never, _) => {
                let rule = self.program.keyword_of(self.program.schema(frame.schema).location);
                self.add(&rule, frame, "is not allowed".to_owned());
            }
            (Keyword::Contains(contains), Json::Array(_)) => {
                let count = u64::from(frame.cursor.count);
                let rule = match contains.max {
                    Some(max) if count > max => "maxContains",
                    _ if contains.min == 1 => "contains",
                    _ => "minContains",
                };
                let limit = if rule == "maxContains" { contains.max.unwrap_or_default() } else { contains.min };
                let bound = if rule == "maxContains" { "at most" } else { "at least" };
                let message =
                    format!("must have {bound} {} that match the schema in contains", counted(limit, "element"));
                self.add(rule, frame, message);
            }
            (_, value) => {
                let message = self.message(keyword, value, frame);
                self.add(keyword.name(), frame, message);
            }
        }
        Ok(())
    }

    fn add(&mut self, rule: &str, frame: &Frame, message: String) {
        if self.violations.len() >= MAX_VIOLATIONS {
            return;
        }
        let mut schema_pointer = self.program.pointer(self.program.schema(frame.schema).location);
        let is_never = matches!(self.program.schema(frame.schema).keywords.as_ref(), [Keyword::Never]);
        if !is_never {
            pointer::push(&mut schema_pointer, rule);
        }
        let message = match self.document.is_name(frame.node) {
            true => format!("has the name {}, which {message}", quoted(self.document.text(frame.node))),
            false => message,
        };
        let violation = Violation {
            pointer: self.document.pointer_within(frame.node, MAX_POINTER_BYTES),
            rule: rule.to_owned(),
            schema_pointer: shortened(schema_pointer),
            message,
        };
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }

    fn message(&mut self, keyword: &Keyword, value: &Json<'_>, frame: &Frame) -> String {
        let literals = &self.program.literals;
        match keyword {
            Keyword::Types(types) => format!("must be {}, and is {}", types.names(), assert::type_of(value).names()),
            Keyword::Constant(literal) => format!("must be {}", shown(literals, *literal)),
            Keyword::Enumeration(values) => {
                let texts = values.texts.iter().map(|text| quoted(text));
                let is_scalar = |value: &&NodeId| !matches!(literals.value(**value), Json::Array(_) | Json::Object(_));
                let others = values.others.iter().filter(is_scalar).map(|value| shown(literals, *value));
                let mut listed: Vec<_> = texts.chain(others).take(MAX_LISTED_VALUES).collect();
                match (values.texts.len() + values.others.len()).saturating_sub(listed.len()) {
                    0 => {}
                    more if listed.is_empty() => listed.push(format!("the {} in enum", counted(more as u64, "value"))),
                    more => listed.push(format!("one of {} more in enum", counted(more as u64, "value"))),
                }
                format!("must be one of {}", listed.join(", "))
            }
            Keyword::Minimum(limit) => format!("must be at least {limit}"),
            Keyword::Maximum(limit) => format!("must be at most {limit}"),
            Keyword::ExclusiveMinimum(limit) => format!("must be greater than {limit}"),
            Keyword::ExclusiveMaximum(limit) => format!("must be less than {limit}"),
            Keyword::MultipleOf(divisor) => format!("must be a multiple of {divisor}"),
            Keyword::MinLength(limit) => format!("must have at least {}", counted(*limit, "character")),
            Keyword::MaxLength(limit) => format!("must have at most {}", counted(*limit, "character")),
            Keyword::MinItems(limit) => format!("must have at least {}", counted(*limit, "element")),
            Keyword::MaxItems(limit) => format!("must have at most {}", counted(*limit, "element")),
            Keyword::MinProperties(limit) => format!("must have at least {}", properties(*limit)),
            Keyword::MaxProperties(limit) => format!("must have at most {}", properties(*limit)),
            Keyword::Pattern(_) => "must match the pattern".to_owned(),
            Keyword::UniqueItems => self.repetition(value),
            Keyword::AnyOf(schemas) => format!("must match at least one of the {} schemas in anyOf", schemas.len()),
            Keyword::OneOf(schemas) if frame.cursor.count == 0 => {
                format!("must match one of the {} schemas in oneOf, and matches none", schemas.len())
            }
            Keyword::OneOf(schemas) => {
                format!("must match exactly one of the {} schemas in oneOf, and matches several", schemas.len())
            }
            Keyword::Not(_) => "must not match the schema in not".to_owned(),
            _ => "must be valid".to_owned(),
        }
    }

    fn repetition(&mut self, value: &Json<'_>) -> String {
        let Json::Array(array) = value else { return String::new() };
        match first_repetition(self.document, self.document.elements(*array), self.budget) {
            Ok(Some((first, second))) => {
                format!("must have different elements, and those at {first} and {second} are equal")
            }
            _ => "must have different elements".to_owned(),
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn properties(count: u64) -> String {
    format!("{count} {}", if count == 1 { "property" } else { "properties" })
}

/// A value of the schema.
fn shown(literals: &Document<'_>, node: NodeId) -> String {
    match literals.value(node) {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.to_string(),
        Json::Text(text) => quoted(text),
        Json::Array(array) => format!("a certain array of {}", counted(array.count.into(), "element")),
        Json::Object(object) => format!("a certain object of {}", properties(object.count.into())),
    }
}
