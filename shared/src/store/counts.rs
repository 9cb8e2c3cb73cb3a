//! Items with numbers that are only ever added to.

use std::collections::HashMap;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::VERSION;
use super::keys::{EXPIRES_AT, Key};
use super::{Store, StoreError};
use crate::domain::time::Timestamp;

/// Counts were not added, or may not have been.
#[derive(Debug)]
pub enum NotAdded {
    /// The counts were not added.
    Refused(StoreError),
    /// It is unknown whether the counts were added.
    Unknown(StoreError),
}

/// An attribute that is set to a text, unless its stored text sorts later.
pub(super) struct Set {
    pub(super) name: &'static str,
    pub(super) text: String,
}

impl From<SdkError<UpdateItemError>> for NotAdded {
    fn from(error: SdkError<UpdateItemError>) -> Self {
        let refused = match &error {
            SdkError::ConstructionFailure(_) => true,
            SdkError::DispatchFailure(failure) => failure.is_user(),
            SdkError::ServiceError(answer) => answer.raw().status().is_client_error(),
            _ => false,
        };
        if refused { Self::Refused(error.into()) } else { Self::Unknown(error.into()) }
    }
}

impl Store {
    /// Adds to the numbers of an item, and sets an attribute if `set` has one. The call is made once, without retries,
    /// because a retry might add twice. If the attribute has a later text already, nothing is added, and the error is
    /// [`StoreError::Conflict`], refused.
    pub(super) async fn add_once(
        &self,
        key: Key,
        entity: &str,
        expires_at: Timestamp,
        counts: &[(String, u64)],
        set: Option<Set>,
    ) -> Result<(), NotAdded> {
        let number = |number: String| AttributeValue::N(number);
        let mut values = HashMap::from([
            (":entity".to_owned(), AttributeValue::S(entity.to_owned())),
            (":v".to_owned(), number(VERSION.to_string())),
            (":expires_at".to_owned(), number(expires_at.unix_seconds().to_string())),
        ]);
        let mut added = Vec::with_capacity(counts.len());
        for (index, (name, count)) in counts.iter().enumerate() {
            added.push(format!("{name} :n{index}"));
            values.insert(format!(":n{index}"), number(count.to_string()));
        }
        let mut expression =
            format!("ADD {} SET entity = :entity, v = :v, {EXPIRES_AT} = :expires_at", added.join(", "));
        let mut condition = None;
        if let Some(Set { name, text }) = set {
            expression += &format!(", {name} = :text");
            values.insert(":text".to_owned(), AttributeValue::S(text));
            condition = Some(format!("attribute_not_exists({name}) OR {name} <= :text"));
        }
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression(expression)
            .set_condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .customize()
            .config_override(Builder::new().retry_config(RetryConfig::disabled()))
            .send()
            .await?;
        Ok(())
    }
}
