//! Usage: an item for each organization and day. Processes add their counts to it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;

use super::item::{Unreadable, VERSION, read};
use super::{Store, StoreError, keys};
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::usage::{Day, Days, Usage};

/// How long the usage of a day is stored.
const RETENTION: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Usage was not added, or may not have been.
#[derive(Debug)]
pub enum NotAdded {
    /// The usage was not added.
    Refused(StoreError),
    /// It is unknown whether the usage was added.
    Unknown(StoreError),
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

#[derive(Debug, Deserialize)]
struct UsageItem {
    sk: String,
    #[serde(default)]
    events: u64,
    #[serde(default)]
    deliveries: u64,
    #[serde(default)]
    attempts: u64,
}

impl TryFrom<UsageItem> for (Day, Usage) {
    type Error = Unreadable;

    fn try_from(item: UsageItem) -> Result<Self, Unreadable> {
        let UsageItem { sk, events, deliveries, attempts } = item;
        Ok((Day::parse(&sk)?, Usage { events, deliveries, attempts }))
    }
}

impl Store {
    /// Adds to an organization's usage of a day. The call is made once, without retries, because a retry might add
    /// the usage twice.
    ///
    /// # Errors
    /// [`NotAdded`], which says whether the call may be repeated.
    pub async fn add_usage(&self, organization: &OrganizationId, day: Day, usage: Usage) -> Result<(), NotAdded> {
        let number = |number: String| AttributeValue::N(number);
        let expires_at = day.start().plus(RETENTION).unix_seconds();
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::usage(organization, day).attributes()))
            .update_expression(
                "ADD events :events, deliveries :deliveries, attempts :attempts \
                 SET entity = :entity, v = :v, expires_at = :expires_at",
            )
            .expression_attribute_values(":events", number(usage.events.to_string()))
            .expression_attribute_values(":deliveries", number(usage.deliveries.to_string()))
            .expression_attribute_values(":attempts", number(usage.attempts.to_string()))
            .expression_attribute_values(":entity", AttributeValue::S("usage".to_owned()))
            .expression_attribute_values(":v", number(VERSION.to_string()))
            .expression_attribute_values(":expires_at", number(expires_at.to_string()))
            .customize()
            .config_override(Builder::new().retry_config(RetryConfig::disabled()))
            .send()
            .await?;
        Ok(())
    }

    /// Reads an organization's usage on these days. Strongly consistent. Days without usage are left out.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn usage(&self, organization: &OrganizationId, days: Days) -> Result<HashMap<Day, Usage>, StoreError> {
        let (first, last) = (keys::usage(organization, days.first()), keys::usage(organization, days.last()));
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(first.pk))
            .expression_attribute_values(":first", AttributeValue::S(first.sk))
            .expression_attribute_values(":last", AttributeValue::S(last.sk))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut found = HashMap::new();
        while let Some(item) = pages.next().await {
            let (day, usage) = read::<UsageItem, _>(item?)?;
            found.insert(day, usage);
        }
        Ok(found)
    }
}
