//! The rate of an organization that has a limit: one item, from which each publish request takes tokens.

mod item;

use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::item::{Item, VERSION};
use super::write::put::{WRITE_TOKEN, has_write_token, new_write_token};
use super::{Store, StoreError, keys};
use crate::domain::ids::OrganizationId;
use crate::domain::tenancy::limits::{Bucket, Form, Rate};
use crate::domain::time::Timestamp;
pub(super) use item::LimitsItem;

/// How long the item of an organization that publishes no more is kept.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long all tries of a write may take together. A rate that cannot be looked at does not hold up publishing.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// Tokens that a request takes.
#[derive(Debug)]
pub struct Tokens<'a> {
    /// Of which organization.
    pub organization: &'a OrganizationId,
    /// Its rate.
    pub rate: Rate,
    /// How many.
    pub count: u32,
    /// The write token: by it a write that the SDK repeats finds that it succeeded before.
    write_token: AttributeValue,
}

impl<'a> Tokens<'a> {
    /// So many tokens of an organization with this rate.
    pub fn new(organization: &'a OrganizationId, rate: Rate, count: u32) -> Self {
        Self { organization, rate, count, write_token: new_write_token() }
    }
}

/// What taking tokens came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenWrite {
    /// They were taken, and this is left.
    Written(Bucket),
    /// They were not: the bucket was this one, or there was none.
    Found(Option<Bucket>),
    /// The item takes no more writes now.
    Throttled,
}

impl Store {
    /// Takes tokens in this form, by one conditional write.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB did not answer. The tokens may have been taken.
    pub async fn take_tokens(&self, tokens: &Tokens<'_>, form: Form, now: Timestamp) -> Result<TokenWrite, StoreError> {
        let Tokens { organization, rate, count, write_token } = tokens;
        let number = |number: i64| AttributeValue::N(number.to_string());
        let micros = now.unix_micros();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::rate(organization).attributes()))
            .expression_attribute_names("#write_token", WRITE_TOKEN)
            .expression_attribute_values(":now", number(Bucket::full_at(micros).0))
            .expression_attribute_values(":write_token", write_token.clone())
            .expression_attribute_values(":entity", AttributeValue::S("rate".to_owned()))
            .expression_attribute_values(":v", AttributeValue::N(VERSION.to_string()))
            .expression_attribute_values(":expires_at", number(now.plus(LIFETIME).unix_seconds()));
        let beside = "#write_token = :write_token, entity = :entity, v = :v, expires_at = :expires_at";
        let update = match form {
            Form::Full => update
                .update_expression(format!("SET tat = :begun, {beside}"))
                .condition_expression("attribute_not_exists(pk) OR tat <= :now")
                .expression_attribute_values(":begun", number(rate.begun(micros, *count).0)),
            Form::Partial => update
                .update_expression(format!("SET tat = tat + :cost, {beside}"))
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
                // The first try of this very write was answered to nobody.
                let is_own = has_write_token(failed.item(), write_token);
                Ok(bucket.filter(|_| is_own).map_or(TokenWrite::Found(bucket), TokenWrite::Written))
            }
            Some(error) if error.code().is_some_and(is_throttling) => Ok(TokenWrite::Throttled),
            _ => Err(error.into()),
        }
    }
}

fn bucket_of(item: &Item) -> Option<Bucket> {
    item.get("tat")?.as_n().ok()?.parse().map(Bucket).ok()
}

fn is_throttling(code: &str) -> bool {
    ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"].contains(&code)
}
