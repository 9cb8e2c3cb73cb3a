//! The times of a delivery's resends. They are not in its record, which consumers replace as a whole.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::domain::ids::{AttemptId, DeliveryId, EndpointId};
use crate::domain::time::Timestamp;
use crate::store::item::{Item, VERSION};
use crate::store::keys::Key;
use crate::store::{Store, StoreError, keys};

const ENTITY: &str = "resends";
/// Most resends of a delivery that are listed. Further resends replace the oldest, whose responses are removed.
const MAX_RESENDS: usize = 100;

impl Store {
    /// Adds a resend to those of its delivery. Adding it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been added.
    pub async fn add_resend(
        &self,
        endpoint: EndpointId,
        delivery: DeliveryId,
        started_at: Timestamp,
    ) -> Result<(), StoreError> {
        let key = keys::resends(endpoint, delivery);
        let expires_at = delivery.created_at().plus(self.retention).unix_seconds();
        let update = self.client.update_item().table_name(&self.table).set_key(Some(key.attributes()));
        let added = update
            .update_expression("ADD starts :start SET entity = :entity, v = :v, expires_at = :expires_at")
            .expression_attribute_values(":start", times([started_at]))
            .expression_attribute_values(":entity", AttributeValue::S(ENTITY.to_owned()))
            .expression_attribute_values(":v", AttributeValue::N(VERSION.to_string()))
            .expression_attribute_values(":expires_at", AttributeValue::N(expires_at.to_string()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await?;
        let starts = added.attributes.as_ref().map(starts).unwrap_or_default();
        let oldest = &starts[..starts.len().saturating_sub(MAX_RESENDS)];
        if !oldest.is_empty() {
            let dropped = oldest.iter().map(|started_at| AttemptId::of(delivery, *started_at));
            self.remove_dropped_responses(endpoint, dropped).await?;
            let update = self.client.update_item().table_name(&self.table).set_key(Some(key.attributes()));
            let update = update.update_expression("DELETE starts :oldest");
            update.expression_attribute_values(":oldest", times(oldest.iter().copied())).send().await?;
        }
        Ok(())
    }

    /// When the resends of these deliveries began, oldest first. Deliveries without resends are left out. Strongly
    /// consistent.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn resends(
        &self,
        wanted: &[(EndpointId, DeliveryId)],
    ) -> Result<HashMap<DeliveryId, Vec<Timestamp>>, StoreError> {
        let wanted = wanted.iter().map(|(endpoint, id)| keys::resends(*endpoint, *id)).collect();
        let found = self.get_all(wanted).await?.into_iter();
        let of = |item: Item| Some((keys::parse_resends(&Key::of(&item)?.sk)?, starts(&item)));
        Ok(found.filter_map(of).collect())
    }
}

/// A set of times in microseconds since 1970.
fn times(times: impl IntoIterator<Item = Timestamp>) -> AttributeValue {
    AttributeValue::Ns(times.into_iter().map(|time| time.unix_micros().to_string()).collect())
}

/// The times in an item, oldest first.
fn starts(item: &Item) -> Vec<Timestamp> {
    let numbers = item.get("starts").and_then(|starts| starts.as_ns().ok());
    let parsed = numbers.into_iter().flatten().filter_map(|number| number.parse().ok());
    let mut starts: Vec<_> = parsed.map(Timestamp::from_unix_micros).collect();
    starts.sort_unstable();
    starts
}
