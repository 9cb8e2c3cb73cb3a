//! The size of an item, by which DynamoDB counts write units.

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::Item;

/// The most bytes of an item that take one write unit.
pub(super) const UNIT: usize = 1024;

/// The size of an item in bytes, or a little more: names as UTF-8, and values as DynamoDB stores them. A number takes one
/// byte for two digits.
pub(super) fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(number) => number.len() / 2 + 2,
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + value_bytes(value)).sum::<usize>(),
        AttributeValue::M(values) => 3 + item_bytes(values) + values.len(),
        AttributeValue::Ss(values) => values.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| number.len() / 2 + 2).sum(),
        AttributeValue::Bs(values) => values.iter().map(|bytes| bytes.as_ref().len()).sum(),
        _ => 1,
    }
}
