//! The table of a deployment.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::delivery::attempt::AttemptEntry;
use shared::domain::endpoint;
use shared::domain::endpoint::circuit_breaker::{Counters, SlowTime};
use shared::domain::endpoint::fan_out::FanOutSize;
use shared::domain::endpoint::lane::Lane;
use shared::domain::ids::{DeliveryId, EndpointId, OrganizationId};
use shared::store::Store;

use super::World;
use crate::support::{Endpoint, Tenant};

/// How long an endpoint that is moved to the slow lane stays there at least.
const IN_SLOW_LANE: Duration = Duration::from_secs(20 * 60);

impl World {
    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk())
    }

    pub(crate) fn table(&self) -> &str {
        &self.settings.table
    }

    /// The table with the store's operations.
    pub(crate) fn store(&self) -> Store {
        Store::new(&self.sdk(), self.table(), self.settings.deployment.retention)
    }

    /// Moves an endpoint to a lane, as the consumer does. Does nothing if the endpoint is deleted.
    pub(crate) async fn set_lane(&self, tenant: &Tenant, endpoint: &Endpoint, lane: Lane) {
        let store = self.store();
        let (organization, id) = (OrganizationId::parse(&tenant.id).unwrap(), EndpointId::parse(&endpoint.id).unwrap());
        let Some(found) = store.endpoint(&organization, id).await.unwrap() else { return };
        let now = self.clock.now();
        let until = (lane == Lane::Slow).then(|| now.plus(IN_SLOW_LANE));
        let count = |counters| Counters { slow_time: SlowTime { until, lane }, ..counters };
        store.change_counters(id, now, count).await.unwrap().unwrap();
        let moved = endpoint::Endpoint { lane, version: found.version + 1, ..found.clone() };
        store.change_endpoint(&found, &moved, now).await.unwrap();
        // The revision is raised too, unlike in the consumer, so tests need not wait until the publishers' caches
        // expire.
        let unchanged = FanOutSize::default();
        store.raise_revision(&organization, found.fan_out_group, unchanged, unchanged).await.unwrap();
    }

    /// The primary key of an endpoint's item.
    pub(crate) fn endpoint_key(&self, organization: &str, endpoint: &str) -> HashMap<String, AttributeValue> {
        let shard = shared::store::shard_byte(EndpointId::parse(endpoint).unwrap().uuid()) % 16;
        let key = [("pk", format!("endpoint#{organization}#{shard}")), ("sk", endpoint.to_owned())];
        key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
    }

    /// All stored items of a kind.
    pub(crate) async fn items(&self, entity: &str) -> Vec<HashMap<String, AttributeValue>> {
        let scan = self.dynamodb().scan().table_name(self.table()).filter_expression("entity = :entity");
        let scan = scan.expression_attribute_values(":entity", AttributeValue::S(entity.to_owned()));
        scan.into_paginator().items().send().collect::<Result<_, _>>().await.unwrap()
    }

    /// The attempts in the log of a delivery's record.
    pub(crate) async fn log(&self, delivery: &str) -> Vec<AttemptEntry> {
        let id = AttributeValue::S(delivery.to_owned());
        let item = self.items("delivery").await.into_iter().find(|item| item["sk"] == id).unwrap();
        let endpoint = EndpointId::parse(item["pk"].as_s().unwrap().split('#').nth(1).unwrap()).unwrap();
        self.store().delivery(endpoint, DeliveryId::parse(delivery).unwrap()).await.unwrap().unwrap().log
    }

    /// Whether the body of the last response is incomplete, according to the log.
    pub(crate) async fn is_body_cut(&self, delivery: &str) -> bool {
        self.log(delivery).await.last().unwrap().body_cut
    }

    /// The written usage of all organizations and days: events, deliveries and attempts.
    pub(crate) async fn usage(&self) -> [u64; 3] {
        let items = self.items("usage").await;
        ["events", "deliveries", "attempts"]
            .map(|name| items.iter().map(|item| item[name].as_n().unwrap().parse::<u64>().unwrap()).sum())
    }

    /// All stored items.
    pub(crate) async fn all_items(&self) -> Vec<HashMap<String, AttributeValue>> {
        let scan = self.dynamodb().scan().table_name(self.table()).into_paginator();
        scan.items().send().collect::<Result<_, _>>().await.unwrap()
    }

    /// Replaces all items of the table by those of an earlier time.
    pub(crate) async fn restore(&self, earlier: Vec<HashMap<String, AttributeValue>>) {
        for mut item in self.all_items().await {
            item.retain(|name, _| ["pk", "sk"].contains(&name.as_str()));
            self.dynamodb().delete_item().table_name(self.table()).set_key(Some(item)).send().await.unwrap();
        }
        for item in earlier {
            self.dynamodb().put_item().table_name(self.table()).set_item(Some(item)).send().await.unwrap();
        }
    }

    /// Deletes the expired items, as DynamoDB does within days.
    pub(crate) async fn expire_items(&self) {
        self.aws.expire_items().await.unwrap();
    }

    /// Deletes all items of a kind.
    pub(crate) async fn delete_items(&self, entity: &str) {
        for mut item in self.items(entity).await {
            item.retain(|name, _| ["pk", "sk"].contains(&name.as_str()));
            self.dynamodb().delete_item().table_name(self.table()).set_key(Some(item)).send().await.unwrap();
        }
    }
}
