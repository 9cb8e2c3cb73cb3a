//! The token buckets of an organization: that of its rate, from which each publish request takes tokens, and those of its
//! quotas. Each is an item.

mod item;

use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::item::{Item, VERSION};
use super::keys::Key;
use super::write::put::{WRITE_TOKEN, has_write_token, new_write_token};
use super::{Store, StoreError, keys};
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::limits::{Bucket, Form, Quota, Rate};
use crate::domain::time::Timestamp;
pub(super) use item::LimitsItem;

/// How long the item is stored after the last request of its organization.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The time limit of a write including the SDK's retries, so that an unavailable item delays publishing for at most
/// this time.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// Tokens that a request takes.
#[derive(Debug)]
pub struct Tokens {
    /// The key of the bucket.
    key: Key,
    /// The rate of the bucket.
    rate: Rate,
    /// The number of tokens.
    count: u32,
    /// The write token. With it, a write that the SDK repeats recognizes that its first try succeeded.
    write_token: AttributeValue,
}

impl Tokens {
    /// A number of tokens of an organization with this rate.
    pub fn new(organization: &OrganizationId, rate: Rate, count: u32) -> Self {
        Self { key: keys::rate(organization), rate, count, write_token: new_write_token() }
    }

    /// A number of tokens of an organization's quota.
    pub fn of_quota(organization: &OrganizationId, quota: Quota, count: u32) -> Self {
        Self { key: keys::quota(organization, quota), ..Self::new(organization, quota.rate(), count) }
    }
}

/// The result of taking tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenWrite {
    /// The tokens were taken. This is the new state of the bucket.
    Written(Bucket),
    /// The tokens were not taken, because the bucket does not have the form or contains too few. This is the stored
    /// bucket; `None` if none is stored.
    Found(Option<Bucket>),
    /// The tokens were not taken, because DynamoDB throttles writes to the item.
    Throttled,
}

impl Store {
    /// Takes tokens by one conditional write of this form. It takes at most 2 s.
    ///
    /// # Errors
    /// [`StoreError`] if the write failed for another reason than its condition or throttling. The tokens may have been
    /// taken.
    pub async fn take_tokens(&self, tokens: &Tokens, form: Form, now: Timestamp) -> Result<TokenWrite, StoreError> {
        let Tokens { key, rate, count, write_token } = tokens;
        let number = |number: i64| AttributeValue::N(number.to_string());
        let micros = now.unix_micros();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .expression_attribute_names("#write_token", WRITE_TOKEN)
            .expression_attribute_values(":now", number(Bucket::full_at(micros).0))
            .expression_attribute_values(":write_token", write_token.clone())
            .expression_attribute_values(":entity", AttributeValue::S("rate".to_owned()))
            .expression_attribute_values(":v", AttributeValue::N(VERSION.to_string()))
            .expression_attribute_values(":expires_at", number(now.plus(LIFETIME).unix_seconds()));
        let common = "#write_token = :write_token, entity = :entity, v = :v, expires_at = :expires_at";
        let update = match form {
            Form::Full => update
                .update_expression(format!("SET tat = :full_at, {common}"))
                .condition_expression("attribute_not_exists(pk) OR tat <= :now")
                .expression_attribute_values(":full_at", number(rate.taken_from_full(micros, *count).0)),
            Form::Partial => update
                .update_expression(format!("SET tat = tat + :cost, {common}"))
                .condition_expression("tat > :now AND tat <= :latest AND #write_token <> :write_token")
                .expression_attribute_values(":cost", number(rate.cost(*count)))
                .expression_attribute_values(":latest", number(rate.latest(micros, *count).0)),
        };
        let sent = update
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .customize()
            .config_override(
                Builder::new().timeout_config(TimeoutConfig::builder().operation_timeout(TIME_LIMIT).build()),
            )
            .send()
            .await;
        let error = match sent {
            Ok(output) => {
                let bucket = output.attributes.as_ref().and_then(bucket_of);
                return bucket.map(TokenWrite::Written).ok_or_else(|| StoreError::corrupt("a rate without a time"));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                let bucket = failed.item().and_then(bucket_of);
                // An earlier try of this write succeeded, but the SDK did not get its response.
                let is_own = has_write_token(failed.item(), write_token);
                Ok(bucket.filter(|_| is_own).map_or(TokenWrite::Found(bucket), TokenWrite::Written))
            }
            Some(error) if error.code().is_some_and(is_throttling) => Ok(TokenWrite::Throttled),
            _ => Err(error.into()),
        }
    }

    /// Returns tokens to their bucket that were taken from it and not used. If this fails, they are lost.
    ///
    /// # Errors
    /// [`StoreError`] if they may not have been returned.
    pub async fn return_tokens(&self, tokens: &Tokens) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(tokens.key.attributes()))
            .update_expression("SET tat = tat - :cost, #write_token = :write_token")
            .condition_expression("attribute_exists(pk) AND #write_token <> :write_token")
            .expression_attribute_names("#write_token", WRITE_TOKEN)
            .expression_attribute_values(":write_token", tokens.write_token.clone())
            .expression_attribute_values(":cost", AttributeValue::N(tokens.rate.cost(tokens.count).to_string()));
        match update.send().await {
            Err(error)
                if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }
}

fn bucket_of(item: &Item) -> Option<Bucket> {
    item.get("tat")?.as_n().ok()?.parse().map(Bucket).ok()
}

fn is_throttling(code: &str) -> bool {
    ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"].contains(&code)
}
