//! Statistics: an item for each endpoint and hour. Processes add their counts to it. Its names are short, since a page of
//! charts reads many such items.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::counts::Set;
use super::item::Item;
use super::keys::{Key, SK};
use super::{NotAdded, Store, StoreError, keys};
use crate::domain::delivery::attempt::Cause;
use crate::domain::ids::EndpointId;
use crate::domain::statistics::{Hour, Statistics};
use crate::domain::time::Timestamp;

const ENTITY: &str = "stats";
const LAST_SUCCESS_AT: &str = "last_success_at";
/// How many of the newest hours are read for the last success before all others are. They take half a read unit.
const NEWEST_HOURS: i32 = 8;

/// The end of an attribute's name that stands for a cause. The outcomes of deliveries have the letters `s`, `e` and `f`.
const fn letter(cause: Cause) -> char {
    match cause {
        Cause::Timeout => 't',
        Cause::Dns => 'd',
        Cause::Connect => 'c',
        Cause::Tls => 'l',
        Cause::RefusedAddress => 'r',
        Cause::HttpStatus => 'h',
        Cause::InvalidResponse => 'i',
        Cause::EndpointDisabled => 'o',
        Cause::EndpointDeleted => 'g',
        Cause::OrganizationSuspended => 'p',
        Cause::Expunged => 'x',
        Cause::Undecryptable => 'u',
        Cause::AwsService => 'w',
    }
}

/// The attributes of an item, with the numbers that they contain. Numbers that are zero are absent.
fn attributes(statistics: &mut Statistics) -> impl Iterator<Item = (String, &mut u64)> {
    let Statistics {
        succeeded,
        exhausted,
        failed,
        delivery_errors,
        successful_attempts,
        attempt_errors,
        durations,
        last_success_at: _,
    } = statistics;
    let outcomes = [("d_s", succeeded), ("d_e", exhausted), ("d_f", failed), ("a_s", successful_attempts)];
    let outcomes = outcomes.into_iter().map(|(name, number)| (name.to_owned(), number));
    let of_deliveries = delivery_errors.iter_mut().map(|(cause, number)| (format!("d_{}", letter(cause)), number));
    let of_attempts = attempt_errors.iter_mut().map(|(cause, number)| (format!("a_{}", letter(cause)), number));
    let buckets = durations.iter_mut().enumerate().map(|(index, number)| (format!("b{index}"), number));
    outcomes.chain(of_deliveries).chain(of_attempts).chain(buckets)
}

fn read(item: &Item) -> Result<(Hour, Statistics), StoreError> {
    let hour = item.get(SK).and_then(|key| Hour::parse(key.as_s().ok()?));
    let hour = hour.ok_or_else(|| StoreError::corrupt("statistics without an hour"))?;
    let mut statistics = Statistics { last_success_at: last_success(item)?, ..Statistics::default() };
    for (name, number) in attributes(&mut statistics) {
        if let Some(value) = item.get(&name) {
            let stored = value.as_n().ok().and_then(|text| text.parse().ok());
            *number = stored.ok_or_else(|| StoreError::corrupt("statistics that are not numbers"))?;
        }
    }
    Ok((hour, statistics))
}

fn last_success(item: &Item) -> Result<Option<Timestamp>, StoreError> {
    let text = item.get(LAST_SUCCESS_AT).and_then(|value| value.as_s().ok());
    text.map(|text| Timestamp::parse(text)).transpose().map_err(StoreError::corrupt)
}

impl Store {
    /// Adds to the statistics of an endpoint in an hour. The call is made once, without retries, because a retry might add
    /// twice. If another process has stored a later success, that stays as it is, and a second call adds the counts.
    ///
    /// # Errors
    /// [`NotAdded`], which says whether the call may be repeated.
    pub async fn add_statistics(
        &self,
        endpoint: EndpointId,
        hour: Hour,
        statistics: &Statistics,
    ) -> Result<(), NotAdded> {
        let mut added = *statistics;
        let counts: Vec<_> =
            attributes(&mut added).map(|(name, number)| (name, *number)).filter(|(_, number)| *number > 0).collect();
        let last = statistics.last_success_at.map(|at| Set { name: LAST_SUCCESS_AT, text: at.rfc3339() });
        let has_success = last.is_some();
        let add = async |last| {
            let key = keys::statistics(endpoint, hour);
            self.add_once(key, ENTITY, hour.expires_at(), &counts, last).await
        };
        match add(last).await {
            Err(NotAdded::Refused(StoreError::Conflict)) if has_success => add(None).await,
            added => added,
        }
    }

    /// Reads the statistics of an endpoint from one hour to another, both included. Hours without any are left out.
    /// Eventually consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn statistics(
        &self,
        endpoint: EndpointId,
        first: Hour,
        last: Hour,
        now: Timestamp,
    ) -> Result<BTreeMap<Hour, Statistics>, StoreError> {
        let (first, last) = (keys::statistics(endpoint, first), keys::statistics(endpoint, last));
        let mut pages = self.query_range(first, last).into_paginator().items().send();
        let mut found = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let (hour, statistics) = read(&item?)?;
            if hour.expires_at() > now {
                found.insert(hour, statistics);
            }
        }
        Ok(found)
    }

    /// When the last successful attempt at an endpoint was recorded, as far as its statistics say. Eventually consistent.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn last_success(&self, endpoint: EndpointId, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let mut resume = None;
        for limit in [Some(NEWEST_HOURS), None] {
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(keys::statistics_partition(endpoint)))
                .scan_index_forward(false)
                .set_limit(limit)
                .set_exclusive_start_key(resume.take())
                .send()
                .await?;
            for item in output.items.unwrap_or_default() {
                let is_expired =
                    Key::of(&item).and_then(|key| Hour::parse(&key.sk)).is_none_or(|it| it.expires_at() <= now);
                if let Some(at) = last_success(&item)?.filter(|_| !is_expired) {
                    return Ok(Some(at));
                }
            }
            resume = output.last_evaluated_key;
            if resume.is_none() {
                break;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_number_has_an_attribute_of_its_own() {
        let mut statistics = Statistics::default();
        let names: Vec<_> = attributes(&mut statistics).map(|(name, _)| name).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
        assert_eq!(names.len(), 4 + 2 * Cause::ALL.len() + 20);
    }
}
