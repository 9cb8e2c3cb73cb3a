//! The health counters of endpoints. They are separate items, so that their frequent writes do not conflict with
//! changes of the endpoint by its owner.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::item::{Base, Item, Unreadable, VERSION, is_zero, read, time, to_item};
use super::keys::Key;
use super::write::put::{Put, WRITE_TOKEN, new_write_token, with_write_token};
use super::{Store, StoreError, keys};
use crate::domain::endpoint::circuit_breaker::{Bucket, Counters, SlowTime};
use crate::domain::endpoint::lane::Lane;
use crate::domain::ids::EndpointId;
use crate::domain::time::Timestamp;

/// How long the counters are stored after their last change.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often a change is tried if other processes change the counters first.
const TRIES: usize = 2;

impl Store {
    /// Changes an endpoint's counters by `change`, and returns the new counters. Unchanged counters are not
    /// written. `None` if other processes changed the counters first, twice.
    ///
    /// # Errors
    /// [`StoreError`] if the write may have failed.
    pub async fn change_counters(
        &self,
        endpoint: EndpointId,
        now: Timestamp,
        change: impl Fn(Counters) -> Counters,
    ) -> Result<Option<Counters>, StoreError> {
        let key = keys::health(endpoint);
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes()));
        let mut found = get.consistent_read(true).send().await?.item;
        for _ in 0..TRIES {
            let before = found.clone().map_or(Ok(Counters::default()), |item| counters(item, now))?;
            let after = change(before);
            if after == before {
                return Ok(Some(after));
            }
            let write_token = new_write_token();
            let item = with_write_token(to_item(&HealthItem::new(endpoint, &after, now))?, &write_token);
            let seen = found.as_ref().and_then(|item| item.get(WRITE_TOKEN)).cloned();
            let put = match seen {
                Some(seen) => {
                    self.put_with_token_if(item, &write_token, "write_token = :seen", [(":seen", seen)]).await?
                }
                None => self.put_with_token_if(item, &write_token, "attribute_not_exists(pk)", []).await?,
            };
            match put {
                Put::Written => return Ok(Some(after)),
                Put::Found(other) => found = other,
            }
        }
        Ok(None)
    }

    /// The counters of an endpoint. Eventually consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn counters(&self, endpoint: EndpointId, now: Timestamp) -> Result<Counters, StoreError> {
        let key = keys::health(endpoint);
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes()));
        get.send().await?.item.map_or(Ok(Counters::default()), |item| counters(item, now))
    }

    /// The counters of an endpoint. Strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn current_counters(&self, endpoint: EndpointId, now: Timestamp) -> Result<Counters, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(keys::health(endpoint).attributes()));
        get.consistent_read(true).send().await?.item.map_or(Ok(Counters::default()), |item| counters(item, now))
    }

    /// The counters of these endpoints, each or the error if its item is unreadable. Those without an item are left out.
    /// Eventually consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn counters_of(
        &self,
        endpoints: &[EndpointId],
        now: Timestamp,
    ) -> Result<HashMap<EndpointId, Result<Counters, StoreError>>, StoreError> {
        let found = self.get_all_eventually(endpoints.iter().map(|id| keys::health(*id)).collect()).await?;
        let of_endpoint = |item: Item| {
            let endpoint = Key::of(&item).and_then(|key| keys::parse_health(&key))?;
            Some((endpoint, counters(item, now)))
        };
        Ok(found.into_iter().filter_map(of_endpoint).collect())
    }

    /// The part of a transaction that resets the failure counts. The lane and the slow time stay: otherwise a
    /// tenant could move a slow endpoint back to the fast lane by changing it.
    pub(super) fn forget_failures(
        &self,
        endpoint: EndpointId,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(keys::health(endpoint).attributes()))
            .update_expression(format!(
                "SET {WRITE_TOKEN} = :write_token, entity = :entity, v = :v, expires_at = :expires_at \
                 REMOVE failures, timeouts, failing_since, first_timeout_at"
            ))
            .expression_attribute_values(":write_token", new_write_token())
            .expression_attribute_values(":entity", AttributeValue::S(ENTITY.to_owned()))
            .expression_attribute_values(":v", AttributeValue::N(VERSION.to_string()))
            .expression_attribute_values(":expires_at", AttributeValue::N(expires_at(now).to_string()))
            .build()
            .map_err(StoreError::corrupt)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

const ENTITY: &str = "health";

fn expires_at(now: Timestamp) -> i64 {
    now.plus(RETENTION).unix_seconds()
}

/// The counters of an item; the default if the item has expired.
fn counters(item: Item, now: Timestamp) -> Result<Counters, StoreError> {
    let (expires_at, counters) = read::<HealthItem, _>(item)?;
    Ok(if now.unix_seconds() < expires_at { counters } else { Counters::default() })
}

/// The attributes of the counters' item.
#[derive(Debug, Serialize, Deserialize)]
struct HealthItem {
    #[serde(flatten)]
    base: Base,
    #[serde(default, skip_serializing_if = "is_zero")]
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    timeouts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_timeout_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_until: Option<String>,
    /// Absent for the fast lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    expires_at: i64,
}

impl HealthItem {
    fn new(endpoint: EndpointId, counters: &Counters, now: Timestamp) -> Self {
        let &Counters { failures, timeouts, slow_time } = counters;
        Self {
            base: Base::new(keys::health(endpoint), ENTITY),
            failures: failures.count,
            failing_since: failures.since.map(Timestamp::rfc3339),
            timeouts: timeouts.count,
            first_timeout_at: timeouts.since.map(Timestamp::rfc3339),
            slow_until: slow_time.until.map(Timestamp::rfc3339),
            lane: (slow_time.lane != Lane::default()).then(|| slow_time.lane.as_str().to_owned()),
            expires_at: expires_at(now),
        }
    }
}

impl TryFrom<HealthItem> for (i64, Counters) {
    type Error = Unreadable;

    fn try_from(item: HealthItem) -> Result<Self, Unreadable> {
        let counters = Counters {
            failures: Bucket { count: item.failures, since: time(item.failing_since.as_ref())? },
            timeouts: Bucket { count: item.timeouts, since: time(item.first_timeout_at.as_ref())? },
            slow_time: SlowTime {
                until: time(item.slow_until.as_ref())?,
                lane: item.lane.as_deref().and_then(Lane::parse).unwrap_or_default(),
            },
        };
        Ok((item.expires_at, counters))
    }
}
