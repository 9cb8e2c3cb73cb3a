//! Conditional puts of single items, and the write token by which a process recognises its own write.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use crate::clock;
use crate::store::item::Item;
use crate::store::{Store, StoreError};

/// The attribute that holds the write token: a random value that identifies one write of an item.
pub(in crate::store) const WRITE_TOKEN: &str = "write_token";

/// The result of a conditional PutItem.
pub(in crate::store) enum Put {
    /// The item was written.
    Written,
    /// The condition does not hold. This is the stored item, if there is one.
    Found(Option<Item>),
}

/// A new write token. It is random, because two processes may write the same item in the same millisecond.
pub(in crate::store) fn new_write_token() -> AttributeValue {
    AttributeValue::S(hex::encode(clock::secret_bytes::<8>()))
}

pub(in crate::store) fn with_write_token(mut item: Item, write_token: &AttributeValue) -> Item {
    item.insert(WRITE_TOKEN.to_owned(), write_token.clone());
    item
}

pub(in crate::store) fn has_write_token(item: Option<&Item>, write_token: &AttributeValue) -> bool {
    item.and_then(|item| item.get(WRITE_TOKEN)) == Some(write_token)
}

impl Store {
    /// Writes one item if the condition `condition` holds for the stored item. The SDK repeats a write whose response
    /// was lost. The condition then fails because of the item that the first try wrote; the write token identifies
    /// it, and the write counts as a success.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the condition does not hold.
    pub(in crate::store) async fn put_if(
        &self,
        item: Item,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let write_token = new_write_token();
        match self.put_with_token_if(with_write_token(item, &write_token), &write_token, condition, values).await? {
            Put::Written => Ok(()),
            Put::Found(_) => Err(StoreError::Conflict),
        }
    }

    /// Writes one item that contains the write token `write_token`, if the condition `condition` holds for the stored item.
    /// Otherwise returns the stored item.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed for another reason.
    pub(in crate::store) async fn put_with_token_if(
        &self,
        item: Item,
        write_token: &AttributeValue,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Put, StoreError> {
        let put = self.conditional_put_request(item, condition, values);
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(Put::Written) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(found))
                if has_write_token(found.item(), write_token) =>
            {
                Ok(Put::Written)
            }
            Some(PutItemError::ConditionalCheckFailedException(found)) => Ok(Put::Found(found.item().cloned())),
            _ => Err(error.into()),
        }
    }

    fn conditional_put_request(
        &self,
        item: Item,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> PutItemFluentBuilder {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).condition_expression(condition);
        // Reserved words of DynamoDB.
        let names =
            [("#first", "first"), ("#status", "status")].into_iter().filter(|(name, _)| condition.contains(name));
        let names: HashMap<_, _> = names.map(|(name, attribute)| (name.to_owned(), attribute.to_owned())).collect();
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<HashMap<_, _>>();
        put.set_expression_attribute_names(Some(names).filter(|names| !names.is_empty()))
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()))
    }
}
