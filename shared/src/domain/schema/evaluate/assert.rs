//! Keywords without subschemas.

use std::cmp::Ordering;

use super::budget::{Budget, Exhausted};
use crate::domain::schema::document::equality::{equal, first_repetition};
use crate::domain::schema::document::number::Number;
use crate::domain::schema::document::{Document, Json, Links, NodeId};
use crate::domain::schema::program::{Enumeration, Keyword, Program, Types};

/// Whether a value satisfies a keyword. Keywords with subschemas, and those of other types, are satisfied.
pub(super) fn holds(
    program: &Program,
    document: &Document<'_>,
    keyword: &Keyword,
    node: NodeId,
    budget: &mut Budget,
) -> Result<bool, Exhausted> {
    let value = document.value(node);
    Ok(match (keyword, value) {
        (Keyword::Never, _) => false,
        (Keyword::Types(types), value) => types.overlaps(type_of(value)),
        (Keyword::Constant(literal), _) => equal((&program.literals, *literal), (document, node), budget)?,
        (Keyword::Enumeration(values), _) => contains(program, document, values, node, budget)?,
        (Keyword::Minimum(limit), Json::Number(number)) => number.compare(*limit) != Ordering::Less,
        (Keyword::Maximum(limit), Json::Number(number)) => number.compare(*limit) != Ordering::Greater,
        (Keyword::ExclusiveMinimum(limit), Json::Number(number)) => number.compare(*limit) == Ordering::Greater,
        (Keyword::ExclusiveMaximum(limit), Json::Number(number)) => number.compare(*limit) == Ordering::Less,
        (Keyword::MultipleOf(divisor), Json::Number(number)) => {
            if matches!((number, divisor), (Number::Float(_), _) | (_, Number::Float(_))) {
                budget.spend(40)?;
            }
            number.is_multiple_of(*divisor)
        }
        (Keyword::MinLength(limit), Json::Text(text)) => compare_length(text, *limit, budget)? != Ordering::Less,
        (Keyword::MaxLength(limit), Json::Text(text)) => compare_length(text, *limit, budget)? != Ordering::Greater,
        (Keyword::MinItems(limit), Json::Array(array)) => u64::from(array.count) >= *limit,
        (Keyword::MaxItems(limit), Json::Array(array)) => u64::from(array.count) <= *limit,
        (Keyword::MinProperties(limit), Json::Object(object)) => u64::from(object.count) >= *limit,
        (Keyword::MaxProperties(limit), Json::Object(object)) => u64::from(object.count) <= *limit,
        (Keyword::Required(names), Json::Object(object)) => has_all(document, *object, names, budget)?,
        (Keyword::DependentRequired(_, lists), Json::Object(object)) => {
            for (name, names) in lists {
                budget.spend_search(object.count as usize)?;
                if document.position(*object, name).is_some() && !has_all(document, *object, names, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Keyword::Pattern(pattern), Json::Text(text)) => program.pattern(*pattern).matches(text, budget)?,
        (Keyword::UniqueItems, Json::Array(array)) => {
            first_repetition(document, document.elements(*array), budget)?.is_none()
        }
        _ => true,
    })
}

/// The type of a value.
pub(super) fn type_of(value: &Json<'_>) -> Types {
    match value {
        Json::Null => Types::NULL,
        Json::Bool(_) => Types::BOOLEAN,
        Json::Number(number) if number.is_integer() => Types::INTEGER,
        Json::Number(_) => Types::FRACTION,
        Json::Text(_) => Types::STRING,
        Json::Array(_) => Types::ARRAY,
        Json::Object(_) => Types::OBJECT,
    }
}

fn has_all(document: &Document<'_>, object: Links, names: &[Box<str>], budget: &mut Budget) -> Result<bool, Exhausted> {
    for name in names {
        budget.spend_search(object.count as usize)?;
        if document.position(object, name).is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn contains(
    program: &Program,
    document: &Document<'_>,
    values: &Enumeration,
    node: NodeId,
    budget: &mut Budget,
) -> Result<bool, Exhausted> {
    if let Json::Text(text) = document.value(node) {
        budget.spend_search(values.texts.len())?;
        return Ok(values.texts.binary_search_by(|known| known.as_ref().cmp(text.as_ref())).is_ok());
    }
    for value in &values.others {
        if equal((&program.literals, *value), (document, node), budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Compares the number of characters with a limit. The bytes often suffice: a character has 1 to 4.
fn compare_length(text: &str, limit: u64, budget: &mut Budget) -> Result<Ordering, Exhausted> {
    let bytes = text.len() as u64;
    if bytes < limit {
        return Ok(Ordering::Less);
    }
    if bytes / 4 > limit {
        return Ok(Ordering::Greater);
    }
    budget.spend_bytes(text.len())?;
    Ok((text.chars().count() as u64).cmp(&limit))
}
