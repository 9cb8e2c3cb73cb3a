//! Equality of JSON values, at a cost that is counted.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::number::Number;
use super::{Document, Json, NodeId};
use crate::domain::schema::evaluate::budget::{Budget, Exhausted};

/// The steps of hashing a value or a name.
const HASH_STEPS: u32 = 3;

/// Whether two values are equal. Each value is a step, before it is compared, and each 64 bytes of text.
pub(crate) fn equal(
    (a, left): (&Document<'_>, NodeId),
    (b, right): (&Document<'_>, NodeId),
    budget: &mut Budget,
) -> Result<bool, Exhausted> {
    let mut pairs = vec![(left, right)];
    budget.spend(1)?;
    while let Some((left, right)) = pairs.pop() {
        let same = match (a.value(left), b.value(right)) {
            (Json::Null, Json::Null) => true,
            (Json::Bool(x), Json::Bool(y)) => x == y,
            (Json::Number(x), Json::Number(y)) => x == y,
            (Json::Text(x), Json::Text(y)) => {
                if x.len() == y.len() {
                    budget.spend_bytes(x.len())?;
                }
                x == y
            }
            (Json::Array(x), Json::Array(y)) => {
                let (x, y) = (a.elements(*x), b.elements(*y));
                if x.len() == y.len() {
                    budget.spend(u32::try_from(x.len()).unwrap_or(u32::MAX))?;
                    pairs.extend(x.iter().copied().zip(y.iter().copied()));
                }
                x.len() == y.len()
            }
            (Json::Object(x), Json::Object(y)) if x.count == y.count => {
                budget.spend(x.count)?;
                // Members are sorted, so that equal objects have the same name at the same position.
                let mut same = true;
                for index in 0..x.count {
                    let ((x, x_value), (y, y_value)) = (a.member(*x, index), b.member(*y, index));
                    budget.spend_bytes(a.text(x).len())?;
                    same = a.text(x) == b.text(y);
                    if !same {
                        break;
                    }
                    pairs.push((x_value, y_value));
                }
                same
            }
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether an array has two equal elements: their positions.
pub(crate) fn first_repetition(
    document: &Document<'_>,
    elements: &[NodeId],
    budget: &mut Budget,
) -> Result<Option<(usize, usize)>, Exhausted> {
    let mut hashes = Vec::with_capacity(elements.len());
    for (position, element) in elements.iter().enumerate() {
        hashes.push((hash(document, *element, budget)?, position));
    }
    hashes.sort_unstable();
    for same_hash in hashes.chunk_by(|a, b| a.0 == b.0) {
        for (index, (_, first)) in same_hash.iter().enumerate() {
            for (_, second) in same_hash.iter().skip(index + 1) {
                if equal((document, elements[*first]), (document, elements[*second]), budget)? {
                    return Ok(Some((*first, *second)));
                }
            }
        }
    }
    Ok(None)
}

/// A hash that is the same for equal values.
fn hash(document: &Document<'_>, node: NodeId, budget: &mut Budget) -> Result<u64, Exhausted> {
    let mut hasher = DefaultHasher::new();
    let mut nodes = vec![node];
    budget.spend(HASH_STEPS)?;
    while let Some(node) = nodes.pop() {
        match document.value(node) {
            Json::Null => 0_u8.hash(&mut hasher),
            Json::Bool(value) => (1_u8, value).hash(&mut hasher),
            Json::Number(Number::Natural(value)) => (2_u8, value).hash(&mut hasher),
            Json::Number(Number::Negative(value)) => (3_u8, value).hash(&mut hasher),
            Json::Number(Number::Float(value)) => (4_u8, value.to_bits()).hash(&mut hasher),
            Json::Text(text) => {
                budget.spend_bytes(text.len())?;
                text.hash(&mut hasher);
            }
            Json::Array(array) => {
                (5_u8, array.count).hash(&mut hasher);
                budget.spend(array.count.saturating_mul(HASH_STEPS))?;
                nodes.extend(document.elements(*array));
            }
            Json::Object(object) => {
                (6_u8, object.count).hash(&mut hasher);
                budget.spend(object.count.saturating_mul(2 * HASH_STEPS))?;
                for index in 0..object.count {
                    let (name, value) = document.member(*object, index);
                    nodes.extend([value, name]);
                }
            }
        }
    }
    Ok(hasher.finish())
}
